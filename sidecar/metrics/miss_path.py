"""What the miss path counts: requests to the origin by outcome, batches, durations, fills that were not installed.

Plain integers in dicts whose labels come from the closed sets below; the scrape reads them.
"""

from collections.abc import Sequence, Sized
from typing import Protocol

from sidecar.metrics.histogram import Histogram
from sidecar.resilience.breaker import BreakerState
from sidecar.resilience.limiter import Limiter

# what is asked of an origin -> how it can end
OUTCOMES: dict[str, tuple[str, ...]] = {
    "read": ("found", "absent", "failed", "timeout", "unavailable"),
    "write": ("applied", "refused", "unknown"),
    "expiries": ("answered", "timeout", "unavailable"),
    "scan": ("answered", "timeout", "unavailable"),
}
# why an answer was given to its waiters but not kept (see docs/architecture.md, coherence)
DROP_REASONS = ("written", "writer", "overlap", "quarantine", "invalidated", "not_admitted")
# why work was given up before the origin was asked (see docs/resilience.md)
SHED_REASONS = ("queue_full", "overload", "deadline", "breaker_open")
# what was said when the origin could not: a stale entry, nil by policy, or an error
ANSWERS_WITHOUT_ORIGIN = ("stale", "nil", "error")
WHY = ("timeout", "overloaded", "unavailable")  # as the error texts begin
HEDGE_OUTCOMES = ("won", "lost")
QUEUES = ("demand", "revalidation", "speculative", "write")
PREFETCH_OUTCOMES = ("used", "wasted")
DURATION_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class ControlLoops(Protocol):
    """What a scrape asks of the control loops (sidecar/fetch/origin_guard.py)."""

    @property
    def limiter(self) -> Limiter: ...

    def budget_left(self) -> int:
        """Documents that may be asked for again now."""

    def breaker_state(self) -> BreakerState: ...

    def is_overloaded(self) -> bool: ...


class MissPathCounters:
    """One per process; given to everything that talks to the origin.

    Attributes:
        origin: the origin's name, the label of all of these.
        prefetched: (feature set, outcome) -> documents fetched before they were asked for.
        joined: misses that waited for a read already under way.
        in_flight: batches that the origin is working on now.
        read_queue: rows that wait for a place at the origin, by priority; set by the batcher.
        write_queue: writes that wait; set by their owner.
        shed: reason -> requests given up before the origin was asked.
        without_origin: (answer, why) -> answers given though the origin could not answer.
        retries: operation -> documents asked for again.
        hedges: outcome -> second reads of the same.
        breaker_changes: state -> how often the breaker became so.
        overloads: how often a standing queue of reads began.
        guard: the control loops, asked at scrape; None: there are none.
    """

    __slots__ = (
        "batches",
        "breaker_changes",
        "durations",
        "fills_dropped",
        "guard",
        "hedges",
        "in_flight",
        "joined",
        "origin",
        "overloads",
        "prefetched",
        "read_queue",
        "requests",
        "retries",
        "shed",
        "without_origin",
        "write_queue",
    )

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.requests = {(operation, outcome): 0 for operation, ends in OUTCOMES.items() for outcome in ends}
        self.batches = dict.fromkeys(OUTCOMES, 0)
        self.durations = {operation: Histogram(DURATION_BOUNDS_S) for operation in OUTCOMES}
        self.fills_dropped = dict.fromkeys(DROP_REASONS, 0)
        self.prefetched: dict[tuple[str, str], int] = {}
        self.joined = 0
        self.in_flight = 0
        self.read_queue: Sequence[int] = (0,) * (len(QUEUES) - 1)
        self.write_queue: Sized = ()
        self.shed = dict.fromkeys(SHED_REASONS, 0)
        self.without_origin = {(answer, why): 0 for answer in ANSWERS_WITHOUT_ORIGIN for why in WHY}
        self.retries = {"read": 0, "write": 0}
        self.hedges = dict.fromkeys(HEDGE_OUTCOMES, 0)
        self.breaker_changes = dict.fromkeys((state.name.lower() for state in BreakerState), 0)
        self.overloads = 0
        self.guard: ControlLoops | None = None

    @property
    def waiting(self) -> int:
        """Rows that wait for a place at the origin."""
        return sum(self.read_queue)

    @property
    def breaker(self) -> str:
        """Its state in words."""
        return (self.guard.breaker_state() if self.guard else BreakerState.CLOSED).name.lower().replace("_", " ")

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

    def answered_without_origin(self, answer: str, why: str) -> None:
        """A read was answered though the origin could not.

        Raises:
            KeyError: a label outside ANSWERS_WITHOUT_ORIGIN or WHY.
        """
        self.without_origin[answer, why] += 1

    def fill_dropped(self, reason: str) -> None:
        """An answer was not installed.

        Raises:
            KeyError: a reason outside DROP_REASONS.
        """
        self.fills_dropped[reason] += 1
