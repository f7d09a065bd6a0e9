"""A histogram with fixed bounds for the miss path: plain Python, read at scrape."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Counts observations into buckets; a value equal to a bound belongs to that bound's bucket."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Args:
        bounds: upper bounds, ascending; values above the last fall into one more bucket.
        """
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count ``value``."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def cumulative(self) -> list[tuple[str, float]]:
        """(bound as text, observations up to it), as Prometheus writes a histogram; the last bound is +Inf."""
        rows, seen = [], 0
        for bound, count in zip((*map(repr, self.bounds), "+Inf"), self.counts, strict=True):
            seen += count
            rows.append((bound, float(seen)))
        return rows


def by_bit_length(counts: Sequence[int], bits: Sequence[int], unit_s: float) -> list[tuple[str, float]]:
    """The native counters' form (observations by bit length of an integer) as Prometheus writes a histogram.

    An integer of at most b bits is below 2**b, so 2**b units is a bound of all of them.

    Args:
        counts: observations by bit length, from 0.
        bits: the bit lengths to show a bound for, ascending.
        unit_s: seconds that 1 stands for.
    """
    rows, seen, length = [], 0, 0
    for bit in bits:
        while length <= bit:
            seen += counts[length]
            length += 1
        rows.append((repr(round((1 << bit) * unit_s, 9)), float(seen)))
    rows.append(("+Inf", float(sum(counts))))
    return rows
