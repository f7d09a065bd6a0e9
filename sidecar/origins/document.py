"""The document codec: a hash as one JSON object, one member a field.

Members are read raw, so numbers keep the text that stands in the document. The reserved member ``~expire`` holds
``{member name: epoch ms}`` for fields with a deadline of their own; expired fields are filtered on read and removed
by the next write. A hash without a live field is an absent key. Nothing here knows an origin or a clock.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from sidecar.origins._members import all_fields, has_fields, is_null, some_fields
from sidecar.origins.base import Condition
from sidecar.origins.member_names import encode_name
from sidecar.origins.member_values import encode_value

EXPIRE_MEMBER = "~expire"
MAX_DOCUMENT_BYTES = 20 * 1024 * 1024  # Couchbase's limit, kept by every origin so that they can be exchanged

DtypeOf = Callable[[bytes, bytes], str | None]  # (key, field) -> the policy's dtype

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_expiries = msgspec.json.Decoder(dict[str, int]).decode
_encode_members = msgspec.json.Encoder().encode


class NotAHash(NamedTuple):
    """The body is no JSON object that can be read: the document is a string."""


class DecodedHash(NamedTuple):
    """What was read of a hash.

    Attributes:
        fields: the fields asked that are live, without nulls.
        expiry_ms: the earliest deadline among them; None: none has one.
        present: some field is live, asked for or not; False: the key is absent.
    """

    fields: dict[bytes, bytes]
    expiry_ms: int | None
    present: bool


NOT_A_HASH = NotAHash()


def decode_hash(body: bytes, fields: tuple[bytes, ...] | None, now_ms: int) -> DecodedHash | NotAHash:
    """Read all fields (None) or some of a hash; whatever has expired by ``now_ms`` is left out."""
    read = _read(body, now_ms)
    if read is None:
        return NOT_A_HASH
    members, expiries = read
    if fields is None:
        found = all_fields(members)
        return DecodedHash(found, min(expiries.values(), default=None), bool(found))
    found = some_fields(members, fields)
    earliest = None
    if expiries:
        known = [expiries[member] for member in map(encode_name, found) if member in expiries]
        earliest = min(known, default=None)
    return DecodedHash(found, earliest, bool(found) or has_fields(members))


def is_present(body: bytes, now_ms: int) -> bool:
    """Whether a JSON document is there for clients: a hash with a live field, or no hash at all."""
    read = _read(body, now_ms)
    return read is None or has_fields(read[0])


def is_hash(body: bytes) -> bool:
    """Whether a JSON document is a hash, its top level an object."""
    return _members_of(body) is not None


def apply_hash_set(
    body: bytes | None,
    fields: Mapping[bytes, bytes],
    now_ms: int,
    *,
    key: bytes = b"",
    only_absent: bool = False,
    dtype_of: DtypeOf | None = None,
) -> tuple[bytes, int] | NotAHash:
    """The document after HSET (HSETNX with ``only_absent``), and how many fields were added.

    A field that is set loses its own deadline. ``body`` None makes a new document. The size is the caller's to check.
    """
    read = _read(body, now_ms) if body is not None else ({}, {})
    if read is None:
        return NOT_A_HASH
    members, expiries = read
    added = 0
    for field, value in fields.items():
        member = encode_name(field)
        before = members.get(member)
        if is_null(before):
            added += 1
        elif only_absent:
            continue
        dtype = None if dtype_of is None else dtype_of(key, field)
        members[member] = msgspec.Raw(encode_value(value, dtype, None if before is None else bytes(before)))
        expiries.pop(member, None)
    return _encode(members, expiries), added


def apply_hash_delete(body: bytes, fields: tuple[bytes, ...], now_ms: int) -> tuple[bytes | None, int] | NotAHash:
    """The document after HDEL (None: its last field went), and how many fields were removed."""
    read = _read(body, now_ms)
    if read is None:
        return NOT_A_HASH
    members, expiries = read
    removed = 0
    for field in fields:
        member = encode_name(field)
        if not is_null(members.get(member)):
            removed += 1
            del members[member]
            expiries.pop(member, None)
    return (_encode(members, expiries) if has_fields(members) else None), removed


def apply_field_expire(
    body: bytes, fields: tuple[bytes, ...], expiry_ms: int | None, condition: Condition, now_ms: int
) -> tuple[bytes | None, list[int]] | NotAHash:
    """The document after HEXPIRE (HPERSIST: ``expiry_ms`` None), and Redis's code per field; see FieldExpire."""
    read = _read(body, now_ms)
    if read is None:
        return NOT_A_HASH
    members, expiries = read
    codes = []
    for field in fields:
        member = encode_name(field)
        before = expiries.get(member)
        if is_null(members.get(member)):
            codes.append(-2)
        elif expiry_ms is None:
            codes.append(-1 if before is None else 1)
            expiries.pop(member, None)
        elif not expiry_condition_holds(condition, before, expiry_ms):
            codes.append(0)
        elif expiry_ms <= now_ms:
            codes.append(2)
            del members[member]
            expiries.pop(member, None)
        else:
            codes.append(1)
            expiries[member] = expiry_ms
    return (_encode(members, expiries) if has_fields(members) else None), codes


def field_expiries(body: bytes, fields: tuple[bytes, ...], now_ms: int) -> tuple[int, ...] | NotAHash:
    """Each field's own deadline in epoch ms; -1 it has none, -2 no such field."""
    read = _read(body, now_ms)
    if read is None:
        return NOT_A_HASH
    members, expiries = read
    return tuple(
        -2 if is_null(members.get(member)) else expiries.get(member, -1) for member in map(encode_name, fields)
    )


def expiry_condition_holds(condition: Condition, before_ms: int | None, after_ms: int) -> bool:
    """EXPIRE's NX, XX, GT and LT; no expiry (None) counts as infinite."""
    if condition is Condition.ALWAYS:
        return True
    if condition is Condition.IF_ABSENT:
        return before_ms is None
    if condition is Condition.IF_PRESENT:
        return before_ms is not None
    if condition is Condition.IF_GREATER:
        return before_ms is not None and after_ms > before_ms
    return before_ms is None or after_ms < before_ms


def _members_of(body: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return _decode_members(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _read(body: bytes, now_ms: int) -> tuple[dict[str, msgspec.Raw], dict[str, int]] | None:
    """Members and field deadlines, those expired taken out of both; None: not a hash."""
    members = _members_of(body)
    if members is None:
        return None
    raw = members.pop(EXPIRE_MEMBER, None)
    if raw is None:
        return members, {}
    try:
        expiries = _decode_expiries(raw)
    except msgspec.DecodeError:  # someone else's member of that name: it holds no deadlines
        return members, {}
    for member, expiry in list(expiries.items()):
        if expiry <= now_ms:
            members.pop(member, None)
        if member not in members:
            del expiries[member]
    return members, expiries


def _encode(members: dict[str, msgspec.Raw], expiries: dict[str, int]) -> bytes:
    return _encode_members({**members, EXPIRE_MEMBER: expiries} if expiries else members)
