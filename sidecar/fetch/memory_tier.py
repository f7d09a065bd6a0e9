"""The memory tier as the miss path uses it: the part of the native Store's Python methods that it needs."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from enum import IntEnum
from typing import Protocol

from sidecar.origins.base import Absent, Found


class Window(IntEnum):
    """How old an entry may be to answer; each includes those before it."""

    FRESH = 0
    STALE = 1
    ERROR = 2


class MemoryTier(Protocol):
    """What the miss path asks of memory. Keys and fields are bytes, ``filled_at`` a tick (see sidecar/clock.py).

    A lookup answers only when all that is asked is here and usable within the window: Found (of the kind that is
    held, whichever was asked) or Absent; None otherwise. ``fields`` None: the string, or the whole row with a fresh
    list. An item that is busy answers None, unless ``ignore_busy_except`` names the reserved fields: then it answers
    for the others.

    Attributes:
        now: what time it is for the lookups that follow: a tick, rounded up.
        wall_ms: the wall clock, for expiries.
        must_revalidate: whether the last counted lookup met an entry that is to be refreshed and nobody was told yet: a
            stale one, or a fresh one near its end.
    """

    now: int
    wall_ms: int
    must_revalidate: bool

    def lookup(
        self,
        key: bytes,
        fields: tuple[bytes, ...] | None,
        window: int,
        ignore_busy_except: AbstractSet[bytes] | None = None,
    ) -> Found | Absent | None:
        """Answer without counting."""

    def lookup_counted(
        self,
        key: bytes,
        fields: tuple[bytes, ...] | None,
        window: int,
        ignore_busy_except: AbstractSet[bytes] | None = None,
    ) -> Found | Absent | None:
        """Answer and count hits, stale and negative entries; a None counts nothing."""

    def lookup_some(
        self,
        key: bytes,
        fields: tuple[bytes, ...],
        window: int,
        ignore_busy_except: AbstractSet[bytes] | None = None,
    ) -> dict[bytes, bytes | None]:
        """Those of the fields that are usable and not reserved; the value None: known to be absent."""

    def string_sizes(self, keys: list[bytes]) -> list[int | None]:
        """The size of each string that lookup(key, None, STALE) would answer, 0 if Absent; None for all others."""

    def any_usable(self, key: bytes) -> bytes | None:
        """b"string" or b"hash" when a present entry of the key is usable and no write is under way."""

    def install(
        self,
        key: bytes,
        answer: Found | Absent,
        filled_at: int,
        row_rule: int,
        covers: tuple[bytes, ...] | None = None,
        speculative: bool = False,
    ) -> bool:
        """Keep an origin's answer in place of all it covers (None: everything). False: not admitted, and the old
        item is dropped. A busy row of which a part is renewed stays busy. ``speculative``: nobody asked for it yet; it
        takes no room from what was asked for."""

    def overlay(self, key: bytes, fields: Mapping[bytes, bytes | None], filled_at: int, row_rule: int) -> bool:
        """Keep written fields (None: removed). A whole row stays whole; of anything else a partial row remains.
        False: not admitted, and the old item is dropped."""

    def drop(self, key: bytes) -> bool:
        """Forget the key. Whether it was here."""

    def drop_fields(self, key: bytes, fields: tuple[bytes, ...]) -> object:
        """Forget these fields of a row; an item that is not a row is forgotten altogether."""

    def set_busy(self, key: bytes, busy: bool) -> None:
        """Send the hot path's lookups of the key to Python, or no longer."""

    def clear_refreshing(self, key: bytes) -> None:
        """The revalidation that was handed out for the key came to nothing."""

    def set_fill_cost(self, view: int, cost_us: int) -> None:
        """A fill of this view takes so long: how early its hits ask for the next."""

    def clear(self) -> None:
        """Forget everything."""

    def drop_matching(self, predicate: Callable[[bytes], bool], budget: int, position: int = 0) -> int | None:
        """Drop the keys for which ``predicate`` is true, looking at about ``budget`` keys from ``position`` on; one
        walk at a time. Where to go on; None: done."""
