"""All misses of one turn of the event loop, over all clients, leave as one ``fetch_many``.

What finds no room at the origin stays gathered and leaves with a later turn's misses, in fewer and larger batches: the
most urgent first, the newest first while a queue stands. What cannot be answered in time any more, or waits in a queue
that stands, or for an origin that is down, is given up: whoever waits for it is answered without the origin.
"""

import asyncio
from collections.abc import Callable

from sidecar.clock import Clock
from sidecar.fetch.flight import Flight
from sidecar.fetch.flight_queue import FlightQueue
from sidecar.fetch.hedged_reads import Reads
from sidecar.fetch.origin_guard import OriginGuard
from sidecar.fetch.read_retries import ReadRetries
from sidecar.fetch.turn_clock import TurnClock
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Absent, Cause, Failed, Found, OriginAnswer, OriginError, Read
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.limiter import Kind
from sidecar.resilience.overload import TARGET_NS
from sidecar.resilience.priority import Priority

LANDINGS_PER_STEP = 50  # so that a large batch does not hold the loop for more than about 1 ms
SHED_PER_STEP = 50
# While more waits than there is room for, at least so many calls share the limit. A call gives all its room back when
# the slowest of its documents is in, so one large call leaves the origin idle at its end: of an origin that can do 400
# documents a second and is asked for 1,200, 370 were answered with calls as large as the room, 400 with these.
CALLS_AT_LEAST = 4
_PRIORITIES = tuple(Priority)  # to go through the enumeration itself takes 1 us
_MEAN_OF = 8  # batches: how long one takes just now


