"""Small reads that are late are asked a second time, and whichever answer comes first is taken (resilience/hedging.py).

Only for an origin that says that this can help: one that has another way to the same truth. The consistency protocol
sees one read, sent when the first was: the second was sent later, so its answer is no older.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from sidecar.clock import Clock
from sidecar.fetch.origin_guard import OriginGuard
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Origin, OriginAnswer, Read
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.hedging import MOST_DOCUMENTS, Hedging
from sidecar.resilience.limiter import Kind
from sidecar.resilience.priority import Priority

Call = asyncio.Task[list[OriginAnswer]]


class Reads(Protocol):
    """Of an origin, its reads."""

    max_reads_per_fetch: int

    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]: ...


class HedgedReads:
    """An origin's reads, some of them asked twice."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        origin: Origin,
        hedging: Hedging,
        guard: OriginGuard,
        counters: MissPathCounters,
    ) -> None:
        self.max_reads_per_fetch = origin.max_reads_per_fetch
        self._loop = loop
        self._clock = clock
        self._origin = origin
        self._hedging = hedging
        self._guard = guard
        self._counters = counters

    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        """See ``Origin``."""
        if len(reads) > MOST_DOCUMENTS:
            return await self._origin.fetch_many(reads, deadline)
        began_ns = self._clock.now_ns()
        first: Call = self._loop.create_task(self._origin.fetch_many(reads, deadline))
        delay_ns = self._hedging.delay_ns
        if delay_ns is not None and deadline.at_ns - began_ns > 2 * delay_ns:
            await asyncio.wait((first,), timeout=delay_ns / 1e9)
            if not first.done() and self._may_hedge(len(reads)):
                answers = await self._race(first, reads, deadline)
                self._hedging.observe(self._clock.now_ns() - began_ns)
                return answers
        answers = await first
        self._hedging.observe(self._clock.now_ns() - began_ns)
        return answers

    def _may_hedge(self, documents: int) -> bool:
        """Whether there is room beside the reads that others wait for, and the budget pays."""
        guard = self._guard
        now_ns = self._clock.now_ns()
        return (
            guard.breaker.is_closed
            and guard.limiter.room(Kind.READ, Priority.REVALIDATION) >= documents
            and guard.retries.left(now_ns) >= documents
            and guard.retries.withdraw(documents, now_ns) == documents
        )

    async def _race(self, first: Call, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        """The first answer of two calls; an error only if both end in one.

        Raises:
            OriginError: as ``fetch_many`` does.
        """
        documents = len(reads)
        under_way = self._guard.limiter.acquire(Kind.READ, documents)
        second: Call = self._loop.create_task(self._origin.fetch_many(reads, deadline))
        calls = {first, second}
        left = 2

        def ended(call: Call) -> None:
            nonlocal left
            left -= 1
            if not call.cancelled():
                call.exception()  # seen
            if not left:  # the loser is still work for the origin; its time says nothing that the winner's did not
                self._guard.limiter.release(Kind.READ, documents, under_way, False, 0, self._clock.now_ns())

        for call in calls:
            call.add_done_callback(ended)
        pending = calls
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for call in done:
                if call.exception() is None:
                    self._counters.hedges["won" if call is second else "lost"] += 1
                    return call.result()
        self._counters.hedges["lost"] += 1
        return first.result()
