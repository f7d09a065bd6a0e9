"""What a fill takes, per view: how early a hot entry is refreshed before its end (see memory/_early.pxd)."""

from sidecar.fetch.memory_tier import MemoryTier

_RISE, _FALL = 4, 64  # a moving mean that errs to the slow side: too early costs little, too late is waited for
_TOLD = 8  # memory is told again when the mean is off by more than an eighth
_MOST_US = 60_000_000  # what took longer was no fill but a suspended machine


class FillCosts:
    """Moving means, in microseconds from sending a read to its answer; only of reads that were answered and kept."""

    __slots__ = ("_means", "_store", "_told")

    def __init__(self, store: MemoryTier) -> None:
        self._store = store
        self._means: dict[int, float] = {}
        self._told: dict[int, float] = {}

    def filled(self, view: int, took_ns: int) -> None:
        """A row or string of a view was filled."""
        took_us = min(took_ns / 1000, _MOST_US)
        mean = self._means.get(view, took_us)
        mean += (took_us - mean) / (_RISE if took_us > mean else _FALL)
        self._means[view] = mean
        told = self._told.get(view)
        if told is None or abs(mean - told) * _TOLD > told:
            self._told[view] = mean
            self._store.set_fill_cost(view, max(1, round(mean)))
