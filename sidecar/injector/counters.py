"""What the injector counts."""

from dataclasses import dataclass, field
from typing import get_args

from sidecar.injector.admission import Outcome, Verdict
from sidecar.injector.errors import REASONS
from sidecar.injector.settings import ProblemKind
from sidecar.metrics.histogram import Histogram

_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


def _zeros(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 0)


@dataclass(slots=True)
class InjectorCounters:
    """One per process.

    Attributes:
        certificate: the one in use, PEM; None: none yet.
        settings_failures: changed operator's files that were not taken.
        certificate_failures: attempts to read or renew the certificate that failed.
    """

    admissions: dict[str, int] = field(default_factory=lambda: _zeros(*get_args(Outcome), "unreadable"))
    refusals: dict[str, int] = field(default_factory=lambda: _zeros(*REASONS))
    ignored: dict[str, int] = field(default_factory=lambda: _zeros(*get_args(ProblemKind)))
    events: dict[str, int] = field(default_factory=lambda: _zeros("sent", "failed", "repeated", "dropped"))
    durations: Histogram = field(default_factory=lambda: Histogram(_BOUNDS_S))
    certificate: bytes | None = None
    certificate_failures: int = 0
    settings_failures: int = 0

    def count(self, verdict: Verdict, seconds: float) -> None:
        """One review."""
        self.admissions[verdict.outcome] += 1
        if verdict.reason is not None:
            self.refusals[verdict.reason] += 1
        for problem in verdict.problems:
            self.ignored[problem.kind] += 1
        self.durations.observe(seconds)
