"""Some members of a JSON document, read and written by sub-document operations.

What was looked up is put together as a small document of its own, so that the rules of ``document.py`` judge it as
they judge a whole one, and a write sends what they changed. Wherever a part of the document cannot show what the whole
would (it is no object, a name is not surely found by a path, a field may be the last live one), the answer is None:
read the document.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

import msgspec
from acouchbase.collection import AsyncCollection
from couchbase.exceptions import CouchbaseException
from couchbase.subdocument import Spec, remove, upsert
from couchbase.subdocument import get as get_path

from sidecar.origins.base import FieldExpire, Found, HashSet, WriteAnswer
from sidecar.origins.couchbase_documents import is_json
from sidecar.origins.couchbase_errors import NOT_SUPPORTED, REQUEST_CANCELED
from sidecar.origins.document import EXPIRE_MEMBER, MAX_DOCUMENT_BYTES, DtypeOf
from sidecar.origins.member_names import encode_name
from sidecar.origins.stored_document import Document, apply, read

MAX_FIELDS = 14  # the server takes 16 paths; two tell about the document and of its fields' deadlines
_PATH_NOT_FOUND = 113
_MAX_PATH_BYTES = 256  # the server's limit is 1024
# Paths are compared with the names as they stand in the document. These characters no JSON encoder writes as escapes;
# others do for some ('/', '<', '"', anything beyond ASCII).
_PLAIN_NAME = re.compile(r"[ !#$%()*+,\-.0-9:;=?@A-Z\[\]^_`a-z{|}~]+")
_QUOTED = re.compile(r"[.`\[\]]")
_ABOUT = get_path("$document", xattr=True)
_DEADLINES = get_path(EXPIRE_MEMBER)

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_deadlines = msgspec.json.Decoder(dict[str, int]).decode
_encode = msgspec.json.Encoder().encode


class _About(msgspec.Struct):
    """The server's virtual attribute ``$document``, as far as we ask."""

    flags: int
    exptime: int
    value_bytes: int


_decode_about = msgspec.json.Decoder(_About).decode


class Members(NamedTuple):
    """What was looked up.

    Attributes:
        document: the members that are there, and their deadlines, as a document.
        deadlines: all that the document has, of other members too.
        size: bytes of the whole document.
        cas: what a write has to find unchanged.
    """

    document: Document
    deadlines: dict[str, int]
    size: int
    cas: int


def path_of(name: str) -> str | None:
    """The sub-document path of a member; None: its name may be written in more than one way."""
    if len(name) > _MAX_PATH_BYTES or not _PLAIN_NAME.fullmatch(name):
        return None
    return "`" + name.replace("`", "``") + "`" if _QUOTED.search(name) else name


def paths_of(fields: Iterable[bytes]) -> list[str] | None:
    """The paths of 1 to MAX_FIELDS fields; None: too many, or one has none."""
    paths = [path_of(encode_name(field)) for field in fields]
    return None if len(paths) > MAX_FIELDS or None in paths else paths  # type: ignore[return-value]


async def look_up(
    collection: AsyncCollection, document: str, fields: Sequence[bytes], paths: list[str], time_left: timedelta
) -> Members | None:
    """Ask for ``fields`` in one request; None: only the whole document tells.

    Raises:
        CouchbaseException: there is no such document, or it cannot be asked.
    """
    specs = (_ABOUT, _DEADLINES, *map(get_path, paths))
    try:
        result = await collection.lookup_in(document, specs, timeout=time_left)
    except CouchbaseException as exc:
        if exc.error_code in NOT_SUPPORTED:
            return None
        if exc.error_code != REQUEST_CANCELED:
            raise
        result = await collection.lookup_in(document, specs, timeout=time_left)  # the SDK does not by itself
    bodies: list[bytes | None] = []
    for looked in result.value:
        if looked["status"] and looked["ec"]["code"] != _PATH_NOT_FOUND:
            return None
        bodies.append(None if looked["status"] else looked["value"].body)
    about = _decode_about(bodies[0])  # type: ignore[arg-type]  # the server's own attribute is always there
    if not is_json(about.flags):
        return None
    try:
        deadlines = {} if bodies[1] is None else _decode_deadlines(bodies[1])
    except msgspec.DecodeError:  # someone else's member of that name
        return None
    names = [encode_name(field) for field in fields]
    members = {name: msgspec.Raw(body) for name, body in zip(names, bodies[2:], strict=True) if body is not None}
    part = Document(_with_deadlines(members, deadlines), True, about.exptime * 1000 or None)
    return Members(part, deadlines, about.value_bytes, result.cas)


def found(members: Members, fields: tuple[bytes, ...], now_ms: int) -> Found | None:
    """The answer to a read of ``fields``; None: all are absent, and perhaps the document is."""
    answer = read(members.document, fields, now_ms)
    return answer if isinstance(answer, Found) else None


def changes(
    write: HashSet | FieldExpire, members: Members, now_ms: int, dtype_of: DtypeOf | None
) -> tuple[list[Spec], WriteAnswer] | None:
    """What ``write`` asks to be changed (nothing: no need to write), and its answer; None: take the whole document."""
    before = members.document
    if any(deadline <= now_ms for deadline in members.deadlines.values()):
        return None  # the next write removes what has expired
    old = _decode_members(before.body)
    deadlines_before = old.pop(EXPIRE_MEMBER, None)
    is_alone = all(raw == b"null" for raw in map(bytes, old.values()))
    if is_alone and (before.expiry_ms is not None or members.deadlines):
        return None  # perhaps no field is live: then the expiry died with them
    after, answer = apply(write, Document(before.body, True), now_ms, dtype_of)
    if after is None:
        return None  # perhaps the last field goes
    if members.size + len(after.body) > MAX_DOCUMENT_BYTES:
        return None
    new = _decode_members(after.body)
    deadlines_after = new.pop(EXPIRE_MEMBER, None)
    specs = [_upsert(name, raw) for name, raw in new.items() if bytes(old.get(name, b"")) != bytes(raw)]
    specs += [remove(path_of(name)) for name in old if name not in new]
    if deadlines_before != deadlines_after:
        others = {name: deadline for name, deadline in members.deadlines.items() if name not in old}
        own = {} if deadlines_after is None else _decode_deadlines(deadlines_after)
        deadlines = others | own
        specs.append(_upsert(EXPIRE_MEMBER, _encode(deadlines)) if deadlines else remove(EXPIRE_MEMBER))
    return specs, answer


def _with_deadlines(members: dict[str, msgspec.Raw], deadlines: dict[str, int]) -> bytes:
    own = {name: deadline for name, deadline in deadlines.items() if name in members}
    return _encode({**members, EXPIRE_MEMBER: own} if own else members)


def _upsert(name: str, raw: bytes | msgspec.Raw) -> Spec:
    return upsert(path_of(name), Document(bytes(raw), True))
