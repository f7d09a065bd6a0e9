"""An origin that is slow, fails, hangs or answers a part, as it is told while it runs; around any other origin.

What it is told is one line of text, so that another process can say it: ``latency=20ms errors=50% hang partial=10%``.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from policies.duration import parse_duration
from sidecar.clock import Clock
from sidecar.origins.base import (
    UNKNOWN,
    Cause,
    Expiries,
    Failed,
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
from sidecar.resilience.deadline import Deadline


@dataclass(frozen=True, slots=True)
class OriginFaults:
    """What calls meet; by default nothing.

    Attributes:
        latency_s: how long a call takes before the origin behind is asked.
        jitter_s: and up to so much more.
        errors: share of calls that fail after their latency: reads as unavailable, writes as not sent.
        partial: share of the documents of a read that fail while the others are answered.
        lost: share of write batches that take effect but whose answers are lost: unknown.
        hang: calls end at their deadline only; writes may or may not take effect.
        down: calls fail at once: nothing listens there.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    errors: float = 0.0
    partial: float = 0.0
    lost: float = 0.0
    hang: bool = False
    down: bool = False


HEALTHY = OriginFaults()
_SHARES = ("errors", "partial", "lost")


def parse_faults(text: str) -> OriginFaults:
    """``latency=20ms jitter=5ms errors=50% partial=1% lost=1% hang down``; nothing: healthy.

    Raises:
        ValueError: another word.
    """
    values: dict[str, Any] = {}
    for word in text.split():
        name, _, value = word.partition("=")
        if name in ("latency", "jitter") and value:
            values[name + "_s"] = parse_duration(value) / 1000
        elif name in _SHARES and value.endswith("%"):
            values[name] = float(value[:-1]) / 100
        elif name in ("hang", "down") and not value:
            values[name] = True
        else:
            raise ValueError(f"fault {word!r}: expected latency=, jitter=, errors=, partial=, lost=, hang or down")
    return OriginFaults(**values)


class FaultyOrigin(Origin):
    """See OriginFaults. It keeps the origin's contract: every call ends by its deadline.

    Attributes:
        faults: of calls that begin from now on.
        calls: Counter of ``fetch_many`` and ``write_many`` calls and of ``reads`` and ``writes`` in them: attempts,
            as an origin sees them.
    """

    def __init__(self, inner: Origin, clock: Clock, seed: int = 0) -> None:
        self.faults = HEALTHY
        self.calls: Counter[str] = Counter()
        self.name = inner.name
        self.reads_whole = inner.reads_whole
        self.max_reads_per_fetch = inner.max_reads_per_fetch
        self._inner = inner
        self._clock = clock
        self._rng = Random(seed)

    async def start(self) -> None:
        await self._inner.start()

    async def close(self) -> None:
        await self._inner.close()

    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        self.calls["fetch_many"] += 1
        self.calls["reads"] += len(reads)
        faults = self.faults
        await self._meet(faults, deadline)
        answers = await self._inner.fetch_many(reads, deadline)
        if faults.partial:
            failed = Failed(Cause.BUSY)
            answers = [failed if self._rng.random() < faults.partial else answer for answer in answers]
        return answers

    async def write_many(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        self.calls["write_many"] += 1
        self.calls["writes"] += len(writes)
        faults = self.faults
        try:
            await self._meet(faults, deadline)
        except OriginUnavailable as error:
            return [Refused(Refusal.NOT_SENT, error.cause)] * len(writes)
        except OriginTimeout:
            if self._rng.random() < 0.5:
                await self._inner.write_many(writes, Deadline.after(1000, self._clock.now_ns()))
            return [UNKNOWN] * len(writes)
        answers = await self._inner.write_many(writes, deadline)
        if faults.lost and self._rng.random() < faults.lost:
            return [UNKNOWN] * len(writes)
        return answers

    async def expiries(self, key: bytes, fields: tuple[bytes, ...], deadline: Deadline) -> Expiries:
        await self._meet(self.faults, deadline)
        return await self._inner.expiries(key, fields, deadline)

    async def scan(self, position: bytes | None, match: bytes | None, count: int, deadline: Deadline) -> ScanPage:
        await self._meet(self.faults, deadline)
        return await self._inner.scan(position, match, count, deadline)

    async def count(self, deadline: Deadline) -> int | None:
        await self._meet(self.faults, deadline)
        return await self._inner.count(deadline)

    async def _meet(self, faults: OriginFaults, deadline: Deadline) -> None:
        """Wait and fail as the faults say.

        Raises:
            OriginUnavailable, OriginTimeout.
        """
        if faults.down:
            raise OriginUnavailable(Cause.CONNECTION_REFUSED)
        left_s = deadline.remaining_s(self._clock.now_ns())
        late_s = faults.latency_s + self._rng.random() * faults.jitter_s
        if faults.hang or late_s >= left_s:
            await asyncio.sleep(left_s)
            raise OriginTimeout()
        if late_s:
            await asyncio.sleep(late_s)
        if faults.errors and self._rng.random() < faults.errors:
            raise OriginUnavailable(Cause.BUSY)
