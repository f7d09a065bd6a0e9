"""All misses of one turn of the event loop, over all clients, leave as one ``fetch_many``.

What finds no place at the origin stays gathered and leaves with a later turn's misses, in fewer and larger batches.
"""

import asyncio
from collections.abc import Callable

from sidecar.clock import Clock
from sidecar.fetch.flight import Flight
from sidecar.fetch.flight_queue import FlightQueue
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Absent, Cause, Failed, Found, Origin, OriginAnswer, OriginError, Read
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.limiter import Limiter
from sidecar.resilience.priority import Priority

LANDINGS_PER_STEP = 100  # so that a large batch does not hold the loop for more than about 1 ms


class Batcher:
    """Sends flights in batches and hands each its answer.

    Args:
        leave_soon: has ``flush`` called at the end of the turn.
    """

    _depart: Callable[[Flight], bool]
    _land: Callable[[Flight, OriginAnswer], None]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        origin: Origin,
        limiter: Limiter,
        counters: MissPathCounters,
        leave_soon: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._origin = origin
        self._limiter = limiter
        self._counters = counters
        self._leave_soon = leave_soon
        self._queue = FlightQueue()
        self._tasks: set[asyncio.Task[None]] = set()  # the loop keeps only weak references to tasks

    def hand_to(self, depart: Callable[[Flight], bool], land: Callable[[Flight, OriginAnswer], None]) -> None:
        """Who takes part in a flight's life.

        Args:
            depart: told of each flight at the moment it is sent; False: nobody wants it any more, it is left out.
            land: given each flight's answer, Failed included, exactly once.
        """
        self._depart = depart
        self._land = land

    def add(self, flight: Flight) -> None:
        """Let ``flight`` leave with the next batch."""
        self._queue.add(flight)
        self._leave_soon()

    def promote(self, flight: Flight, priority: Priority) -> None:
        """``flight`` became more urgent."""
        self._queue.promote(flight, priority)

    def has_room_to_spare(self) -> bool:
        """Whether what waits leaves with the next batch and few places at the origin are taken."""
        return len(self._queue) < self._origin.max_reads_per_fetch and self._limiter.is_spare()

    def flush(self) -> None:
        """Send what was gathered, as far as there are places."""
        queue = self._queue
        while queue and self._limiter.try_acquire():
            batch: list[Flight] = []
            for flight in queue.in_order():
                if self._depart(flight):
                    batch.append(flight)
                    if len(batch) == self._origin.max_reads_per_fetch:
                        break
            if not batch:
                self._limiter.release(True, 0)
                break
            task = self._loop.create_task(self._fetch(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._counters.waiting = len(queue)

    async def _fetch(self, batch: list[Flight]) -> None:
        """Ask the origin, give the place back, land every flight."""
        begun_ns = self._clock.now_ns()
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
            took_ns = self._clock.now_ns() - begun_ns
            self._counters.in_flight -= 1
            self._counters.batch("read", took_ns / 1e9)
            self._limiter.release(answers is not None, took_ns)
            if self._queue:
                self._leave_soon()
            if answers is None:
                self._counters.request("read", outcome, len(batch))
                answers = [failure] * len(batch)
            else:
                self._count(answers)
            self._land_some(batch, answers, 0)

    async def _ask(self, batch: list[Flight]) -> list[OriginAnswer]:
        reads = [Read(flight.key, None if flight.fields is None else tuple(flight.fields)) for flight in batch]
        deadline: Deadline = max(flight.deadline for flight in batch)
        answers = await self._origin.fetch_many(reads, deadline)
        if len(answers) != len(batch):
            raise ValueError(f"{len(answers)} answers to {len(batch)} reads")
        return answers

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

    def _count(self, answers: list[OriginAnswer]) -> None:
        kinds = [type(answer) for answer in answers]
        for kind, outcome in ((Found, "found"), (Absent, "absent"), (Failed, "failed")):
            if number := kinds.count(kind):
                self._counters.request("read", outcome, number)
