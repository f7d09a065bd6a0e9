"""What a read shows of a stored document and what a write makes of it: one set of rules for SQLite and memory."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sidecar.origins.base import (
    ABSENT,
    Absent,
    Applied,
    Condition,
    Delete,
    Expire,
    Expiries,
    FieldExpire,
    Found,
    GetAndDelete,
    GetAndExpire,
    HashDelete,
    HashSet,
    Refusal,
    Refused,
    SetValue,
    Write,
    WriteAnswer,
)
from sidecar.origins.document import (
    MAX_DOCUMENT_BYTES,
    DtypeOf,
    NotAHash,
    apply_field_expire,
    apply_hash_delete,
    apply_hash_set,
    decode_hash,
    expiry_condition_holds,
    field_expiries,
    is_hash,
    is_present,
)
from sidecar.origins.member_names import is_key_too_long

WRONG_TYPE = Refused(Refusal.WRONG_TYPE)
KEY_TOO_LONG = Refused(Refusal.KEY_TOO_LONG)
DOCUMENT_TOO_LARGE = Refused(Refusal.DOCUMENT_TOO_LARGE)
SET = Applied((True, None))


class Document(Struct, frozen=True, gc=False):
    """One document as stored: its body, whether that is JSON, and when it dies (wall clock; None: never).

    ``memory://`` keeps one for each key: were they tuples of a class, a full garbage collection would walk them all,
    160 ms for 100,000.
    """

    body: bytes
    is_json: bool = False
    expiry_ms: int | None = None


Outcome = tuple[Document | None, WriteAnswer]  # the document from now on (the same object: unchanged), the answer


def read(document: Document | None, fields: tuple[bytes, ...] | None, now_ms: int) -> Found | Absent:
    """The origin's answer to a read of ``document``."""
    if document is None:
        return ABSENT
    body, expiry_ms = document.body, document.expiry_ms
    if expiry_ms is not None and expiry_ms <= now_ms:
        return ABSENT
    if not document.is_json:
        return Found(body, True, expiry_ms)
    decoded = decode_hash(body, fields, now_ms)
    if isinstance(decoded, NotAHash):
        return Found(body, True, expiry_ms)
    if not decoded.present:
        return ABSENT
    return Found(decoded.fields, fields is None, _earlier(expiry_ms, decoded.expiry_ms))


def expiries(document: Document | None, fields: tuple[bytes, ...], now_ms: int) -> Expiries:
    """The origin's answer to TTL and HTTL."""
    document = live(document, now_ms)
    if document is None:
        return Expiries(-2, (-2,) * len(fields))
    own = -1 if document.expiry_ms is None else document.expiry_ms
    found = field_expiries(document.body, fields, now_ms) if document.is_json else None
    if found is None or isinstance(found, NotAHash):
        return Expiries(own, (-2,) * len(fields))
    return Expiries(own, found, is_hash=True)


def apply(write: Write, document: Document | None, now_ms: int, dtype_of: DtypeOf | None) -> Outcome:
    """What ``write`` makes of ``document``, and what the client is told."""
    if is_key_too_long(write.key):
        return document, KEY_TOO_LONG
    return _EFFECTS[type(write)](write, document, now_ms, dtype_of)


def live(document: Document | None, now_ms: int) -> Document | None:
    """The document where clients can see it: not expired, and no hash without a live field."""
    document = _unexpired(document, now_ms)
    return document if document is None or not document.is_json or is_present(document.body, now_ms) else None


def kind_of(document: Document) -> bytes:
    """b"hash" or b"string"."""
    return b"hash" if document.is_json and is_hash(document.body) else b"string"


def _set_value(write: SetValue, document: Document | None, now_ms: int, dtype_of: DtypeOf | None) -> Outcome:
    expiry_ms = write.expiry_ms
    previous = None
    if write.condition is not Condition.ALWAYS or write.keep_expiry or write.want_previous:
        before = live(document, now_ms)
        if write.want_previous and before is not None:
            if kind_of(before) == b"hash":
                return document, WRONG_TYPE
            previous = before.body
        if write.condition is not Condition.ALWAYS and (before is None) is not (write.condition is Condition.IF_ABSENT):
            return document, Applied((False, previous))
        if write.keep_expiry:
            expiry_ms = None if before is None else before.expiry_ms
    if len(write.value) > MAX_DOCUMENT_BYTES:
        return document, DOCUMENT_TOO_LARGE
    if expiry_ms is not None and expiry_ms <= now_ms:
        return None, Applied((True, previous))
    return Document(write.value, False, expiry_ms), SET if previous is None else Applied((True, previous))


