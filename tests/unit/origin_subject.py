"""An origin under the contract suites, with the clock that judges its expiries."""

from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.clock import ManualClock
from sidecar.origins.base import Applied, Expiries, Origin, OriginAnswer, Read, Write, WriteAnswer
from sidecar.resilience.deadline import Deadline

BUDGET_MS = 60_000  # no measure of speed: fsync waits long on a busy disk


@dataclass
class OriginSubject:
    """Shorthands that every suite needs; an origin whose clock cannot be turned by hand overrides ``pass_time``."""

    origin: Origin
    clock: ManualClock

    def deadline(self) -> Deadline:
        return Deadline.after(BUDGET_MS, self.clock.now_ns())

    def in_ms(self, milliseconds: int) -> int:
        """The wall-clock moment so far from now."""
        return self.clock.wall_ms() + milliseconds

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def write(self, *writes: Write) -> list[WriteAnswer]:
        return await self.origin.write_many(writes, self.deadline())

    async def result(self, write: Write) -> object:
        """The result of a write that must be applied."""
        (answer,) = await self.write(write)
        assert isinstance(answer, Applied), answer
        return answer.result

    async def fetch(self, *reads: Read) -> list[OriginAnswer]:
        return await self.origin.fetch_many(reads, self.deadline())

    async def read(self, key: bytes, *fields: bytes) -> OriginAnswer:
        """One document, whole unless fields are named."""
        (answer,) = await self.fetch(Read(key, fields or None))
        return answer

    async def expiries(self, key: bytes, *fields: bytes) -> Expiries:
        return await self.origin.expiries(key, fields, self.deadline())


async def walk(subject: OriginSubject, match: bytes | None = None, count: int = 10) -> list[tuple[bytes, bytes]]:
    """All pages of a scan, one after the other."""
    keys: list[tuple[bytes, bytes]] = []
    position = None
    while True:
        page: Sequence = await subject.origin.scan(position, match, count, subject.deadline())
        position, found = page
        keys += found
        if position is None:
            return keys
