"""What became of the policy file: shown by /policy, counted by the metrics."""

import time
from dataclasses import dataclass


@dataclass(slots=True)
class PolicyStatus:
    """One per process; ``sidecar.server`` reports loads and failures to it.

    Attributes:
        file: the policy file; None: the built-in defaults.
        generation: of the policy in force.
        loaded_at: when it came into force, seconds since the epoch.
        reload_failures: files that were not taken since the start.
        last_error: why the newest file was not taken; None: it was.
    """

    file: str | None
    generation: int = 0
    loaded_at: float = 0.0
    reload_failures: int = 0
    last_error: str | None = None
    last_error_at: float | None = None

    def loaded(self, generation: int) -> None:
        """A policy came into force."""
        self.generation = generation
        self.loaded_at = time.time()
        self.last_error = self.last_error_at = None

    def failed(self, error: str) -> None:
        """A file was not taken; the policy in force stays."""
        self.reload_failures += 1
        self.last_error = error
        self.last_error_at = time.time()
