"""What was asked for says what will be: companions are fetched before anybody asks.

Called once a turn, before the turn's misses leave, so that companions ride in the same batch. Never waits, and nobody
waits for it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from policies.prefetch_plan import merge_watch
from sidecar.clock import TICK_NS, Clock
from sidecar.fetch.flight import Flight
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.prefetch._touches import TouchLog
from sidecar.prefetch.budget import Budget
from sidecar.prefetch.guesses import Guesses
from sidecar.prefetch.learned_sets import LearnedSets
from sidecar.prefetch.set_state import SetState
from sidecar.resilience.priority import Priority

HALF_LIFE_S = 30.0  # of what precision is judged by
DECIDE_EVERY_S = 0.25
LEARN_EVERY = 4  # decisions: looking at all candidates is up to half a millisecond
SAMPLE_PAUSE = 20  # ticks between two samples: looking at one costs half a millisecond
TICK_MS = TICK_NS // 1_000_000
PAUSE_SHARE = 16  # a key says nothing new for this part of the shortest ttl that follows from it...
LEAST_PAUSE, MOST_PAUSE = 2, 50  # ...in ticks: 20 ms to half a second


class Reads(Protocol):
    """The read side of the miss path, as prefetching uses it."""

    def prefetch(self, key: bytes, then: Callable[[bool], None], priority: Priority) -> Flight | None: ...
    def is_demanded(self, key: bytes) -> bool: ...


class Prefetcher:
    """Follows the feature sets of the running policy, and what was learned.

    Args:
        policy: has ``.current``, the compiled policy.
    """

    def __init__(
        self,
        clock: Clock,
        store: Any,
        reads: Reads,
        policy: Any,
        touches: TouchLog,
        counters: MissPathCounters,
    ) -> None:
        self._clock = clock
        self._store = store
        self._reads = reads
        self._policy = policy
        self._touches = touches
        self._counters = counters
        self._guesses = Guesses()
        self._states: dict[str, SetState] = {}
        self._decided_ns = clock.now_ns()
        self._decisions = 0
        self.budget = Budget(counters)
        self._learned_of: tuple[object, ...] = ()
        self.policy_changed()

    @property
    def states(self) -> Sequence[SetState]:
        """Of the declared sets, in the order of the policy."""
        return [self._states[one.name] for one in self._policy.current.plan.sets]

    def policy_changed(self) -> None:
        """Follow the policy that runs now. A set that keeps its name keeps its record; learning begins anew where keys
        are read differently.
        """
        policy = self._policy.current
        self._states = {
            one.name: self._states.get(one.name) or SetState(one.name, self._counters.prefetched, one.name)
            for one in policy.plan.sets
        }
        window = max(1, policy.prefetch.window_ms // TICK_MS) if policy.prefetch.learn else 0
        basis = (policy.policy.views, policy.policy.feature_sets, window)
        if basis != self._learned_of:
            self._learned_of = basis
            self.learned = LearnedSets(policy, window, self._counters.prefetched)
        else:
            self.learned.use(policy)
        self._touches.take_samples(2 * window, SAMPLE_PAUSE)
        self._watch()

    def take(self) -> None:
        """Look at what was asked for in this turn."""
        self._guesses.judge(self._store.take_verdicts())
        groups, samples = self._touches.take()
        for keys in groups:
            self._follow(keys)
            self._follow_learned(keys)
        for sample in samples:
            self.learned.associations.learn(sample)

    def tick(self) -> None:
        """Called some 20 times a second: verdicts come without requests too, and precision is judged now and then."""
        self._guesses.judge(self._store.take_verdicts())
        numbers = self._policy.current.prefetch
        learned = [one.state for one in self.learned.rules.values()]
        self.budget.refresh(numbers.budget, learned)
        now_ns = self._clock.now_ns()
        passed_s = (now_ns - self._decided_ns) / 1e9
        if passed_s < DECIDE_EVERY_S:
            return
        self._decided_ns = now_ns
        self._guesses.note_overdue(now_ns)
        share = 0.5 ** (passed_s / HALF_LIFE_S)
        changed = False
        for state in (*self._states.values(), *learned):
            changed |= state.decide(numbers.min_precision)
            state.fade(share)
        self.budget.fade(share)
        self._decisions += 1
        if self._decisions % LEARN_EVERY == 0:
            self.learned.associations.fade(share**LEARN_EVERY)
            changed |= self.learned.choose(numbers.min_precision)
        if changed:
            self._watch()

    def _watch(self) -> None:
        """Have the keys noted that anything follows from."""
        off = {name for name, state in self._states.items() if not state.is_on}
        watch = self._policy.current.plan.watch_without(off)
        merge_watch(watch, self.learned.watch())
        pauses = {rule: (bits, _pause_of(ttl)) for rule, (bits, ttl) in watch.items()}
        self._touches.watch(pauses, misses=bool(self._states))

    def _follow(self, keys: list[bytes]) -> None:
        """The declared sets' companions of the keys of one request."""
        plan = self._policy.current.plan
        if not plan.sets:
            return
        demanded = False
        by_set: dict[int, list[bytes]] = {}
        found, companions = plan.companions(keys)
        for key, numbers in found.items():
            if self._reads.is_demanded(key):
                demanded = True
                for number in numbers:
                    self._states[plan.sets[number].name].missed += 1
        for key, number in companions.items():
            by_set.setdefault(number, []).append(key)
        priority = Priority.DEMAND if demanded else Priority.REVALIDATION
        for number, several in by_set.items():
            state = self._states[plan.sets[number].name]
            wanted = self._store.wants_prefetch(several)
            if wanted and state.takes_occasion():
                for key in wanted:
                    self._fetch(key, state, priority)
            else:
                for key in wanted:
                    self._store.clear_refreshing(key)

    def _follow_learned(self, keys: list[bytes]) -> None:
        """What learned rules make of them, within the budget and with what the origin has to spare."""
        for key, learned in self.learned.follow(keys, self._reads.is_demanded).items():
            if self._store.wants_prefetch([key]):
                if learned.state.takes_occasion() and self.budget.take():
                    self._fetch(key, learned.state, Priority.SPECULATIVE)
                else:
                    self._store.clear_refreshing(key)

    def _fetch(self, key: bytes, state: SetState, priority: Priority) -> None:
        """Have a row fetched that memory lacks."""
        guess = self._store.prefetch_id(key)
        outcome = _Outcome(self._guesses, guess)
        flight = self._reads.prefetch(key, outcome, priority)
        if flight is None:
            self._store.clear_refreshing(key)
        else:
            outcome.flight = flight
            self._guesses.begun(guess, state, self._clock.now_ns())


class _Outcome:
    """Is told whether memory kept what was prefetched."""

    __slots__ = ("_guess", "_guesses", "flight")

    flight: Flight

    def __init__(self, guesses: Guesses, guess: int) -> None:
        self._guesses = guesses
        self._guess = guess

    def __call__(self, kept: bool) -> None:
        asked = not self.flight.is_guess
        if asked or not kept:
            self._guesses.not_kept(self._guess, asked)
        del self.flight


def _pause_of(ttl_ticks: int) -> int:
    return min(max(ttl_ticks // PAUSE_SHARE, LEAST_PAUSE), MOST_PAUSE)
