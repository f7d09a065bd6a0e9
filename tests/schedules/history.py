"""What the origin held, when: the oracle that answers are judged by.

Each change of a document makes a new version. An answer names, for each field, a version that it can be from. A
reader may never see a version older than one that somebody was given before the reader began: the *floor* of that
field, also raised by acknowledged writes and by invalidations.
"""

from collections.abc import Iterable
from typing import Any

from sidecar.origins.base import Absent, Found

FIELDS = (b"a", b"b", b"c")
Document = dict[bytes, bytes] | bytes | None
_FOR_EVER = 1 << 62


class Violation(AssertionError):
    """A promise was broken."""


def seen_in(document: Document, field: bytes) -> Any:
    """What a document shows of one field: its value, None, or the whole string."""
    if document is None:
        return None
    return (document,) if isinstance(document, bytes) else document.get(field)


class History:
    """All versions of one key."""

    __slots__ = ("ended_by_expiry", "floors", "key", "since_ns", "versions")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.versions: list[Document] = [None]
        self.since_ns = [0]  # when each version began
        self.ended_by_expiry: set[int] = set()
        self.floors = dict.fromkeys(FIELDS, 0)

    def change(self, document: Document, now_ns: int, by_expiry: bool = False) -> None:
        """The origin's document is another from now on."""
        if by_expiry:
            self.ended_by_expiry.add(len(self.versions) - 1)
        self.versions.append(document)
        self.since_ns.append(now_ns)

    def raise_floors(self, fields: Iterable[bytes] | None) -> None:
        """Who reads from now on must see at least the present version of these fields."""
        for field in FIELDS if fields is None else fields:
            self.floors[field] = len(self.versions) - 1

    def raise_floors_to(self, version: int, fields: Iterable[bytes] | None) -> None:
        """The same for a version of before."""
        for field in FIELDS if fields is None else fields:
            self.floors[field] = max(self.floors[field], version)

    def observe(self, answer: Found | Absent, fields: tuple[bytes, ...] | None, floors: dict[bytes, int]) -> None:
        """An answer was given to a reader that began when the floors were these.

        Raises:
            Violation: it is from before a floor, or from no version at all.
        """
        for field in fields or FIELDS:
            seen = None if isinstance(answer, Absent) else seen_in(answer.value, field)
            version = self._first_from(floors[field], field, seen)
            if version is None:
                raise Violation(
                    f"{self.key!r} {field!r}: {seen!r} is older than {floors[field]} in {self._told(field)}"
                )
            if version > self.floors[field]:
                self.floors[field] = version

    def last_true_ns(self, answer: Found | Absent, field: bytes) -> tuple[int, bool]:
        """Until when the origin showed this of a field, and whether that ended by the document's own expiry."""
        seen = None if isinstance(answer, Absent) else seen_in(answer.value, field)
        versions = self.versions
        for version in range(len(versions) - 1, -1, -1):
            if seen_in(versions[version], field) == seen:
                if version == len(versions) - 1:
                    return _FOR_EVER, False
                return self.since_ns[version + 1], version in self.ended_by_expiry
        raise Violation(f"{self.key!r} {field!r}: {seen!r} never was in {self._told(field)}")

    def _first_from(self, floor: int, field: bytes, seen: Any) -> int | None:
        """The first version, not before ``floor``, that shows ``seen``."""
        versions = self.versions
        for version in range(floor, len(versions)):
            if seen_in(versions[version], field) == seen:
                return version
        return None

    def _told(self, field: bytes) -> list[Any]:
        return [seen_in(version, field) for version in self.versions]
