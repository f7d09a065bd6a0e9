"""Documents in a dict, for tests and benchmarks: answers at once, suspending only when asked to be slow."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice

from sidecar.clock import Clock
from sidecar.origins import stored_document
from sidecar.origins.base import (
    Cause,
    Expiries,
    Origin,
    OriginAnswer,
    OriginTimeout,
    OriginUnavailable,
    Read,
    Refusal,
    Refused,
    ScanPage,
    Write,
    WriteAnswer,
)
from sidecar.origins.document import DtypeOf
from sidecar.origins.key_glob import key_matcher
from sidecar.origins.stored_document import Document, kind_of, live
from sidecar.resilience.deadline import Deadline


class MemoryOrigin(Origin):
    """All documents of one process, gone with it.

    Attributes:
        documents: key -> Document; tests may look and change what "others" wrote behind the sidecar's back.
        latency_ms: how long each call takes; 0: it does not suspend.
        failing: while set, nothing can be asked: reads raise OriginUnavailable, writes are Refused(NOT_SENT).
    """

    name = "memory"

    def __init__(self, clock: Clock, dtype_of: DtypeOf | None = None, latency_ms: float = 0) -> None:
        self.documents: dict[bytes, Document] = {}
        self.latency_ms = latency_ms
        self.failing: Cause | None = None
        self._clock = clock
        self._dtype_of = dtype_of
        self._sorted_keys: list[bytes] = []  # every key that was here when a walk last began, and some gone since
        self._grown = False  # keys came that are not in it

    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        await self._answer_may_come(deadline)
        now_ms = self._clock.wall_ms()
        documents = self.documents
        return [stored_document.read(documents.get(read.key), read.fields, now_ms) for read in reads]

    async def write_many(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        if self.latency_ms or self.failing is not None:
            try:
                await self._answer_may_come(deadline)
            except OriginUnavailable as error:
                return [Refused(Refusal.NOT_SENT, error.cause)] * len(writes)
            except OriginTimeout:
                return [Refused(Refusal.NOT_SENT, Cause.TIMEOUT)] * len(writes)
        now_ms = self._clock.wall_ms()
        documents = self.documents
        answers = []
        for write in writes:
            key = write.key
            before = documents.get(key)
            after, answer = stored_document.apply(write, before, now_ms, self._dtype_of)
            if after is None:
                documents.pop(key, None)
            elif after is not before:
                documents[key] = after
                self._grown |= before is None
            answers.append(answer)
        return answers

    async def expiries(self, key: bytes, fields: tuple[bytes, ...], deadline: Deadline) -> Expiries:
        await self._answer_may_come(deadline)
        return stored_document.expiries(self.documents.get(key), fields, self._clock.wall_ms())

    async def scan(self, position: bytes | None, match: bytes | None, count: int, deadline: Deadline) -> ScanPage:
        await self._answer_may_come(deadline)
        if position is None and (self._grown or len(self._sorted_keys) > 2 * len(self.documents)):
            self._sorted_keys = sorted(self.documents)
            self._grown = False
        keys = self._sorted_keys
        start = 0 if position is None else bisect_right(keys, position)
        matches = key_matcher(match)
        page = list(islice(keys, start, start + count))
        now_ms = self._clock.wall_ms()
        found = []
        for key in page:
            document = live(self.documents.get(key), now_ms)
            if document is not None and matches(key):
                found.append((key, kind_of(document)))
        return ScanPage(page[-1] if start + count < len(keys) else None, found)

    async def count(self, deadline: Deadline) -> int | None:
        """The documents held, those included whose expiry nobody has noticed yet, as in Redis."""
        await self._answer_may_come(deadline)
        return len(self.documents)

    async def _answer_may_come(self, deadline: Deadline) -> None:
        """Be as slow and as broken as asked."""
        if self.latency_ms:
            left_s = deadline.remaining_s(self._clock.now_ns())
            await asyncio.sleep(min(left_s, self.latency_ms / 1e3))
            if left_s < self.latency_ms / 1e3:
                raise OriginTimeout()
        if self.failing is not None:
            raise OriginUnavailable(self.failing)
