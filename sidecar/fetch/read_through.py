"""Reads: from memory while that may be, else from the origin, once for all who ask.

``read`` finds or begins a flight (singleflight.py), the batcher sends it with the others of the turn, landing.py
passes the answer through the consistency protocol (coherence.py) and then to everybody who waits.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable

from sidecar.clock import Clock
from sidecar.fetch.alarms import Alarms
from sidecar.fetch.answers import Absent, Answer, Found
from sidecar.fetch.batcher import Batcher
from sidecar.fetch.coherence import Coherence
from sidecar.fetch.delivery import Delivery
from sidecar.fetch.failing_rows import FailingRows
from sidecar.fetch.flight import Waiter
from sidecar.fetch.hedged_reads import HedgedReads, Reads
from sidecar.fetch.invalidation import Invalidation
from sidecar.fetch.landing import Landing
from sidecar.fetch.lookup_counter import LookupCounter
from sidecar.fetch.memory_reads import MemoryReads
from sidecar.fetch.memory_tier import MemoryTier, Window
from sidecar.fetch.origin_guard import OriginGuard
from sidecar.fetch.policy_numbers import PolicyNumbers
from sidecar.fetch.revalidation import Revalidation
from sidecar.fetch.singleflight import Singleflight
from sidecar.fetch.speculation import Speculation
from sidecar.fetch.turn_clock import TurnClock
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Cause, Origin, OriginUnavailable
from sidecar.resilience.deadline import Deadline

Fields = tuple[bytes, ...] | None


class ReadThrough:
    """The read side of the miss path.

    Args:
        lookups: the counters of lookups_total; this side counts the misses.
        guard: the control loops of the origin.
        leave_soon: has ``flush`` called at the end of the turn.
        max_waiting: rows that may wait to be asked for; beyond, OVERLOADED.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Clock,
        turn: TurnClock,
        store: MemoryTier,
        origin: Origin,
        numbers: PolicyNumbers,
        coherence: Coherence,
        guard: OriginGuard,
        lookups: LookupCounter,
        counters: MissPathCounters,
        leave_soon: Callable[[], None],
        max_waiting: int,
    ) -> None:
        self._loop = loop
        self._turn = turn
        self._store = store
        self._prefers_whole = origin.prefers_whole
        self._coherence = coherence
        self._counters = counters
        self._numbers = numbers
        self._memory = MemoryReads(store, coherence, numbers)
        self._delivery = Delivery(loop, turn, self._memory, numbers, lookups, counters)
        self._failing = FailingRows()
        self._guard = guard
        self._breaker = guard.breaker
        reads: Reads = origin
        if guard.hedging is not None:
            reads = HedgedReads(loop, clock, origin, guard.hedging, guard, counters)
        self._batcher = batcher = Batcher(loop, clock, turn, reads, guard, counters, leave_soon)
        self._singleflight = singleflight = Singleflight(
            loop, clock, turn, coherence, batcher.add, batcher.promote, max_waiting
        )
        self._revalidation = Revalidation(loop, clock, turn, store, numbers, singleflight, self._failing, guard)
        self._landing = Landing(
            turn,
            store,
            coherence,
            numbers,
            self._memory,
            self._failing,
            singleflight,
            self._revalidation,
            self._delivery,
            counters,
        )
        batcher.hand_to(singleflight.depart, self._landing.land, self._landing.give_up)
        self._deadlines: Alarms = Alarms(loop, clock, self._on_deadline, _is_answered)
        invalidation = Invalidation(loop, store, coherence)
        self.invalidate = invalidation.invalidate
        self.invalidate_match = invalidation.invalidate_match
        self.invalidate_where = invalidation.invalidate_where
        self.flush_memory = invalidation.flush_memory
        speculation = Speculation(turn, numbers, singleflight, batcher, self._failing)
        self.speculate = speculation.speculate
        self.prefetch = speculation.prefetch
        self.is_demanded = singleflight.is_demanded

    # What the command layer calls

    def lookup(self, key: bytes, fields: Fields) -> Found | Absent | None:
        """Memory's answer, fresh or stale, counted; None: ``read`` it. A stale one, or a hot one near its end, is
        revalidated behind.
        """
        self._turn.now_ns()
        if fields is not None and self._numbers.are_timestamps(key, fields):
            return None
        answer = self._memory.answer(key, fields, Window.STALE)
        if answer is not None and self._store.must_revalidate:
            self._revalidation.revalidate((key,))
        return answer

    def kind(self, key: bytes) -> bytes | None:
        """Memory's word on EXISTS and TYPE: b"string", b"hash", or None where the origin must be asked."""
        self._turn.now_ns()
        return self._store.any_usable(key)

    def string_sizes(self, keys: list[bytes]) -> list[int | None]:
        """For each key the bytes of the string that ``lookup`` would answer, 0 for one known to be absent; None:
        it would not, or it is a hash.
        """
        self._turn.now_ns()
        return self._store.string_sizes(keys)

    def is_tried(self, key: bytes) -> bool:
        """Whether a read of the row waits or is in the air: what /explain tells."""
        return self._singleflight.is_tried(key)

    def ask_at_all(self) -> None:
        """For what goes to the origin past this path.

        Raises:
            OriginUnavailable: the breaker is open.
        """
        if self._guard.is_down:
            raise OriginUnavailable(self._guard.down_cause)

    def trouble(self, key: bytes, fields: Fields) -> tuple[Cause, str] | None:
        """Why a read of the row would not be sent now, and what would be answered: stale, nil or the error's text."""
        self._turn.now_ns()
        cause: Cause | None = None
        if self._guard.is_down:
            cause = self._guard.down_cause
        elif (state := self._failing.state(key)) is not None and self._turn.now_ns() < state[0]:
            cause = state[1]
        return None if cause is None else (cause, self._delivery.would_say(key, fields, cause))

    def read(
        self,
        key: bytes,
        fields: Fields,
        then: Callable[[Answer], None],
        deadline: Deadline | None = None,
        bypass: bool = False,
    ) -> None:
        """Ask the origin, for this reader and all who ask the same.

        Args:
            fields: those of a hash; None: a string or the whole hash.
            then: called once, perhaps before this returns, with Found, Absent or Unavailable. Found may hold more
                fields than were asked, and is of the kind that the document is. What it raises is logged.
            deadline: None: the policy's.
            bypass: only an origin read that is sent after this moment will do, not memory, nor a flight in the air.
                Feast's ``_ts:`` fields alone are always read so.
        """
        row = self._numbers.row(key)
        if deadline is None:
            deadline = self._turn.deadline(row.deadline_ms)
        if fields is not None and not bypass:
            bypass = self._numbers.are_timestamps(key, fields)
        waiter = Waiter(key, fields, then, deadline, bypass)
        if self._failing and not bypass:
            answer = self._answer_of_failing(waiter)
            if answer is not None:
                self._delivery.tell(waiter, answer)
                return
        if not self._breaker.is_closed and not (self._batcher.is_idle() and self._breaker.is_due(self._turn.now_ns())):
            self._counters.shed["breaker_open"] += 1
            self._delivery.tell(waiter, self._guard.down_cause)
            return
        flight = self._singleflight.shared_by(waiter)
        if flight is not None:
            self._counters.joined += 1
        elif self._singleflight.is_full():
            self._counters.shed["queue_full"] += 1
            self._delivery.tell(waiter, Cause.OVERLOADED)
            return
        else:
            whole = fields is None or row.is_feast or self._prefers_whole(key, fields)
            flight = self._singleflight.begin(key, None if whole else fields, deadline)
        flight.board(waiter)
        self._deadlines.add(deadline.at_ns, waiter)

    async def get(self, key: bytes, fields: Fields) -> Answer:
        """``lookup``, else ``read``. Being cancelled leaves the read running for the others."""
        return (await self.get_many([(key, fields)]))[0]

    async def get_many(self, asked: Iterable[tuple[bytes, Fields]]) -> list[Answer]:
        """``get`` for several at once, in the order asked."""
        asked = list(asked)
        answers: list[Answer | None] = [self.lookup(key, fields) for key, fields in asked]
        missing = answers.count(None)
        done = self._loop.create_future()

        def arrived(place: int, answer: Answer) -> None:
            nonlocal missing
            answers[place] = answer
            missing -= 1
            if not missing and not done.done():
                done.set_result(None)

        for place, (key, fields) in enumerate(asked):
            if answers[place] is None:
                self.read(key, fields, lambda answer, place=place: arrived(place, answer))  # type: ignore[misc]
        if missing:
            await done
        return [answer for answer in answers if answer is not None]

    def flush(self) -> None:
        """The turn is over: all its misses leave as one batch."""
        self._batcher.flush()

    def revalidate(self, keys: Iterable[bytes]) -> None:
        """Refresh rows of which a stale entry, or a fresh one near its end, was served."""
        self._revalidation.revalidate(keys)

    def refill(self, key: bytes) -> None:
        """Read the whole row for memory's sake, unless too much waits already."""
        self._revalidation.refill(key)

    def write_ended(self, key: bytes) -> None:
        """Let go of the readers that waited for a write of ``key``."""
        held = self._singleflight.held_for_write(key)
        if held is not None:
            self._turn.now_ns()
            self._delivery.deliver(self._landing.release(held))

    # Answers

    def _answer_of_failing(self, waiter: Waiter) -> Answer | None:
        """An answer at once, where the row's last read failed and this reader need not be the one who tries again."""
        state = self._failing.state(waiter.key)
        if state is None:
            return None
        retry_at_ns, cause = state
        if self._turn.now_ns() < retry_at_ns:
            return self._delivery.without_origin(waiter, cause)
        if self._singleflight.is_tried(waiter.key):
            return self._delivery.stale(waiter, cause)
        return None

    def _on_deadline(self, waiter: Waiter) -> None:
        if waiter.then is None:
            return
        self._turn.now_ns()
        if waiter.flight.sent_ns:
            self._landing.note_failure(waiter.key, Cause.TIMEOUT)
        self._delivery.tell(waiter, Cause.TIMEOUT)


def _is_answered(waiter: Waiter) -> bool:
    return waiter.then is None
