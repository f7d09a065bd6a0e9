"""How many documents the origin is asked for at once: the seam, and a limiter that finds the origin's knee.

The unit is the document, not the call: a call carries a whole turn's misses, and a server's work is documents. What
finds no place waits and is gathered into fewer, larger calls.

The adaptive limiter follows Netflix's concurrency-limits (Gradient and Gradient2: the limit is multiplied by the ratio
of the latency without load to the latency now, and grows by the square root of itself while it is used and that ratio
is 1), with these differences, each for a reason:

- Without load is the least latency of the last windows, not a long mean: a mean learns an overload that lasts. So that
  the least itself is not learned under load, a limit that was in use gives way at the turn of a window to one document
  that goes alone, and begins again at its half (BBR's ProbeRTT: Cardwell et al., ACM Queue 2016).
- A latency that is a small part of the deadline is never congestion. A big call takes longer than a small one, on
  SQLite in proportion, and the slowest of 500 answers is late by nature: no reason to cut calls into small ones.
- A step is weighted by the documents of the call over the limit: one full step a round trip, of however many calls.
"""

from enum import IntEnum
from math import inf, sqrt
from typing import Protocol

from sidecar.resilience.priority import Priority


class Kind(IntEnum):
    """What is asked: each has its own latency without load."""

    READ = 0
    WRITE = 1


class Limiter(Protocol):
    """Says how many documents may be sent. Who finds no room keeps what it gathered and comes back on a release.

    Attributes:
        limit: documents at once.
        in_use: documents that the origin is asked for now.
    """

    @property
    def limit(self) -> float: ...

    @property
    def in_use(self) -> int: ...

    def room(self, kind: Kind, priority: Priority) -> int:
        """How many documents of this urgency may be sent now."""

    def acquire(self, kind: Kind, documents: int) -> int:
        """They are sent. How many then are under way, for ``release``."""

    def release(self, kind: Kind, documents: int, under_way: int, answered: bool, took_ns: int, now_ns: int) -> None:
        """A call ended. ``answered``: the origin spoke; ``under_way``: what ``acquire`` said."""


MOST = 8_000  # eight full calls: what this process can take in without a loop step of milliseconds after the other
FIRST = 1_000  # one full call
CALLS = 64  # of each kind at once: beyond, gathering costs less than more calls do
UNPROVEN = 100  # a limit that is not used is not cut below this: how bad more would be is not known
SHARES = (1.0, 0.5, 0.25)  # by priority: revalidation takes at most half the limit, speculation only beside few others
WINDOW_NS = 15_000_000_000
FIRST_WINDOW_NS = 1_000_000_000  # one that starts under load learns soon what no load is
HARMLESS_NS = (10_000_000, 100_000_000)  # by kind: a 25th and a 20th of the default deadlines
TOLERANCE = 3.0  # the least of many is often half of the usual, and a commit that has begun is waited for
STEP = 0.5  # of the way per round trip


class _Baseline:
    """The least latency of this window and the one before."""

    __slots__ = ("before_ns", "now_ns")

    def __init__(self) -> None:
        self.before_ns: float = inf
        self.now_ns: float = inf

    def turn(self) -> None:
        self.before_ns, self.now_ns = self.now_ns, inf


class AdaptiveLimiter:
    """See the module. Its state is a handful of numbers; each method is O(1)."""

    __slots__ = ("_baselines", "_calls", "_resume", "_was_used", "_window_ends_ns", "in_use", "limit")

    def __init__(self, limit: int = FIRST) -> None:
        self.limit = float(limit)
        self.in_use = 0
        self._calls = [0] * len(Kind)
        self._baselines = tuple(_Baseline() for _ in Kind)
        self._window_ends_ns = 0
        self._was_used = False
        self._resume = 0.0  # what the limit was before the probe that is under way; 0: none is

    def room(self, kind: Kind, priority: Priority) -> int:
        """See ``Limiter``. A kind that has nothing under way may always send one: neither starves the other."""
        calls = self._calls[kind]
        if calls >= CALLS:
            return 0
        if priority is Priority.DEMAND:
            free = int(self.limit) - self.in_use
            return free if free > 0 else not calls
        least = 1 if priority is Priority.REVALIDATION else 0
        return max(0, max(least, int(self.limit * SHARES[priority])) - self.in_use)

    def acquire(self, kind: Kind, documents: int) -> int:
        self.in_use = in_use = self.in_use + documents
        self._calls[kind] += 1
        return in_use

    def release(self, kind: Kind, documents: int, under_way: int, answered: bool, took_ns: int, now_ns: int) -> None:
        self.in_use -= documents
        self._calls[kind] -= 1
        if self._resume and under_way > len(Kind):
            return  # sent before the probe, in which each kind may send one
        harmless = HARMLESS_NS[kind]
        if answered:
            baseline = self._baselines[kind]
            if took_ns < baseline.now_ns:
                baseline.now_ns = took_ns
        if self._resume:
            self.limit, self._resume = max(1.0, self._resume / 2), 0.0
            return
        if not answered and took_ns < harmless:
            return  # refused at once: that says nothing of load, and is the breaker's business
        if now_ns >= self._window_ends_ns:
            self._turn_window(now_ns)
        is_used = 2 * under_way >= self.limit
        if took_ns <= harmless or took_ns <= self._bearable_ns(kind):
            if is_used and answered:
                self._was_used = True
                weight = min(1.0, documents / self.limit)
                self.limit = min(MOST, self.limit + STEP * weight * sqrt(self.limit))
        else:
            self._congested(kind, documents, under_way, is_used, took_ns)

    def _bearable_ns(self, kind: Kind) -> float:
        """The latency up to which the origin counts as not congested."""
        baseline = self._baselines[kind]
        least = min(baseline.before_ns, baseline.now_ns)
        return 0.0 if least == inf else max(HARMLESS_NS[kind], TOLERANCE * least)

    def _congested(self, kind: Kind, documents: int, under_way: int, is_used: bool, took_ns: int) -> None:
        if is_used:
            self._was_used = True
        else:
            self.limit = min(self.limit, max(2.0 * under_way, UNPROVEN))
        if is_used or self.limit > UNPROVEN:
            gradient = max(0.5, self._bearable_ns(kind) / took_ns)
            weight = min(1.0, documents / self.limit)
            self.limit = max(1.0, self.limit * (1.0 - STEP * weight * (1.0 - gradient)))

    def _turn_window(self, now_ns: int) -> None:
        self._window_ends_ns = now_ns + (WINDOW_NS if self._window_ends_ns else FIRST_WINDOW_NS)
        for baseline in self._baselines:
            baseline.turn()
        if self._was_used:
            self._was_used = False
            self._resume, self.limit = self.limit, 1.0
