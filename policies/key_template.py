"""Key templates: from a key to the entity ids in it, and from ids to a key. Of key patterns and of Feast's hashes."""

from collections.abc import Mapping
from typing import Protocol

from policies.feast import FeastHash, read_values
from policies.key_pattern import KeyPattern, Placeholder

Ids = Mapping[str, bytes]  # placeholder or join key -> the id's text

_INT32, _INT64, _STRING = 3, 4, 2  # feast.value_type.ValueType
_WIDTHS = {_INT32: 4, _INT64: 8}
_MOST_DIGITS = 20  # of an int64 with its sign


class KeyTemplate(Protocol):
    """What a set's member is, whichever way its keys are written.

    Attributes:
        names: of the ids in its keys.
        prefix: what all its keys begin with.
    """

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def prefix(self) -> bytes: ...

    def capture(self, key: bytes) -> dict[str, bytes] | None:
        """The ids in a key; None: not one of its keys."""

    def fill(self, ids: Ids) -> bytes | None:
        """The key of these ids; None: they make none."""


class PatternTemplate:
    """Keys of a pattern such as ``user:{user_id}``."""

    __slots__ = ("_narrow", "capture", "names", "pattern", "prefix")

    def __init__(self, pattern: KeyPattern) -> None:
        self.pattern = pattern
        self.names = pattern.names
        self.prefix = pattern.prefix
        self.capture = pattern.capture
        self._narrow = tuple(part.name for part in pattern.parts if isinstance(part, Placeholder) and not part.rest)

    def fill(self, ids: Ids) -> bytes | None:
        """None: an id that the placeholder does not stand for."""
        for name in self._narrow:
            if b":" in ids[name]:
                return None
        return self.pattern.fill(ids)

    def __str__(self) -> str:
        return str(self.pattern)


class FeastTemplate:
    """Keys of a Feast hash, which is one row for all feature views of the entity.

    Ids of integers and strings are their text, so that ``{driver_id}`` of a pattern and Feast's join key
    ``driver_id`` can be the same id. How Feast types a join key is not in the policy: it is learned from the first
    key seen, and until then no key can be made of text.
    """

    __slots__ = ("_feast", "_kinds", "names", "prefix", "suffix")

    def __init__(self, feast_hash: FeastHash) -> None:
        self._feast = feast_hash
        self.names = feast_hash.join_keys
        self.prefix = feast_hash.prefix
        self.suffix = feast_hash.suffix
        self._kinds: dict[str, int] = {}

    def capture(self, key: bytes) -> dict[str, bytes] | None:
        """The ids in a key; None: a key of another hash."""
        if not key.startswith(self.prefix):
            return None
        values = read_values(key, len(self.prefix), len(self.names))
        if values is None or key[values[-1].end :] != self.suffix:
            return None
        ids = {}
        for name, value in zip(self.names, values, strict=True):
            text = _as_text(value.kind, value.data)
            if text is None:
                return None
            self._kinds.setdefault(name, value.kind)
            ids[name] = text
        return ids

    def fill(self, ids: Ids) -> bytes | None:
        """None: no key of this hash was seen yet, or text that is not of the type that its keys have."""
        parts = [self.prefix]
        for name in self.names:
            data = _as_data(self._kinds.get(name), ids[name])
            if data is None:
                return None
            parts.append(self._kinds[name].to_bytes(4, "little") + len(data).to_bytes(4, "little") + data)
        return b"".join((*parts, self.suffix))

    def __str__(self) -> str:
        return f"feast:{self._feast.project}:{','.join(self.names)}"


def _as_text(kind: int, data: bytes) -> bytes | None:
    """An id as a pattern would show it; None: of a type that has no text."""
    if kind == _STRING:
        return data
    if _WIDTHS.get(kind) == len(data):
        return b"%d" % int.from_bytes(data, "little", signed=True)
    return None


def _as_data(kind: int | None, text: bytes) -> bytes | None:
    """The other way round; only the text that ``_as_text`` makes."""
    if kind is None or kind == _STRING:
        return None if kind is None else text
    if len(text) > _MOST_DIGITS or not text.lstrip(b"-").isdigit():
        return None
    number = int(text)
    if b"%d" % number != text or number.bit_length() >= 8 * _WIDTHS[kind]:
        return None
    return number.to_bytes(_WIDTHS[kind], "little", signed=True)
