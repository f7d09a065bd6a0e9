"""A histogram with fixed bounds for the miss path: plain Python, read at scrape."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate


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

    def cumulative(self) -> list[tuple[str, int]]:
        """(bound as text, observations up to it), as Prometheus writes a histogram; the last bound is +Inf."""
        return list(zip(_names(self.bounds), accumulate(self.counts), strict=True))


@lru_cache(16)
def _names(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """Bounds as text; the last is +Inf."""
    return *map(repr, bounds), "+Inf"


@lru_cache(16)
def _names_of_bits(bits: tuple[int, ...], unit_s: float) -> tuple[str, ...]:
    """2**b units for each b, in seconds, as text."""
    return tuple(repr(round((1 << bit) * unit_s, 9)) for bit in bits)


def by_bit_length(counts: Sequence[int], bits: tuple[int, ...], unit_s: float) -> list[tuple[str, int]]:
    """The native counters' form (observations by bit length of an integer) as Prometheus writes a histogram.

    An integer of at most b bits is below 2**b, so 2**b units is a bound of all of them.

    Args:
        counts: observations by bit length, from 0.
        bits: the bit lengths to show a bound for, ascending.
        unit_s: seconds that 1 stands for.
    """
    up_to = list(accumulate(counts))
    names = _names_of_bits(bits, unit_s)
    return [*((name, up_to[bit]) for name, bit in zip(names, bits, strict=True)), ("+Inf", up_to[-1])]
