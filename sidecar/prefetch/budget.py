"""What guesses may cost: documents that were fetched on a guess and that nobody asked for, as a share of those read.

A guess that proves right is a read that would have come anyway, so it costs nothing; until then it is charged.
"""

from collections.abc import Iterable

from sidecar.metrics.miss_path import MissPathCounters
from sidecar.prefetch.decayed import Decayed
from sidecar.prefetch.set_state import SetState

FIRST = 20.0  # guesses that may be under way before anything was read


class Budget:
    """Charged by guesses, filled by reads; both fade alike, so the share is that of late."""

    def __init__(self, counters: MissPathCounters) -> None:
        self._counters = counters
        self._read = Decayed()
        self._counted = self._documents()
        self.left = FIRST
        self.charged = 0.0

    @property
    def read(self) -> float:
        """Documents read, of late."""
        return self._read.value

    def refresh(self, share: float, learned: Iterable[SetState]) -> None:
        """Look at the counters again; between two looks every guess is charged."""
        documents = self._documents()
        self._read.add(documents - self._counted)
        self._counted = documents
        self.charged = sum(state.unproven + state.wrong for state in learned)
        self.left = FIRST + share * self._read.value - self.charged

    def take(self) -> bool:
        """Whether one more may be guessed; it is charged."""
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True

    def fade(self, share: float) -> None:
        """Time passed."""
        self._read.fade(share)

    def _documents(self) -> int:
        return sum(number for (operation, _), number in self._counters.requests.items() if operation == "read")
