"""What a waiter is told: the origin's answer, what memory may serve while the origin fails, or the error."""

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from sidecar.fetch.answers import Answer, Unavailable
from sidecar.fetch.errors import unavailable_error
from sidecar.fetch.flight import Flight, Waiter
from sidecar.fetch.lookup_counter import MISS, LookupCounter
from sidecar.fetch.memory_reads import MemoryReads
from sidecar.fetch.memory_tier import Window
from sidecar.fetch.policy_numbers import PolicyNumbers
from sidecar.fetch.turn_clock import TurnClock
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Cause

PER_STEP = 100  # told in one step of the loop: each is a few microseconds, no step is to take 1 ms


class Reply(NamedTuple):
    """What one waiter is to be told.

    Attributes:
        answer: found by the origin or in memory; a Cause: there is none, what may be served then is looked up when
            the waiter is told.
        is_miss: the origin gave it.
    """

    waiter: Waiter
    answer: Answer | Cause
    is_miss: bool = False


class Delivery:
    """Makes replies, counts misses, and calls those who wait."""

    __slots__ = ("_backlog", "_counters", "_left", "_lookups", "_loop", "_memory", "_numbers", "_step", "_turn")

    def __init__(
        self,
        loop: AbstractEventLoop,
        turn: TurnClock,
        memory: MemoryReads,
        numbers: PolicyNumbers,
        lookups: LookupCounter,
        counters: MissPathCounters,
    ) -> None:
        self._loop = loop
        self._turn = turn
        self._memory = memory
        self._numbers = numbers
        self._lookups = lookups
        self._counters = counters
        self._backlog: deque[Iterator[Reply]] = deque()
        self._left = PER_STEP
        self._step = 0

    def without_origin(self, waiter: Waiter, cause: Cause) -> Answer:
        """What to say when the origin does not: what memory may still serve, nil by policy, or the error."""
        if not waiter.bypass:
            answer = self.stale(waiter, cause)
            if answer is not None:
                return answer
            answer = self._memory.nil_where_missing(waiter.key, waiter.fields)
            if answer is not None:
                self._counters.answered_without_origin("nil", _why(cause))
                return answer
        self._count_miss(waiter)
        self._counters.answered_without_origin("error", _why(cause))
        return Unavailable(unavailable_error(cause, waiter.deadline.budget_ms), cause)

    def stale(self, waiter: Waiter, cause: Cause) -> Answer | None:
        """What memory may serve while the origin fails; None: not all that is asked is within its stale-if-error."""
        answer = self._memory.answer(waiter.key, waiter.fields, Window.ERROR)
        if answer is not None:
            self._counters.answered_without_origin("stale", _why(cause))
        return answer

    def would_say(self, key: bytes, fields: tuple[bytes, ...] | None, cause: Cause) -> str:
        """What ``without_origin`` would answer, in a word or as the text of the error."""
        if self._memory.would_serve_stale(key, fields):
            return "stale"
        if self._memory.nil_where_missing(key, fields) is not None:
            return "nil"
        return unavailable_error(cause, self._numbers.row(key).deadline_ms).decode()

    def tell(self, waiter: Waiter, answer: Answer | Cause, is_miss: bool = False) -> None:
        """Tell one, unless it was told already; one who raises costs the others nothing."""
        then = waiter.then
        if then is None:
            return
        waiter.then = None
        if answer.__class__ is Cause:
            answer = self.without_origin(waiter, answer)
        elif is_miss:
            self._count_miss(waiter)
        try:
            then(answer)  # type: ignore[arg-type]
        except Exception as error:
            self._loop.call_exception_handler({"message": "a reader failed on its answer", "exception": error})

    def tell_watchers(self, flight: Flight, kept: bool) -> None:
        """Those who want to know whether memory kept the answer are told in the loop's next step."""
        watchers, flight.watchers = flight.watchers, None
        for then in watchers or ():
            self._loop.call_soon(then, kept)

    def deliver(self, replies: list[Reply]) -> None:
        """Tell everybody, a crowd in several steps of the loop.

        Who is told later than others of the same flight began to wait no later than they: an answer that is newer by
        then does not make this one wrong.
        """
        step = self._turn.number
        if step != self._step:
            self._step, self._left = step, PER_STEP
        if self._backlog or len(replies) > self._left:
            self._later(iter(replies))
            return
        self._left -= len(replies)
        for reply in replies:
            self.tell(*reply)

    def deliver_to_all(self, waiters: list[Waiter], answer: Answer | Cause, is_miss: bool) -> None:
        """Tell a crowd the same, from the next step of the loop on: to make 10,000 replies at once takes 2 ms."""
        self._later(Reply(waiter, answer, is_miss) for waiter in waiters)

    def _later(self, replies: Iterator[Reply]) -> None:
        if not self._backlog:
            self._loop.call_soon(self._go_on)
        self._backlog.append(replies)

    def _go_on(self) -> None:
        self._turn.now_ns()  # memory may be asked
        backlog = self._backlog
        left = PER_STEP
        while left and backlog:
            reply = next(backlog[0], None)
            if reply is None:
                backlog.popleft()
            else:
                self.tell(*reply)
                left -= 1
        if backlog:
            self._loop.call_soon(self._go_on)

    def _count_miss(self, waiter: Waiter) -> None:
        """One for each entry: a field, a string, or a whole row."""
        row = self._numbers.row(waiter.key)
        fields = waiter.fields
        if fields is None:
            self._lookups.add_lookup(row.view, MISS, 1)
        elif not row.is_feast:
            self._lookups.add_lookup(row.view, MISS, len(fields))
        else:
            for view, entries in self._numbers.views(waiter.key, fields).items():
                self._lookups.add_lookup(view, MISS, entries)


def _why(cause: Cause) -> str:
    """As the error text begins."""
    return cause.value if cause is Cause.TIMEOUT or cause is Cause.OVERLOADED else "unavailable"
