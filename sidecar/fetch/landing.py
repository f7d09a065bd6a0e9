"""What becomes of an origin's answer: it is kept if the consistency protocol lets it, and everybody who waits is told.

Callbacks come last, after all state is right, for they may ask again.
"""

from sidecar.clock import floor_tick
from sidecar.fetch.answers import Absent, Answer, Found
from sidecar.fetch.coherence import Coherence
from sidecar.fetch.delivery import PER_STEP, Delivery, Reply
from sidecar.fetch.failing_rows import FailingRows
from sidecar.fetch.fill_costs import FillCosts
from sidecar.fetch.flight import Flight, Waiter
from sidecar.fetch.memory_reads import MemoryReads
from sidecar.fetch.memory_tier import MemoryTier, Window
from sidecar.fetch.policy_numbers import PolicyNumbers
from sidecar.fetch.revalidation import Revalidation
from sidecar.fetch.singleflight import Singleflight
from sidecar.fetch.turn_clock import TurnClock
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Cause, Failed, OriginAnswer


class Landing:
    """Takes the flights that end, with an answer or without one."""

    __slots__ = (
        "_coherence",
        "_counters",
        "_delivery",
        "_failing",
        "_fill_costs",
        "_memory",
        "_numbers",
        "_revalidation",
        "_singleflight",
        "_store",
        "_turn",
    )

    def __init__(
        self,
        turn: TurnClock,
        store: MemoryTier,
        coherence: Coherence,
        numbers: PolicyNumbers,
        memory: MemoryReads,
        failing: FailingRows,
        singleflight: Singleflight,
        revalidation: Revalidation,
        delivery: Delivery,
        counters: MissPathCounters,
    ) -> None:
        self._turn = turn
        self._store = store
        self._coherence = coherence
        self._numbers = numbers
        self._memory = memory
        self._failing = failing
        self._fill_costs = FillCosts(store)
        self._singleflight = singleflight
        self._revalidation = revalidation
        self._delivery = delivery
        self._counters = counters

    def land(self, flight: Flight, answer: OriginAnswer) -> None:
        """The origin's answer, or failure, for one flight that was sent."""
        self._turn.now_ns()
        self._coherence.landed(flight)
        replies: list[Reply] = []
        if answer.__class__ is Failed:
            self._fail(flight, answer.cause, replies)
        else:
            if self._failing:
                self._failing.recovered(flight.key)
            self._install(flight, answer, replies)  # type: ignore[arg-type]
        flight.waiters = []  # they know their flight: a ring would be left to the garbage collector
        held = self._singleflight.held_for_landing(flight.key)
        if held is not None:
            replies += self.release(held)
        self._delivery.deliver(replies)

    def give_up(self, flight: Flight, cause: Cause) -> None:
        """``flight`` will not be sent; that says nothing of its row."""
        self._singleflight.cancel(flight)
        if flight.refill:
            backoff_ns = self._numbers.row(flight.key).read_error_backoff_ms * 1_000_000
            self._revalidation.failed(flight.key, self._turn.now_ns() + backoff_ns)
        waiters, flight.waiters = flight.waiters, []
        if flight.watchers is not None:
            self._delivery.tell_watchers(flight, False)
        replies: list[Reply] = []
        self._tell_all(waiters, cause, False, replies)
        self._delivery.deliver(replies)

    def note_failure(self, key: bytes, cause: Cause) -> int:
        """A read of ``key`` failed; when the next may try."""
        retry_at_ns = self._turn.now_ns() + self._numbers.row(key).read_error_backoff_ms * 1_000_000
        self._failing.failed(key, retry_at_ns, cause)
        return retry_at_ns

    def release(self, flight: Flight) -> list[Reply]:
        """What held ``flight`` back is over: memory may have the answer by now, the others leave for the origin."""
        replies: list[Reply] = []
        staying: list[Waiter] = []
        failing = self._failing.state(flight.key)
        if failing is not None and self._turn.now_ns() >= failing[0]:
            failing = None
        for waiter in flight.waiters:
            if waiter.then is None:
                continue
            answer: Answer | Cause | None = None
            if not waiter.bypass:
                answer = self._memory.answer(waiter.key, waiter.fields, Window.FRESH)
                if answer is None and failing is not None:
                    answer = failing[1]
            if answer is None:
                staying.append(waiter)
            else:
                replies.append(Reply(waiter, answer))
        flight.waiters = staying
        if staying or flight.refill:
            self._singleflight.let_go(flight)
        else:
            self._singleflight.cancel(flight)
        return replies

    def _tell_all(self, waiters: list[Waiter], answer: Answer | Cause, is_miss: bool, replies: list[Reply]) -> None:
        """All of these are to be told the same."""
        if len(waiters) > PER_STEP:
            self._delivery.deliver_to_all(waiters, answer, is_miss)
        else:
            replies += [Reply(waiter, answer, is_miss) for waiter in waiters]

    def _install(self, flight: Flight, answer: Found | Absent, replies: list[Reply]) -> None:
        """Keep the answer if the protocol lets it; who is to be told what."""
        key = flight.key
        covers: tuple[bytes, ...] | None = None
        if flight.fields is not None and answer.__class__ is Found and not answer.whole:
            covers = tuple(flight.fields)
        reason = self._coherence.obstacle(flight, covers)
        if reason is None:
            row = self._numbers.row(key)
            if self._store.install(
                key, answer, floor_tick(flight.sent_ns), row.rule, covers=covers, speculative=flight.is_guess
            ):
                self._coherence.installed(key)
                self._fill_costs.filled(row.view, self._turn.now_ns() - flight.sent_ns)
                self._tell_all(flight.waiters, answer, True, replies)
                if flight.watchers is not None:
                    self._delivery.tell_watchers(flight, True)
                return
            reason = "not_admitted"
        self._counters.fill_dropped(reason)
        self._give_only(flight, answer, covers, replies)
        if flight.watchers is not None:
            self._delivery.tell_watchers(flight, False)

    def _give_only(
        self, flight: Flight, answer: Found | Absent, covers: tuple[bytes, ...] | None, replies: list[Reply]
    ) -> None:
        """The answer may not be kept: memory has a newer one for some, the others get this one."""
        key = flight.key
        others: list[Waiter] = []
        for waiter in flight.waiters:
            if waiter.then is None:
                continue
            kept = None if waiter.bypass else self._memory.answer(key, waiter.fields, Window.FRESH)
            if kept is None:
                others.append(waiter)
            else:
                replies.append(Reply(waiter, kept))
        if others:
            self._coherence.given_only(key, covers)
            replies += [Reply(waiter, answer, True) for waiter in others]
        elif flight.refill:
            self._revalidation.came_to_nothing(key)

    def _fail(self, flight: Flight, cause: Cause, replies: list[Reply]) -> None:
        """Nothing came; who is to be told what."""
        if flight.is_guess:  # who asks for the row later tries for himself
            self._revalidation.came_to_nothing(flight.key)
        else:
            retry_at_ns = self.note_failure(flight.key, cause)
            if flight.refill:
                self._revalidation.failed(flight.key, retry_at_ns)
        self._tell_all(flight.waiters, cause, False, replies)
        if flight.watchers is not None:
            self._delivery.tell_watchers(flight, False)