class Batcher:
    """Sends flights in batches and hands each its answer.

    Args:
        reads: the origin, or what hedges its reads.
        max_reads: of one batch.
        leave_soon: has ``flush`` called at the end of the turn.
    """

    _depart: Callable[[Flight], bool]
    _land: Callable[[Flight, OriginAnswer], None]
    _give_up: Callable[[Flight, Cause], None]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        turn: TurnClock,
        reads: Reads,
        guard: OriginGuard,
        counters: MissPathCounters,
        leave_soon: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._turn = turn
        self._reads = reads
        self._guard = guard
        self._limiter = guard.limiter
        self._counters = counters
        self._leave_soon = leave_soon
        self._queue = FlightQueue()
        counters.read_queue = self._queue.lengths
        self._retries = ReadRetries(loop, guard, counters, self._send, self._land_all)
        self._took_ns = 0.0  # a moving mean
        self._tasks: set[asyncio.Task[None]] = set()  # the loop keeps only weak references to tasks

    def hand_to(
        self,
        depart: Callable[[Flight], bool],
        land: Callable[[Flight, OriginAnswer], None],
        give_up: Callable[[Flight, Cause], None],
    ) -> None:
        """Who takes part in a flight's life.

        Args:
            depart: told of each flight at the moment it is sent; False: nobody wants it any more, it is left out.
            land: given each sent flight's answer, Failed included, exactly once.
            give_up: given each flight that will not be sent, and why.
        """
        self._depart = depart
        self._land = land
        self._give_up = give_up

    def add(self, flight: Flight) -> None:
        """Let ``flight`` leave with the next batch."""
        self._queue.add(flight, self._turn.now_ns())
        self._leave_soon()

    def promote(self, flight: Flight, priority: Priority) -> None:
        """``flight`` became more urgent."""
        self._queue.promote(flight, priority)

    def is_idle(self) -> bool:
        """Nothing waits to be sent."""
        return not self._queue.waiting

    def has_room_to_spare(self) -> bool:
        """Whether all that waits leaves with the next batch, and there is room for a read on a guess beside it."""
        guard = self._guard
        if guard.overload.is_on or not guard.breaker.is_closed:
            return False
        return self._limiter.room(Kind.READ, Priority.SPECULATIVE) > self._queue.waiting

    def flush(self) -> None:
        """Send what was gathered, as far as there is room."""
        queue, guard = self._queue, self._guard
        if not queue.waiting:
            if guard.overload.is_on:
                guard.observe_queue(0, self._turn.now_ns())
            return
        now_ns = self._turn.now_ns()
        if not guard.breaker.is_closed:
            self._flush_while_down(now_ns)
        else:
            if guard.overload.is_on:
                self._shed(now_ns)
            while queue.waiting and (batch := self._gather(now_ns)):
                self._send(batch)
            guard.observe_queue(queue.longest_wait_ns(Priority.DEMAND, now_ns) if queue.waiting else 0, now_ns)

    def _gather(self, now_ns: int) -> list[Flight]:
        """A batch as large as there is room for."""
        queue, limiter, max_reads = self._queue, self._limiter, self._reads.max_reads_per_fetch
        newest = self._guard.overload.is_on
        batch: list[Flight] = []
        for priority in _PRIORITIES:
            if not queue.lengths[priority]:
                continue
            room: float = limiter.room(Kind.READ, priority)
            if queue.waiting > room:
                room = min(room, max(1.0, limiter.limit / CALLS_AT_LEAST))
            room = min(room, max_reads)
            while len(batch) < room and (flight := queue.take(priority, newest)) is not None:
                if self._is_too_late(flight, now_ns):
                    self._counters.shed["deadline"] += 1
                    self._give_up(flight, Cause.OVERLOADED)
                elif self._depart(flight):
                    batch.append(flight)
        return batch

    def _is_too_late(self, flight: Flight, now_ns: int) -> bool:
        """Whether it waited so long that its answer would come after its deadline."""
        if now_ns - flight.gathered_ns <= TARGET_NS:
            return False
        enough_ns = 0 if flight.refill else self._took_ns / 2  # nobody waits for a refill, but it too has an end
        return flight.deadline.at_ns - now_ns <= enough_ns

    def _send(self, batch: list[Flight]) -> None:
        under_way = self._limiter.acquire(Kind.READ, len(batch))
        if not batch[0].attempts:
            self._guard.retries.deposit(len(batch), self._turn.now_ns())
        for flight in batch:
            flight.attempts += 1
        task = self._loop.create_task(self._fetch(batch, under_way))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Giving up

    def _flush_while_down(self, now_ns: int) -> None:
        """One flight tries the origin when it is time for that; the others are given up."""
        queue, breaker = self._queue, self._guard.breaker
        for _ in range(SHED_PER_STEP):
            flight = next((flight for priority in Priority if (flight := queue.take(priority)) is not None), None)
            if flight is None:
                return
            if breaker.is_due(now_ns):
                if self._depart(flight):
                    breaker.probing(now_ns)
                    self._send([flight])
            else:
                self._counters.shed["breaker_open"] += 1
                self._give_up(flight, self._guard.down_cause)
        self._leave_soon()

    def _shed(self, now_ns: int) -> None:
        """Give up what waited longer than a batch takes, from the oldest on, and all that nobody waits for."""
        patience_ns = max(2 * TARGET_NS, self._took_ns)
        queue = self._queue
        left = SHED_PER_STEP
        for priority in reversed(Priority):
            while queue.longest_wait_ns(priority, now_ns) > (0 if priority is Priority.SPECULATIVE else patience_ns):
                if not left:
                    self._leave_soon()
                    return
                left -= 1
                flight = queue.take(priority)
                assert flight is not None  # somebody waits
                self._counters.shed["overload"] += 1
                self._give_up(flight, Cause.OVERLOADED)

    # The origin's answer

    async def _fetch(self, batch: list[Flight], under_way: int) -> None:
        """Ask the origin, give the room back, land every flight, or have it ask again."""
        sent_ns = self._clock.now_ns()
        answers: list[OriginAnswer] | None = None
        outcome = "unavailable"
        failure = Failed(Cause.CLOSED)  # if we are cancelled: the process ends
        self._counters.in_flight += 1
        try:
            answers = await self._ask(batch)
        except OriginError as error:
            failure = Failed(error.cause)
            outcome = "timeout" if error.cause is Cause.TIMEOUT else "unavailable"
        except Exception as error:
            failure = Failed(Cause.STORAGE)
            self._loop.call_exception_handler({"message": "the origin broke its contract", "exception": error})
        finally:
            now_ns = self._clock.now_ns()
            took_ns = now_ns - sent_ns
            counters, guard = self._counters, self._guard
            counters.in_flight -= 1
            counters.batch("read", took_ns / 1e9)
            if answers is None:
                self._limiter.release(Kind.READ, len(batch), under_way, False, took_ns, now_ns)
                guard.judge_failed(failure.cause, sent_ns, now_ns)
                counters.request("read", outcome, len(batch))
                answers = [failure] * len(batch)
                failures = len(batch)
            else:
                failures = self._count(answers)
                self._took_ns += (took_ns - self._took_ns) / _MEAN_OF
                self._limiter.release(Kind.READ, len(batch), under_way, failures < len(batch), took_ns, now_ns)
                if failures == len(batch):
                    guard.judge_all_failed(answers[0], sent_ns, now_ns)
                else:
                    guard.breaker.succeeded()
            if self._queue.waiting:
                self._leave_soon()
            if failures:
                batch, answers = self._retries.take(batch, answers, now_ns, self._took_ns)
            self._land_all(batch, answers)

    async def _ask(self, batch: list[Flight]) -> list[OriginAnswer]:
        reads = [Read(flight.key, None if flight.fields is None else tuple(flight.fields)) for flight in batch]
        deadline: Deadline = max(flight.deadline for flight in batch)
        answers = await self._reads.fetch_many(reads, deadline)
        if len(answers) != len(batch):
            raise ValueError(f"{len(answers)} answers to {len(batch)} reads")
        return answers

    def _count(self, answers: list[OriginAnswer]) -> int:
        """Count them; how many failed."""
        kinds = [type(answer) for answer in answers]
        for kind, outcome in ((Found, "found"), (Absent, "absent"), (Failed, "failed")):
            if number := kinds.count(kind):
                self._counters.request("read", outcome, number)
        return number  # of Failed, the last

    def _land_all(self, batch: list[Flight], answers: list[OriginAnswer]) -> None:
        self._land_some(batch, answers, 0)

    def _land_some(self, batch: list[Flight], answers: list[OriginAnswer], start: int) -> None:
        """Land a part of the batch; the rest in the next steps of the loop."""
        end = start + LANDINGS_PER_STEP
        for flight, answer in zip(batch[start:end], answers[start:end], strict=True):
            try:
                self._land(flight, answer)
            except Exception as error:  # our bug: its readers run into their deadlines, the others' answers come
                self._loop.call_exception_handler({"message": "an answer could not be kept", "exception": error})
        if end < len(batch):
            self._loop.call_soon(self._land_some, batch, answers, end)
