"""What is counted, and how a scrape reads it."""

from sidecar.metrics._counters import Counters, Outcome

__all__ = ["Counters", "Outcome"]
