"""How many batches the origin is asked at once: the seam for an adaptive limiter, and a fixed one."""

from typing import Protocol


class Limiter(Protocol):
    """Says whether one more batch may be sent. Who is refused keeps what it gathered and comes back on a release."""

    def try_acquire(self) -> bool:
        """Take one of the places; False: there is none."""

    def is_spare(self) -> bool:
        """Whether so few places are taken that work which nobody waits for may have one."""

    def release(self, succeeded: bool, took_ns: int) -> None:
        """Give the place back. ``succeeded``: the origin answered; ``took_ns``: for limiters that adapt."""


class BoundedLimiter:
    """At most ``limit`` batches at once.

    What waits is gathered into fewer, larger batches, so a small limit costs little.
    """

    __slots__ = ("in_use", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_use = 0

    def try_acquire(self) -> bool:
        if self.in_use >= self.limit:
            return False
        self.in_use += 1
        return True

    def is_spare(self) -> bool:
        return 2 * self.in_use < self.limit

    def release(self, succeeded: bool, took_ns: int) -> None:
        self.in_use -= 1
