"""The one counter of the hit path that the miss path adds to."""

from typing import Protocol

MISS = 2  # Outcome.MISS of sidecar/metrics/_counters.pxd


class LookupCounter(Protocol):
    """sidecar.metrics.Counters, as far as it is needed here."""

    def add_lookup(self, view: int, outcome: int, n: int) -> None:
        """``n`` entries of a view were looked up and ended so."""
