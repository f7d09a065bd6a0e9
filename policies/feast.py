"""Feast's Redis layout: the bytes of its keys and fields, as its online store writes them.

One hash holds all views of an entity. Its key is the serialized entity key (version 3) and the project; a feature's
field is the little-endian murmur3_32 of ``view:feature``; ``_ts:view`` holds the event time.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from policies.byte_pattern import ANY_BYTE, Step, literal

KEY_VERSION = 3
TIMESTAMP_PREFIX = b"_ts:"
_STRING = 2  # feast.value_type.ValueType.STRING, the type of every join key's name
_U32 = struct.Struct("<I")
_MAX_JOIN_KEYS = 64  # far above any entity; bounds the walk over a hostile key
_MASK = 0xFFFF_FFFF


class FeastHash(NamedTuple):
    """Which hashes: a project and the join keys of an entity, sorted as Feast sorts them."""

    project: str
    join_keys: tuple[str, ...]

    @property
    def prefix(self) -> bytes:
        """What every key begins with: the number of join keys and their names."""
        encoded = [name.encode() for name in self.join_keys]
        names = b"".join(_U32.pack(_STRING) + _U32.pack(len(name)) + name for name in encoded)
        return _U32.pack(len(encoded)) + names

    @property
    def suffix(self) -> bytes:
        """What every key ends with."""
        return self.project.encode()

    def steps(self) -> list[Step]:
        """The language, a little wide: values are not measured by their lengths."""
        return [*literal(self.prefix), Step(ANY_BYTE, many=True), *literal(self.suffix)]


def entity_key(project: str, join_keys: Iterable[tuple[str, int, bytes]]) -> bytes:
    """The key of an entity's hash, from (join key, Feast value type, serialized value) triples."""
    ordered = sorted(join_keys)
    feast_hash = FeastHash(project, tuple(name for name, _, _ in ordered))
    values = b"".join(_U32.pack(kind) + _U32.pack(len(value)) + value for _, kind, value in ordered)
    return feast_hash.prefix + values + feast_hash.suffix


def split_entity_key(key: bytes) -> tuple[bytes, bytes] | None:
    """The join keys' bytes (as FeastHash.prefix) and the project of a Feast entity key; None for any other key.

    The values between are only measured. Input: hostile bytes.
    """
    if len(key) < 22:  # a join key of one byte, an empty value and a project of one byte
        return None
    (count,) = _U32.unpack_from(key)
    if not 0 < count <= _MAX_JOIN_KEYS:
        return None
    names_end = 4
    for _ in range(count):
        if len(key) < names_end + 8 or _U32.unpack_from(key, names_end)[0] != _STRING:
            return None
        names_end += 8 + _U32.unpack_from(key, names_end + 4)[0]
    at = names_end
    for _ in range(count):
        if len(key) < at + 8:
            return None
        at += 8 + _U32.unpack_from(key, at + 4)[0]
    return (key[:names_end], key[at:]) if at < len(key) else None


class EntityValue(NamedTuple):
    """One join key's value in an entity key: its Feast type, its bytes, and where in the key they end."""

    kind: int
    data: bytes
    end: int


def read_values(key: bytes, start: int, count: int) -> list[EntityValue] | None:
    """The values of an entity key whose join keys' names end at ``start``; None: it is too short. Hostile bytes."""
    values = []
    for _ in range(count):
        if len(key) < start + 8:
            return None
        kind, size = _U32.unpack_from(key, start)[0], _U32.unpack_from(key, start + 4)[0]
        start += 8 + size
        if start > len(key):
            return None
        values.append(EntityValue(kind, key[start - size : start], start))
    return values


def timestamp_field(view: str) -> bytes:
    """The field of a view's event time."""
    return TIMESTAMP_PREFIX + view.encode()


def feature_field(view: str, feature: str) -> bytes:
    """The field of a feature's value."""
    return _U32.pack(murmur3_32(f"{view}:{feature}".encode()))


def murmur3_32(data: bytes) -> int:
    """MurmurHash3 x86 32 with seed 0 (Austin Appleby, public domain), as Feast's mmh3 computes it."""
    state = 0
    whole = len(data) // 4 * 4
    for (block,) in _U32.iter_unpack(data[:whole]):
        state ^= _scramble(block)
        state = (state << 13 | state >> 19) & _MASK
        state = (state * 5 + 0xE654_6B64) & _MASK
    state ^= _scramble(int.from_bytes(data[whole:], "little"))
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EB_CA6B & _MASK
    state = (state ^ state >> 13) * 0xC2B2_AE35 & _MASK
    return state ^ state >> 16


def _scramble(block: int) -> int:
    """Murmur3's mixing of one block; 0 stays 0."""
    block = block * 0xCC9E_2D51 & _MASK
    block = (block << 15 | block >> 17) & _MASK
    return block * 0x1B87_3593 & _MASK
