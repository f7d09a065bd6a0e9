"""One deadline per request: passed down, never restarted."""

from typing import NamedTuple


class Deadline(NamedTuple):
    """The moment by which a request must be answered.

    Attributes:
        at_ns: on the Clock's ``now_ns`` scale.
        budget_ms: the whole budget it was made from, for error texts.
    """

    at_ns: int
    budget_ms: int

    @classmethod
    def after(cls, budget_ms: int, now_ns: int) -> "Deadline":
        """A deadline ``budget_ms`` from now."""
        return cls(now_ns + budget_ms * 1_000_000, budget_ms)

    def remaining_s(self, now_ns: int) -> float:
        """Seconds left, never negative."""
        return max(0.0, (self.at_ns - now_ns) / 1e9)
