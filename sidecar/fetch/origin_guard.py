"""What stands between the miss path and its origin: one set of control loops for all reads and writes."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from random import Random

from sidecar.clock import Clock
from sidecar.logs import logger
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Cause, Failed, OriginAnswer
from sidecar.resilience.breaker import Breaker, BreakerState
from sidecar.resilience.hedging import Hedging
from sidecar.resilience.limiter import AdaptiveLimiter, Limiter
from sidecar.resilience.overload import Overload
from sidecar.resilience.retry_budget import RetryBudget
from sidecar.resilience.state_log import StateLog

# What may have passed by the time the next attempt is made. Not a timeout (nothing is left of the deadline), nor what
# an operator must mend.
RETRYABLE = frozenset({Cause.BUSY, Cause.CONNECTION_LOST, Cause.CONNECTION_REFUSED, Cause.UNREACHABLE})
# Said of every document of a call, nothing was answered at all; other causes are the origin's answer about a document.
NO_ANSWER = frozenset({Cause.TIMEOUT, *RETRYABLE}) - {Cause.BUSY}
_log = logger("origin")


class OriginGuard:
    """The limiter, breaker, retry budget and so on of one origin.

    Attributes:
        random: for jitter; tests give a seeded one.
        hedging: None: a second read of the same is no faster.
    """

    __slots__ = (
        "_clock",
        "_counters",
        "_states",
        "_wake",
        "breaker",
        "hedging",
        "limiter",
        "overload",
        "random",
        "retries",
    )

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Clock,
        counters: MissPathCounters,
        wake: Callable[[], None],
        limiter: Limiter | None = None,
        retries: RetryBudget | None = None,
        hedges: bool = False,
        random: Random | None = None,
    ) -> None:
        """Args:
        wake: has what waits looked at soon: the breaker changed.
        """
        self.limiter = limiter or AdaptiveLimiter()
        self.retries = retries or RetryBudget()
        self.random = random or Random()
        self.breaker: Breaker[Cause] = Breaker(Cause.BREAKER_OPEN, self.random, self._breaker_changed)
        self.overload = Overload()
        self.hedging = Hedging() if hedges else None
        self._wake = wake
        self._clock = clock
        self._counters = counters
        self._states = {
            name: StateLog(loop, write)
            for name, write in (
                ("breaker", lambda fields: _log.warning("breaker", **fields)),
                ("overload", lambda fields: _log.warning("overload", **fields)),
            )
        }
        counters.guard = self

    @property
    def is_down(self) -> bool:
        """Nothing is asked of the origin now."""
        return not self.breaker.is_closed

    @property
    def down_cause(self) -> Cause:
        """Why nothing is asked. A timeout is not named: who is answered at once did not wait for one."""
        cause = self.breaker.cause
        return Cause.BREAKER_OPEN if cause is Cause.TIMEOUT else cause

    def budget_left(self) -> int:
        return self.retries.left(self._clock.now_ns())

    def breaker_state(self) -> BreakerState:
        return self.breaker.state

    def is_overloaded(self) -> bool:
        return self.overload.is_on

    def judge_failed(self, cause: Cause, sent_ns: int, now_ns: int) -> None:
        """A call was not answered."""
        self.breaker.failed(cause, sent_ns, now_ns)

    def judge_all_failed(self, answer: OriginAnswer, sent_ns: int, now_ns: int) -> None:
        """A call was answered, and none of its documents could be read; ``answer``: to one of them."""
        if isinstance(answer, Failed) and answer.cause in NO_ANSWER:
            self.breaker.failed(answer.cause, sent_ns, now_ns)
        else:
            self.breaker.succeeded()

    def observe_queue(self, longest_wait_ns: int, now_ns: int) -> None:
        """How long the first of the reads that somebody waits for has waited; 0: there is none."""
        overload = self.overload
        before = overload.is_on
        overload.observe(longest_wait_ns, now_ns)
        if overload.is_on is not before:
            self._counters.overloads += overload.is_on
            state = "on" if overload.is_on else "off"
            self._states["overload"].changed(state=state, limit=round(self.limiter.limit), in_use=self.limiter.in_use)

    def _breaker_changed(self, before: BreakerState, state: BreakerState, cause: Cause) -> None:
        self._counters.breaker_changes[state.name.lower()] += 1
        if state is BreakerState.CLOSED:
            self._states["breaker"].changed(state="closed")
        elif before is BreakerState.CLOSED:  # an outage is one line, not one for each probe
            self._states["breaker"].changed(state="open", cause=cause.value)
        self._wake()
