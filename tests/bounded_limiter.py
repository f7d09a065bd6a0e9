"""A limiter for tests: so many calls at once, of any size."""

from sidecar.resilience.limiter import MOST, Kind
from sidecar.resilience.priority import Priority


class BoundedLimiter:
    """Reads and writes have places of their own.

    Attributes:
        calls: places, by kind.
    """

    limit = 1000.0

    def __init__(self, reads: int = 64, writes: int = 64) -> None:
        self.calls = [reads, writes]
        self.taken = [0, 0]
        self.in_use = 0

    def room(self, kind: Kind, priority: Priority) -> int:
        taken = 2 * self.taken[kind] if priority is Priority.SPECULATIVE else self.taken[kind]
        return MOST if taken < self.calls[kind] else 0

    def acquire(self, kind: Kind, documents: int) -> int:
        self.taken[kind] += 1
        self.in_use += documents
        return self.in_use

    def release(self, kind: Kind, documents: int, under_way: int, answered: bool, took_ns: int, now_ns: int) -> None:
        self.taken[kind] -= 1
        self.in_use -= documents
