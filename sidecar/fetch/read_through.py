"""Reads: from memory while that may be, else from the origin, once for all who ask.

``read`` finds or begins a flight (singleflight.py), the batcher sends it with the others of the turn, ``_land``
passes the answer through the consistency protocol (coherence.py) and then to everybody who waits. Callbacks come
last, after all state is right, for they may call back in here.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable

from sidecar.clock import Clock, floor_tick
from sidecar.fetch.alarms import Alarms
from sidecar.fetch.answers import Absent, Answer, Found, Unavailable
from sidecar.fetch.batcher import Batcher
from sidecar.fetch.coherence import Coherence
from sidecar.fetch.errors import unavailable_error
from sidecar.fetch.failing_rows import FailingRows
from sidecar.fetch.flight import Flight, Waiter
from sidecar.fetch.invalidation import Invalidation
from sidecar.fetch.lookup_counter import MISS, LookupCounter
from sidecar.fetch.memory_reads import MemoryReads
from sidecar.fetch.memory_tier import MemoryTier, Window
from sidecar.fetch.policy_numbers import PolicyHolder, PolicyNumbers
from sidecar.fetch.revalidation import Revalidation
from sidecar.fetch.singleflight import Singleflight
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Cause, Failed, Origin, OriginAnswer
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.limiter import Limiter

MAX_WAITING_ROWS = 10_000  # rows that wait to be asked for; beyond, OVERLOADED: at 1,000 a batch that is ten batches

Fields = tuple[bytes, ...] | None
Replies = list[tuple[Waiter, Answer]]


class ReadThrough:
    """The read side of the miss path.

    Args:
        policy: holder of the running policy.
        lookups: the counters of lookups_total; this side counts the misses.
        limiter: places at the origin, one a batch.
        max_waiting: rows that may wait to be asked for.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Clock,
        store: MemoryTier,
        origin: Origin,
        policy: PolicyHolder,
        coherence: Coherence,
        limiter: Limiter,
        lookups: LookupCounter,
        counters: MissPathCounters,
        max_waiting: int = MAX_WAITING_ROWS,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._store = store
        self._origin = origin
        self._coherence = coherence
        self._counters = counters
        self._lookups = lookups
        self._numbers = PolicyNumbers(policy)
        self._memory = MemoryReads(store, coherence, clock, self._numbers)
        self._failing = FailingRows()
        self._batcher = Batcher(loop, clock, origin, limiter, counters, self._depart, self._land)
        self._singleflight = Singleflight(loop, clock, coherence, self._batcher.add, max_waiting)
        self._revalidation = Revalidation(loop, clock, store, self._numbers, self._singleflight, self._failing)
        invalidation = Invalidation(loop, store, coherence)
        self.invalidate = invalidation.invalidate
        self.invalidate_match = invalidation.invalidate_match
        self.invalidate_where = invalidation.invalidate_where
        self.flush_memory = invalidation.flush_memory
        self._deadlines: Alarms[Waiter] = Alarms(loop, clock, self._on_deadline)

    # What the command layer calls

    def lookup(self, key: bytes, fields: Fields) -> Found | Absent | None:
        """Memory's answer, fresh or stale, counted; None: ``read`` it. A stale one is revalidated behind."""
        self._memory.tell_time()
        answer = self._memory.answer(key, fields, Window.FRESH)
        if answer is None:
            answer = self._memory.answer(key, fields, Window.STALE)
            if answer is not None:
                self.revalidate((key,))
        return answer

    def kind(self, key: bytes) -> bytes | None:
        """Memory's word on EXISTS and TYPE: b"string", b"hash", or None where the origin must be asked."""
        self._memory.tell_time()
        return self._memory.kind(key)

    def is_tried(self, key: bytes) -> bool:
        """Whether a read of the row waits or is in the air."""
        return self._singleflight.is_tried(key)

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
        """
        now_ns = self._clock.now_ns()
        if deadline is None:
            deadline = Deadline.after(self._numbers.current.deadline_ms(key), now_ns)
        waiter = Waiter(key, fields, then, deadline, bypass)
        if self._failing and not bypass:
            answer = self._answer_of_failing(waiter, now_ns)
            if answer is not None:
                self._deliver([(waiter, answer)])
                return
        flight = self._singleflight.shared_by(waiter)
        if flight is not None:
            self._counters.joined += 1
        elif self._singleflight.is_full():
            self._deliver([(waiter, self._without_origin(waiter, Cause.OVERLOADED))])
            return
        else:
            flight = self._singleflight.begin(key, self._asked_for(key, fields), deadline)
        flight.board(waiter)
        self._deadlines.add(deadline.at_ns, waiter)

    async def get(self, key: bytes, fields: Fields) -> Answer:
        """``lookup``, else ``read``. Being cancelled leaves the read running for the others."""
        answer: Answer | None = self.lookup(key, fields)
        if answer is None:
            future = self._loop.create_future()
            self.read(key, fields, lambda found: None if future.done() else future.set_result(found))
            answer = await future
        return answer

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
        """Refresh rows of which a stale entry was served."""
        self._revalidation.revalidate(keys)

    def refill(self, key: bytes) -> None:
        """Read the whole row for memory's sake, unless too much waits already."""
        self._revalidation.refill(key)

    def write_ended(self, key: bytes) -> None:
        """Let go of the readers that waited for a write of ``key``."""
        held = self._singleflight.held_for_write(key)
        if held is not None:
            self._memory.tell_time()
            self._deliver(self._release(held))

    def _asked_for(self, key: bytes, fields: Fields) -> Fields:
        """What to ask of the origin for a reader of ``fields``."""
        whole = fields is None or self._origin.reads_whole or self._numbers.is_feast_row(key)
        return None if whole else fields

    def _depart(self, flight: Flight) -> bool:
        return self._singleflight.depart(flight)

    # Answers

    def _land(self, flight: Flight, answer: OriginAnswer) -> None:
        """The origin's answer, or failure, for one flight."""
        self._memory.tell_time()
        self._coherence.landed(flight)
        if isinstance(answer, Failed):
            replies = self._fail(flight, answer.cause)
        else:
            self._failing.recovered(flight.key)
            replies = self._install(flight, answer)
        held = self._singleflight.held_for_landing(flight.key)
        if held is not None:
            replies += self._release(held)
        self._deliver(replies)

    def _install(self, flight: Flight, answer: Found | Absent) -> Replies:
        """Keep the answer if the protocol lets it; who is to be told what."""
        key = flight.key
        covers: Fields = None
        if flight.fields is not None and isinstance(answer, Found) and not answer.whole:
            covers = tuple(flight.fields)
        reason = self._coherence.obstacle(flight, covers)
        if reason is None:
            row_rule = self._numbers.current.row_rule(key)
            if self._store.install(key, answer, floor_tick(flight.sent_ns), row_rule, covers=covers):
                self._coherence.installed(key)
                return self._misses(flight.waiters, answer)
            reason = "not_admitted"
        self._counters.fill_dropped(reason)
        replies: Replies = []
        others: list[Waiter] = []
        for waiter in flight.waiters:
            if waiter.then is None:
                continue
            kept = None if waiter.bypass else self._memory.answer(key, waiter.fields, Window.FRESH)
            if kept is None:
                others.append(waiter)
            else:
                replies.append((waiter, kept))
        if others:
            self._coherence.given_only(key, covers)
            replies += self._misses(others, answer)
        elif flight.refill:
            self._revalidation.came_to_nothing(key)
        return replies

    def _fail(self, flight: Flight, cause: Cause) -> Replies:
        """Nothing came; who is to be told what."""
        key = flight.key
        retry_at_ns = self._note_failure(key, cause)
        if flight.refill:
            self._revalidation.failed(key, retry_at_ns)
        return [(waiter, self._without_origin(waiter, cause)) for waiter in flight.waiters if waiter.then is not None]

    def _release(self, flight: Flight) -> Replies:
        """What held ``flight`` back is over: memory may have the answer by now, the others leave for the origin."""
        replies: Replies = []
        staying: list[Waiter] = []
        failing = self._failing.state(flight.key)
        if failing is not None and self._clock.now_ns() >= failing[0]:
            failing = None
        for waiter in flight.waiters:
            if waiter.then is None:
                continue
            answer: Answer | None = None
            if not waiter.bypass:
                answer = self._memory.answer(waiter.key, waiter.fields, Window.FRESH)
                if answer is None and failing is not None:
                    answer = self._without_origin(waiter, failing[1])
            if answer is None:
                staying.append(waiter)
            else:
                replies.append((waiter, answer))
        flight.waiters = staying
        if staying or flight.refill:
            self._singleflight.let_go(flight)
        else:
            self._singleflight.cancel(flight)
        return replies

    def _answer_of_failing(self, waiter: Waiter, now_ns: int) -> Answer | None:
        """An answer at once, where the row's last read failed and this reader need not be the one who tries again."""
        state = self._failing.state(waiter.key)
        if state is None:
            return None
        self._memory.tell_time()
        retry_at_ns, cause = state
        if now_ns < retry_at_ns:
            return self._without_origin(waiter, cause)
        if self._singleflight.is_tried(waiter.key):  # somebody is trying
            return self._memory.answer(waiter.key, waiter.fields, Window.ERROR)
        return None

    def _on_deadline(self, waiter: Waiter) -> None:
        if waiter.then is None:
            return
        self._memory.tell_time()
        if waiter.flight.sent_ns:
            self._note_failure(waiter.key, Cause.TIMEOUT)
        self._deliver([(waiter, self._without_origin(waiter, Cause.TIMEOUT))])

    def _note_failure(self, key: bytes, cause: Cause) -> int:
        """A read of ``key`` failed; when the next may try."""
        backoff_ms = self._numbers.current.read_error_backoff_ms(key)
        retry_at_ns = self._clock.now_ns() + backoff_ms * 1_000_000
        self._failing.failed(key, retry_at_ns, cause)
        return retry_at_ns

    def _without_origin(self, waiter: Waiter, cause: Cause) -> Answer:
        """What to say when the origin does not: what memory may still serve, nil by policy, or the error."""
        if not waiter.bypass:
            answer = self._memory.while_failing(waiter.key, waiter.fields)
            if answer is not None:
                return answer
        self._count_miss(waiter)
        return Unavailable(unavailable_error(cause, waiter.deadline.budget_ms), cause)

    def _misses(self, waiters: list[Waiter], answer: Found | Absent) -> Replies:
        replies: Replies = []
        for waiter in waiters:
            if waiter.then is not None:
                self._count_miss(waiter)
                replies.append((waiter, answer))
        return replies

    def _count_miss(self, waiter: Waiter) -> None:
        for view, entries in self._numbers.views(waiter.key, waiter.fields).items():
            self._lookups.add_lookup(view, MISS, entries)

    def _deliver(self, replies: Replies) -> None:
        """Tell everybody; one who raises costs the others nothing."""
        for waiter, answer in replies:
            then, waiter.then = waiter.then, None
            if then is None:
                continue
            try:
                then(answer)
            except Exception as error:
                self._loop.call_exception_handler({"message": "a reader failed on its answer", "exception": error})
