"""The consistency protocol: memory is never older than an answer that somebody was already given.

One rule carries everything. For each key, at every moment, what memory holds is at least as new as every answer
given for it, and so is every origin read that a new reader may still join. Then reads are monotonic, a fill cannot
resurrect an old value, and whoever was told that a write is done sees it.

What can break the rule, and what stops it:

- A fill sent before a write lands after it. Each key has a *generation* (in a fixed striped array: it must outlive
  the write, but costs no memory per key). A write bumps it at its start, which is when it is sent, and at its end;
  a fill remembers the generation it was sent under and neither installs nor takes on readers under another.
- A fill lands while a write is under way, with the old value or the new: nobody knows. A write is *marked* from
  start to end with the fields it reserves; a fill that covers any of them is not installed, and the reserved fields
  are not read from memory. The other fields of the row are.
- Two fills of one key cross. When one lands, all others in the air are *overtaken*.
- A fill may not be installed but must be given (its readers wait). Then what it covers is dropped from memory first,
  other fills are overtaken, and so are the writes under way: by the time they end, somebody may have seen a newer
  value than theirs (another process writes too), so they drop instead of installing.
- A write's outcome is unknown: it may still happen. Its key is in *quarantine*: nothing is installed for a while.
- Keys are invalidated by pattern: every fill and write carries an *epoch* that such an invalidation bumps.
"""

from array import array
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Protocol

from sidecar.fetch.memory_tier import MemoryTier

STRIPES = 65536  # 256 KiB of generations; two keys that share one only cost each other a fill

Covers = Iterable[bytes] | None  # fields; None: the whole document
Reserved = AbstractSet[bytes] | None  # fields; None: the whole document


class Fill:
    """An origin read in the air, as the protocol sees it.

    Attributes:
        key: what is read.
        fields: which fields were asked; None: the whole document.
        generation, epoch: the key's and the store's when it was sent.
        overtaken: another answer for the key was given or installed since it was sent.
    """

    __slots__ = ("epoch", "fields", "generation", "key", "overtaken")

    key: bytes
    fields: Covers
    generation: int
    epoch: int
    overtaken: bool


class Mark:
    """A write under way.

    Attributes:
        reserved: the fields it may change; None: the whole document.
        epoch: the store's when it began.
        overtaken: an answer for what it reserves was given meanwhile, perhaps newer than what it writes.
    """

    __slots__ = ("epoch", "overtaken", "reserved")

    def __init__(self, reserved: Reserved, epoch: int) -> None:
        self.reserved = reserved
        self.epoch = epoch
        self.overtaken = False


class Quarantined(Protocol):
    """The keys for which nothing may be installed."""

    def __contains__(self, key: object) -> bool: ...


def overlaps(reserved: Reserved, covers: Covers) -> bool:
    """Whether a write of ``reserved`` touches what ``covers`` names."""
    return reserved is None or covers is None or not reserved.isdisjoint(covers)


