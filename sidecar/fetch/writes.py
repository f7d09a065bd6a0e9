"""Writes: all of a turn leave as one ``write_many``; those on one key in order, one batch of them at a time.

A reply is the origin's word. Memory follows the origin: what a write reserves is not read from memory from the
moment it is sent until its outcome is known, then it is what was written, or gone. Until it is sent the write has not
begun, and memory goes on answering: without that every second GET of a hot key that many clients write took the long
way (95% GET, 5% SET, zipf: 3.5 us an operation instead of 1.8).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from sidecar.clock import Clock, floor_tick
from sidecar.fetch.alarms import Alarms
from sidecar.fetch.coherence import Coherence, Mark
from sidecar.fetch.memory_tier import MemoryTier
from sidecar.fetch.origin_guard import OriginGuard
from sidecar.fetch.policy_numbers import PolicyNumbers, RowNumbers
from sidecar.fetch.quarantine import Quarantine
from sidecar.fetch.turn_clock import TurnClock
from sidecar.fetch.write_calls import WriteCalls
from sidecar.fetch.written import reserved_by, show_written
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import (
    UNKNOWN,
    Applied,
    Cause,
    Origin,
    Refusal,
    Refused,
    Write,
    WriteAnswer,
)
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.limiter import Kind
from sidecar.resilience.priority import Priority

MAX_WRITES_PER_BATCH = 1000  # as many as an origin's reads per fetch
REFUSED_PER_STEP = 50  # each is a few microseconds: no step of the loop is to take 1 ms

Then = Callable[[WriteAnswer], None]


class _Submitted:
    """A write that was submitted.

    Attributes:
        then: None: it was answered.
        mark: None: it has not begun.
        in_the_air: the origin may have it.
        write: None once it has ended: our alarm holds on to us until the deadline, and values may be large.
        row: what applied to the key when it was submitted.
    """

    __slots__ = ("deadline", "in_the_air", "key", "mark", "row", "then", "write")

    def __init__(self, write: Write, row: RowNumbers, then: Then, deadline: Deadline) -> None:
        self.key = write.key
        self.write: Any = write
        self.row = row
        self.then: Then | None = then
        self.deadline = deadline
        self.mark: Mark | None = None
        self.in_the_air = False


class Writes:
    """The write side of the miss path.

    Args:
        leave_soon: has ``flush`` called at the end of the turn.
        write_ended: told of each key when a write of it has ended and memory shows it.
        guard: the control loops of the origin.
        max_waiting: writes that may wait to be sent; beyond, OVERLOADED.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        turn: TurnClock,
        store: MemoryTier,
        origin: Origin,
        numbers: PolicyNumbers,
        coherence: Coherence,
        quarantine: Quarantine,
        guard: OriginGuard,
        counters: MissPathCounters,
        leave_soon: Callable[[], None],
        write_ended: Callable[[bytes], None],
        max_waiting: int,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._turn = turn
        self._store = store
        self._numbers = numbers
        self._coherence = coherence
        self._quarantine = quarantine
        self._guard = guard
        self._limiter = guard.limiter
        self._breaker = guard.breaker
        self._calls = WriteCalls(loop, clock, origin, guard, counters, coherence.send_again)
        self._counters = counters
        self._leave_soon = leave_soon
        self._write_ended = write_ended
        self._max_waiting = max_waiting
        self._queue: deque[_Submitted] = deque()
        counters.write_queue = self._queue
        self._in_the_air: dict[bytes, list[_Submitted]] = {}  # key -> the batch that holds it
        self._behind: dict[bytes, list[_Submitted]] = {}  # key in the air -> later writes of it, in order, if any
        self._waiting = 0  # submitted and not sent
        self._leaving = False  # ``flush`` will be called
        self._unwatched: list[_Submitted] = []  # whose deadline nobody watches yet
        self._deadlines = Alarms(loop, clock, self._on_deadline, _is_answered)
        self._tasks: set[asyncio.Task[None]] = set()  # the loop keeps only weak references to tasks

    def submit(self, write: Write, then: Then, deadline: Deadline | None = None) -> None:
        """Apply ``write`` after all earlier ones on its key.

        Args:
            then: called once with Applied, Refused or Unknown. What it raises is logged.
            deadline: None: the policy's write deadline. Past it the outcome is Unknown, or Refused(NOT_SENT) where
                it had not been sent.
        """
        row = self._numbers.row(write.key)
        if deadline is None:
            deadline = self._turn.deadline(row.write_deadline_ms)
        if self._waiting >= self._max_waiting:
            self._counters.shed["queue_full"] += 1
            self._tell(then, Refused(Refusal.NOT_SENT, Cause.OVERLOADED))
            return
        if not self._breaker.is_closed and (self._waiting or not self._breaker.is_due(self._turn.now_ns())):
            self._counters.shed["breaker_open"] += 1
            self._tell(then, Refused(Refusal.NOT_SENT, self._guard.down_cause))
            return
        submitted = _Submitted(write, row, then, deadline)
        self._waiting += 1
        self._queue.append(submitted)
        self._unwatched.append(submitted)
        self._leave()

    async def apply(self, write: Write) -> WriteAnswer:
        """``submit`` and wait. Being cancelled does not take the write back."""
        future: asyncio.Future[WriteAnswer] = self._loop.create_future()
        self.submit(write, lambda answer: None if future.done() else future.set_result(answer))
        return await future

    def begin(self, keys: Iterable[bytes]) -> None:
        """Let the writes of ``keys`` that wait to be sent begin already: a read that comes now may not pass them."""
        if not self._waiting:
            return
        keys = frozenset(keys)
        behind = [self._behind[key] for key in keys & self._behind.keys()]
        for submitted in chain(self._queue, *behind):
            if submitted.mark is None and submitted.then is not None and submitted.key in keys:
                self._begin(submitted)

    def stop(self) -> None:
        """The process ends: nothing more is sent; what has not left is refused.

        What the origin may have already shows in memory as a writer at work, until its outcome comes.
        """
        self._max_waiting = 0
        for submitted in [*self._queue, *chain.from_iterable(self._behind.values())]:
            self._on_deadline(submitted)
        for key in self._in_the_air:
            self._store.set_busy(key, True)

    def _begin(self, submitted: _Submitted) -> None:
        write = submitted.write
        submitted.mark = self._coherence.begin_write(write.key, reserved_by(write))

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = True
            self._leave_soon()

    def flush(self) -> None:
        """The turn is over: all its writes leave as one batch, as far as there is room."""
        self._leaving = False
        self._send_what_may()
        if self._unwatched:
            self._loop.call_soon(self._watch)  # behind the first steps of what was sent

    def _watch(self) -> None:
        """Watch the deadlines of what was not answered in the step after it was sent, as most is by a fast origin: held
        until their alarms are looked through, thousands of answered writes would push the hot path's data out of cache.
        """
        unwatched, self._unwatched = self._unwatched, []
        for submitted in unwatched:
            if submitted.then is not None:
                self._deadlines.add(submitted.deadline.at_ns, submitted)

    def _send_what_may(self) -> None:
        queue = self._queue
        if queue and not self._breaker.is_closed:
            self._flush_while_down()
            return
        while queue and (room := self._limiter.room(Kind.WRITE, Priority.DEMAND)):
            self._send(self._take_batch(min(room, MAX_WRITES_PER_BATCH)))

    def _send(self, batch: list[_Submitted]) -> None:
        if batch:
            task = self._loop.create_task(self._apply(batch, self._limiter.acquire(Kind.WRITE, len(batch))))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _flush_while_down(self) -> None:
        """One write tries the origin when it is time for that; the others are refused, some in each step."""
        now_ns = self._turn.now_ns()
        if self._breaker.is_due(now_ns):
            batch = self._take_batch(1)
            if batch:
                self._breaker.probing(now_ns)
                self._send(batch)
        for _ in range(min(REFUSED_PER_STEP, len(self._queue))):
            submitted = self._queue.popleft()
            if submitted.then is not None:
                self._counters.shed["breaker_open"] += 1
                self._refuse(submitted, self._guard.down_cause)
        if self._queue:
            self._leave_soon()

    def _take_batch(self, room: int) -> list[_Submitted]:
        """The first writes that may leave now. Those whose key is in the air already wait behind it."""
        batch: list[_Submitted] = []
        queue, in_the_air = self._queue, self._in_the_air
        while queue and len(batch) < room:
            submitted = queue.popleft()
            if submitted.then is None:  # its deadline passed before it could be sent
                continue
            key = submitted.key
            if in_the_air.setdefault(key, batch) is batch:
                batch.append(submitted)
            else:
                self._behind.setdefault(key, []).append(submitted)
        for submitted in batch:
            if submitted.mark is None:
                self._begin(submitted)
            submitted.in_the_air = True
        self._waiting -= len(batch)
        return batch

    async def _apply(self, batch: list[_Submitted], under_way: int) -> None:
        """Hand a batch to the origin, then settle every write of it."""
        sent_ns = self._clock.now_ns()
        answers: list[WriteAnswer] = [UNKNOWN] * len(batch)  # also if we are cancelled: the process ends
        try:
            writes = [submitted.write for submitted in batch]
            answers = await self._calls.first(writes, max(submitted.deadline for submitted in batch), under_way)
            if answers[0].__class__ is Refused:
                answers = await self._calls.again(writes, min(submitted.deadline for submitted in batch), answers)
        finally:
            self._settle(batch, answers, floor_tick(sent_ns))

    def _settle(self, batch: list[_Submitted], answers: list[WriteAnswer], sent_tick: int) -> None:
        """Bring memory up to date, send what waited behind, then tell those who wait."""
        self._turn.now_ns()
        for submitted, answer in zip(batch, answers, strict=True):
            try:
                self._show(submitted, answer, sent_tick)
            except Exception as error:  # our bug: the write's outcome stands, memory forgets
                self._store.drop(submitted.key)
                self._loop.call_exception_handler({"message": "a write could not be shown", "exception": error})
        keys: dict[bytes, None] = {}
        for submitted in batch:
            keys[submitted.key] = None
        for key in keys:
            del self._in_the_air[key]
            later = self._behind.pop(key, None)
            if later is not None:
                self._queue.extendleft(reversed(later))  # older than any write of the key in the queue
        if self._queue:
            self._leave()
        for submitted, answer in zip(batch, answers, strict=True):
            then, submitted.then = submitted.then, None
            submitted.write = None
            if then is not None:
                self._tell(then, answer)
        for key in keys:
            self._write_ended(key)

    def _show(self, submitted: _Submitted, answer: WriteAnswer, sent_tick: int) -> None:
        """What the outcome of one write does to memory."""
        write = submitted.write
        key = write.key
        assert submitted.mark is not None  # it was sent
        may_install = self._coherence.end_write(key, submitted.mark)
        if answer.__class__ is Applied:
            rule = self._numbers.rule_again(key, submitted.row)
            show_written(self._store, write, answer.result, sent_tick, rule, may_install)
        elif isinstance(answer, Refused):
            if answer.reason is Refusal.WRONG_TYPE:  # memory may hold the other kind
                self._store.drop(key)
        else:
            self._store.drop(key)
            self._quarantine.add(key, submitted.deadline.budget_ms)
        self._coherence.show(key)

    def _on_deadline(self, submitted: _Submitted) -> None:
        """Time is up: not sent is certain; in the air is unknown, and its mark stays until the origin is done."""
        then = submitted.then
        if then is None:
            return
        if submitted.in_the_air:
            submitted.then = None
            self._tell(then, UNKNOWN)
        else:
            self._refuse(submitted, Cause.TIMEOUT)

    def _refuse(self, submitted: _Submitted, cause: Cause) -> None:
        """It was not sent, and will not be."""
        then, submitted.then = submitted.then, None
        assert then is not None  # it was not answered
        submitted.write = None
        self._waiting -= 1
        key, mark = submitted.key, submitted.mark
        if mark is not None:
            self._coherence.end_write(key, mark)
            self._coherence.show(key)
        self._tell(then, Refused(Refusal.NOT_SENT, cause))
        if mark is not None:
            self._write_ended(key)

    def _tell(self, then: Then, answer: WriteAnswer) -> None:
        """One who raises costs the others nothing."""
        try:
            then(answer)
        except Exception as error:
            self._loop.call_exception_handler({"message": "a writer failed on its answer", "exception": error})


def _is_answered(submitted: _Submitted) -> bool:
    return submitted.then is None
