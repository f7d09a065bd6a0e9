"""What a waiter is told: the origin's answer, what memory may serve while the origin fails, or the error."""

from asyncio import AbstractEventLoop

from sidecar.fetch.answers import Absent, Answer, Found, Unavailable
from sidecar.fetch.errors import unavailable_error
from sidecar.fetch.flight import Waiter
from sidecar.fetch.lookup_counter import MISS, LookupCounter
from sidecar.fetch.memory_reads import MemoryReads
from sidecar.fetch.policy_numbers import PolicyNumbers
from sidecar.origins.base import Cause

Replies = list[tuple[Waiter, Answer]]


class Delivery:
    """Makes replies, counts misses, and calls those who wait."""

    __slots__ = ("_lookups", "_loop", "_memory", "_numbers")

    def __init__(
        self, loop: AbstractEventLoop, memory: MemoryReads, numbers: PolicyNumbers, lookups: LookupCounter
    ) -> None:
        self._loop = loop
        self._memory = memory
        self._numbers = numbers
        self._lookups = lookups

    def from_origin(self, waiters: list[Waiter], answer: Found | Absent, replies: Replies) -> None:
        """Add the origin's answer to ``replies`` for all who still wait."""
        for waiter in waiters:
            if waiter.then is not None:
                self._count_miss(waiter)
                replies.append((waiter, answer))

    def without_origin(self, waiter: Waiter, cause: Cause) -> Answer:
        """What to say when the origin does not: what memory may still serve, nil by policy, or the error."""
        if not waiter.bypass:
            answer = self._memory.while_failing(waiter.key, waiter.fields)
            if answer is not None:
                return answer
        self._count_miss(waiter)
        return Unavailable(unavailable_error(cause, waiter.deadline.budget_ms), cause)

    def deliver(self, replies: Replies) -> None:
        """Tell everybody; one who raises costs the others nothing."""
        for waiter, answer in replies:
            then = waiter.then
            if then is None:
                continue
            waiter.then = None
            try:
                then(answer)
            except Exception as error:
                self._loop.call_exception_handler({"message": "a reader failed on its answer", "exception": error})

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