class Coherence:
    """Decides what may be installed, joined and read from memory. All of it is synchronous; nothing here waits.

    Attributes:
        fills: key -> origin reads in the air, oldest first.
        marks: key -> writes under way.
        epoch: bumped by every invalidation that is not of single keys.
        quarantined: set by its owner.

    Args:
        stripes: a power of two.
    """

    def __init__(self, store: MemoryTier, stripes: int = STRIPES) -> None:
        self.fills: dict[bytes, list[Fill]] = {}
        self.marks: dict[bytes, list[Mark]] = {}
        self.epoch = 0
        self.quarantined: Quarantined = frozenset()
        self._store = store
        self._generations = array("I", bytes(4 * stripes))
        self._mask = stripes - 1

    # Origin reads

    def sent(self, fill: Fill) -> None:
        """``fill`` leaves for the origin now."""
        key = fill.key
        fill.generation = self._generations[hash(key) & self._mask]
        fill.epoch = self.epoch
        fill.overtaken = False
        in_the_air = self.fills.get(key)
        if in_the_air is None:
            self.fills[key] = [fill]
        else:
            in_the_air.append(fill)

    def landed(self, fill: Fill) -> None:
        """``fill`` came back, with an answer or none."""
        in_the_air = self.fills[fill.key]
        if len(in_the_air) == 1:
            del self.fills[fill.key]
        else:
            in_the_air.remove(fill)

    def is_current(self, fill: Fill) -> bool:
        """Whether a reader that comes now may share ``fill``: nothing happened to the key since it was sent."""
        return (
            not fill.overtaken
            and fill.epoch == self.epoch
            and fill.generation == self._generations[hash(fill.key) & self._mask]
        )

    def obstacle(self, fill: Fill, covers: Covers) -> str | None:
        """Why the answer of a landed fill may not be installed; None: it may.

        Args:
            covers: what the answer covers, which may be more than was asked.
        """
        if fill.overtaken:
            return "overlap"
        if fill.epoch != self.epoch:
            return "invalidated"
        if fill.generation != self._generations[hash(fill.key) & self._mask]:
            return "written"
        if fill.key in self.quarantined:
            return "quarantine"
        if self.marks and self.is_reserved(fill.key, covers):
            return "writer"
        return None

    def installed(self, key: bytes) -> None:
        """A landed fill of ``key`` was installed: those still in the air may be older."""
        if key in self.fills:
            self._overtake_fills(key)

    def given_only(self, key: bytes, covers: Covers) -> None:
        """An answer is about to be given and is not installed: nothing older may stay or come."""
        if covers is None:
            self._store.drop(key)
        else:
            self._store.drop_fields(key, tuple(covers))
        self._overtake_fills(key)
        self._overtake_writes(key, covers)

    # Writes

    def begin_write(self, key: bytes, reserved: Reserved) -> Mark:
        """A write of ``key`` starts; memory does not answer for what it reserves until it ends."""
        self._bump(key)
        mark = Mark(reserved, self.epoch)
        marks = self.marks.get(key)
        if marks is None:
            self.marks[key] = [mark]
        else:
            marks.append(mark)
        self._store.set_busy(key, True)  # also beside another write: a fill of other fields may have come since
        return mark

    def send_again(self, key: bytes) -> None:
        """A write under way was not sent after all and is sent now: reads that left since it began are older."""
        self._bump(key)

    def end_write(self, key: bytes, mark: Mark) -> bool:
        """A write ended, however. Whether what it wrote may be installed; ``show`` must follow."""
        self._bump(key)
        marks = self.marks[key]
        if len(marks) == 1:
            del self.marks[key]
        else:
            marks.remove(mark)
        return not mark.overtaken and mark.epoch == self.epoch and key not in self.quarantined

    def show(self, key: bytes) -> None:
        """Let the hot path see what memory now holds, unless another write is under way."""
        self._store.set_busy(key, key in self.marks)

    def is_reserved(self, key: bytes, covers: Covers) -> bool:
        """Whether a write under way may change what ``covers`` names."""
        marks = self.marks.get(key)
        return marks is not None and any(overlaps(mark.reserved, covers) for mark in marks)

    # Invalidation

    def invalidate(self, key: bytes) -> bool:
        """Somebody else changed ``key``. Whether memory held it."""
        self._bump(key)
        self._overtake_writes(key, None)
        return self._store.drop(key)

    def begin_epoch(self) -> None:
        """Somebody else changed keys that are not named one by one: no fill or write of before is installed."""
        self.epoch += 1

    def settle(self, key: bytes) -> None:
        """The quarantine of ``key`` is over: reads that were sent during it are not installed."""
        self._bump(key)

    def _bump(self, key: bytes) -> None:
        stripe = hash(key) & self._mask
        self._generations[stripe] = (self._generations[stripe] + 1) & 0xFFFF_FFFF

    def _overtake_fills(self, key: bytes) -> None:
        for fill in self.fills.get(key, ()):
            fill.overtaken = True

    def _overtake_writes(self, key: bytes, covers: Covers) -> None:
        for mark in self.marks.get(key, ()):
            if overlaps(mark.reserved, covers):
                mark.overtaken = True
