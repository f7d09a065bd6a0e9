"""Time for everything that ages: a monotonic clock that counts suspend, and the wall clock for expiries.

Entries keep when they were filled in *ticks* of 10 ms, 32 bits, wrapping every 497 days. filled_at rounds down
and now rounds up, so that rounding never serves a value too long.
"""

import time
from typing import Protocol

TICK_NS = 10_000_000
TICK_MASK = 0xFFFF_FFFF


class Clock(Protocol):
    """What the store, deadlines, breaker and sweep are given; tests give a ManualClock."""

    def now_ns(self) -> int:
        """Nanoseconds since boot, suspend included (CLOCK_BOOTTIME)."""

    def wall_ms(self) -> int:
        """Milliseconds since the epoch: only for expiries, which clients and the origin give as wall-clock times."""


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()
    _clock_id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # laptops without BOOTTIME: MONOTONIC

    def now_ns(self) -> int:
        return time.clock_gettime_ns(self._clock_id)

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that tests turn by hand."""

    __slots__ = ("ns", "wall")

    def __init__(self, ns: int = 10**15, wall_ms: int = 1_800_000_000_000) -> None:
        self.ns = ns
        self.wall = wall_ms

    def now_ns(self) -> int:
        return self.ns

    def wall_ms(self) -> int:
        return self.wall

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self.ns += round(seconds * 1e9)
        self.wall += round(seconds * 1e3)


def floor_tick(ns: int) -> int:
    """The tick that a fill or write *sent* at ``ns`` is aged from."""
    return ns // TICK_NS & TICK_MASK


def ceil_tick(ns: int) -> int:
    """The tick that ``now`` is, for judging ages."""
    return -(-ns // TICK_NS) & TICK_MASK
