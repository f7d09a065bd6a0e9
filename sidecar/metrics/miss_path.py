"""What the miss path counts: requests to the origin by outcome, batches, durations, fills that were not installed.

Plain integers in dicts whose labels come from the closed sets below; the scrape reads them.
"""

from sidecar.metrics.histogram import Histogram

# what is asked of an origin -> how it can end
OUTCOMES: dict[str, tuple[str, ...]] = {
    "read": ("found", "absent", "failed", "timeout", "unavailable"),
    "write": ("applied", "refused", "unknown"),
    "expiries": ("answered", "timeout", "unavailable"),
    "scan": ("answered", "timeout", "unavailable"),
}
# why an answer was given to its waiters but not kept (see docs/architecture.md, coherence)
DROP_REASONS = ("written", "writer", "overlap", "quarantine", "invalidated", "not_admitted")
PREFETCH_OUTCOMES = ("used", "wasted")
DURATION_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class MissPathCounters:
    """One per process; given to everything that talks to the origin.

    Attributes:
        origin: the origin's name, the label of all of these.
        prefetched: (feature set, outcome) -> documents fetched before they were asked for.
        joined: misses that waited for a read already under way.
        waiting: requests that wait for a place at the origin, set by the limiter.
        in_flight: batches that the origin is working on now.
    """

    __slots__ = (
        "batches",
        "durations",
        "fills_dropped",
        "in_flight",
        "joined",
        "origin",
        "prefetched",
        "requests",
        "waiting",
    )

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.requests = {(operation, outcome): 0 for operation, ends in OUTCOMES.items() for outcome in ends}
        self.batches = dict.fromkeys(OUTCOMES, 0)
        self.durations = {operation: Histogram(DURATION_BOUNDS_S) for operation in OUTCOMES}
        self.fills_dropped = dict.fromkeys(DROP_REASONS, 0)
        self.prefetched: dict[tuple[str, str], int] = {}
        self.joined = 0
        self.waiting = 0
        self.in_flight = 0

    def batch(self, operation: str, seconds: float) -> None:
        """One call of the origin's interface ended after ``seconds``."""
        self.batches[operation] += 1
        self.durations[operation].observe(seconds)

    def request(self, operation: str, outcome: str, documents: int = 1) -> None:
        """So many documents were asked for and ended so.

        Raises:
            KeyError: a label outside the closed sets.
        """
        self.requests[operation, outcome] += documents

    def fill_dropped(self, reason: str) -> None:
        """An answer was not installed.

        Raises:
            KeyError: a reason outside DROP_REASONS.
        """
        self.fills_dropped[reason] += 1
