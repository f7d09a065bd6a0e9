"""What became of snapshots and of the warm start: shown by /overview, counted by the metrics."""

from dataclasses import dataclass, field

# why a snapshot file was not taken over
REFUSALS = ("unreadable", "in_use", "not_a_snapshot", "version", "corrupt", "old", "origin")
WRITES = ("written", "failed", "given_up")  # given_up: the time that stopping may take was over
# what became of a snapshot's key: its value was taken over; memory could answer for it when its turn came; it was read
# again; it could not be read, or memory did not keep it
KEYS = ("restored", "answered", "replayed", "failed")


@dataclass(slots=True)
class SnapshotStatus:
    """One per process; without --snapshot it stays as it is made.

    Attributes:
        file: where snapshots are kept; None: nowhere.
        written_at: when the last one of this process was written, seconds since the epoch; 0: none was.
        written_keys, written_bytes, written_s: of that one.
        writes: outcome -> snapshots.
        refusals: reason -> snapshots found at the start and not taken over, 0 or 1.
        refused_because: the words of that refusal.
        found_keys: of the snapshot found at the start.
        keys: outcome -> what became of them so far.
        replaying: keys are still being read again.
    """

    file: str | None = None
    written_at: float = 0.0
    written_keys: int = 0
    written_bytes: int = 0
    written_s: float = 0.0
    writes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WRITES, 0))
    refusals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REFUSALS, 0))
    refused_because: str | None = None
    found_keys: int = 0
    keys: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 0))
    replaying: bool = False

    @property
    def warmth(self) -> float:
        """Share of the snapshot's keys that memory answered for or has read again; 1 without a snapshot."""
        return min(1.0, (self.keys["answered"] + self.keys["replayed"]) / self.found_keys) if self.found_keys else 1.0