def _hash_set(write: HashSet, document: Document | None, now_ms: int, dtype_of: DtypeOf | None) -> Outcome:
    before = _unexpired(document, now_ms)
    if before is not None and before.expiry_ms is not None:
        before = live(before, now_ms)  # the expiry of a hash without a live field died with it
    if before is not None and not before.is_json:
        return document, WRONG_TYPE
    body, expiry_ms = (None, None) if before is None else (before.body, before.expiry_ms)
    after = apply_hash_set(body, write.fields, now_ms, key=write.key, only_absent=write.only_absent, dtype_of=dtype_of)
    if isinstance(after, NotAHash):
        return document, WRONG_TYPE
    body, added = after
    if len(body) > MAX_DOCUMENT_BYTES:
        return document, DOCUMENT_TOO_LARGE
    if write.only_absent and not added:
        return document, Applied(0)
    return Document(body, True, expiry_ms), Applied(added)


def _hash_delete(write: HashDelete, document: Document | None, now_ms: int, dtype_of: DtypeOf | None) -> Outcome:
    before = _unexpired(document, now_ms)
    if before is None:
        return document, Applied(0)
    after = apply_hash_delete(before.body, write.fields, now_ms) if before.is_json else None
    if after is None or isinstance(after, NotAHash):
        return document, WRONG_TYPE
    body, removed = after
    if not removed:
        return document, Applied(0)
    return (None if body is None else replace(before, body=body)), Applied(removed)


def _field_expire(write: FieldExpire, document: Document | None, now_ms: int, dtype_of: DtypeOf | None) -> Outcome:
    before = _unexpired(document, now_ms)
    if before is None:
        return document, Applied([-2] * len(write.fields))
    after = None
    if before.is_json:
        after = apply_field_expire(before.body, write.fields, write.expiry_ms, write.condition, now_ms)
    if after is None or isinstance(after, NotAHash):
        return document, WRONG_TYPE
    body, codes = after
    if max(codes, default=0) <= 0:
        return document, Applied(codes)
    if body is not None and len(body) > MAX_DOCUMENT_BYTES:
        return document, DOCUMENT_TOO_LARGE
    return (None if body is None else replace(before, body=body)), Applied(codes)


def _delete(write: Delete, document: Document | None, now_ms: int, dtype_of: DtypeOf | None) -> Outcome:
    return None, Applied(live(document, now_ms) is not None)


def _expire(write: Expire, document: Document | None, now_ms: int, dtype_of: DtypeOf | None) -> Outcome:
    before = live(document, now_ms)
    if before is None:
        return document, Applied(False)
    if write.expiry_ms is None:
        holds = before.expiry_ms is not None
    else:
        holds = expiry_condition_holds(write.condition, before.expiry_ms, write.expiry_ms)
    if not holds:
        return document, Applied(False)
    return _with_expiry(before, write.expiry_ms, now_ms), Applied(True)


def _get_and_expire(write: GetAndExpire, document: Document | None, now_ms: int, dtype_of: DtypeOf | None) -> Outcome:
    before = live(document, now_ms)
    if before is None:
        return document, Applied(None)
    if kind_of(before) == b"hash":
        return document, WRONG_TYPE
    return _with_expiry(before, write.expiry_ms, now_ms), Applied(before.body)


def _get_and_delete(write: GetAndDelete, document: Document | None, now_ms: int, dtype_of: DtypeOf | None) -> Outcome:
    before = live(document, now_ms)
    if before is None:
        return document, Applied(None)
    if kind_of(before) == b"hash":
        return document, WRONG_TYPE
    return None, Applied(before.body)


def _unexpired(document: Document | None, now_ms: int) -> Document | None:
    if document is None or (document.expiry_ms is not None and document.expiry_ms <= now_ms):
        return None
    return document


def _with_expiry(document: Document, expiry_ms: int | None, now_ms: int) -> Document | None:
    """The document with another expiry; None when that lies in the past."""
    return None if expiry_ms is not None and expiry_ms <= now_ms else replace(document, expiry_ms=expiry_ms)


def _earlier(one_ms: int | None, other_ms: int | None) -> int | None:
    if one_ms is None or other_ms is None:
        return other_ms if one_ms is None else one_ms
    return min(one_ms, other_ms)


_EFFECTS: dict[type, Callable[[Any, Document | None, int, DtypeOf | None], Outcome]] = {
    SetValue: _set_value,
    HashSet: _hash_set,
    HashDelete: _hash_delete,
    Delete: _delete,
    Expire: _expire,
    GetAndExpire: _get_and_expire,
    GetAndDelete: _get_and_delete,
    FieldExpire: _field_expire,
}
