"""What memory may answer now: its own freshness rules, and the consistency protocol's reservations on top."""

from collections.abc import Set as AbstractSet

from sidecar.fetch.answers import ABSENT, Absent, Found
from sidecar.fetch.coherence import Coherence
from sidecar.fetch.memory_tier import MemoryTier, Window
from sidecar.fetch.policy_numbers import PolicyNumbers

_NOTHING: frozenset[bytes] = frozenset()


class MemoryReads:
    """Look-ups of the Python side, at the time that the turn clock told the store."""

    __slots__ = ("_coherence", "_marks", "_numbers", "_store")

    def __init__(self, store: MemoryTier, coherence: Coherence, numbers: PolicyNumbers) -> None:
        self._store = store
        self._coherence = coherence
        self._marks = coherence.marks
        self._numbers = numbers

    def answer(self, key: bytes, fields: tuple[bytes, ...] | None, window: Window) -> Found | Absent | None:
        """The whole answer, counted as a hit, stale or negative; None: memory may not or cannot give it."""
        if key not in self._marks:
            return self._store.lookup_counted(key, fields, window)
        if self._coherence.is_reserved(key, fields):
            return None
        return self._store.lookup_counted(key, fields, window, self._reserved(key))

    def would_serve_stale(self, key: bytes, fields: tuple[bytes, ...] | None) -> bool:
        """Whether all that is asked is within its stale-if-error window; nothing is counted."""
        if self._coherence.is_reserved(key, fields):
            return False
        return (
            self._store.lookup(key, fields, Window.ERROR, self._reserved(key) if key in self._marks else None)
            is not None
        )

    def nil_where_missing(self, key: bytes, fields: tuple[bytes, ...] | None) -> Found | Absent | None:
        """What is usable while the origin fails, and nil for the rest; None: the policy has an error for that."""
        if fields is None:
            return ABSENT if self._numbers.nil_if_unavailable(key, None) else None
        some = self._some(key, fields)
        missing = [field for field in fields if field not in some]
        if not self._numbers.nil_if_unavailable(key, missing):
            return None
        return Found({field: value for field, value in some.items() if value is not None}, whole=False)

    def _some(self, key: bytes, fields: tuple[bytes, ...]) -> dict[bytes, bytes | None]:
        """Those of the fields that are usable while the origin fails."""
        if key not in self._marks:
            return self._store.lookup_some(key, fields, Window.ERROR)
        if any(mark.reserved is None for mark in self._marks[key]):
            return {}
        return self._store.lookup_some(key, fields, Window.ERROR, self._reserved(key))

    def _reserved(self, key: bytes) -> AbstractSet[bytes]:
        """All fields that writes under way reserve, where none of them reserves the whole document."""
        return _NOTHING.union(*(mark.reserved or _NOTHING for mark in self._marks[key]))
