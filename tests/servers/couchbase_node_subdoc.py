"""Sub-document operations of the wire-level node: several paths of one document, read or changed together.

Members that an operation does not touch keep their exact text, as on the real server: JSON is cut into raw members,
never parsed to numbers.
"""

import re
import struct
from typing import NamedTuple

import msgspec
import orjson
from servers.couchbase_node_documents import Document, Documents
from servers.couchbase_node_frames import Failure, Request, Response, Status

GET_DOC, SET_DOC, REMOVE_DOC = 0x00, 0x01, 0x04
GET, EXISTS, DICT_ADD, DICT_UPSERT, REMOVE, REPLACE, GET_COUNT = 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2
CREATE_PARENTS, XATTR = 0x01, 0x04  # flags of a path
MAKE_DOCUMENT, ADD_DOCUMENT = 0x01, 0x02  # flags of the document
MAX_PATHS = 16
_COMPONENT = re.compile(r"\.?(?:`((?:[^`]|``)*)`|([^.\[\]`]+))|\[(-1|\d+)\]")


class Operation(NamedTuple):
    """One path's operation."""

    opcode: int
    flags: int
    path: str
    value: bytes = b""


def lookup(documents: Documents, collection: int, key: bytes, request: Request) -> Response:
    """Answer LOOKUP_IN: for each path its status and value."""
    document = documents.require(collection, key)
    operations = _operations(request.value, with_value=False)
    parts: list[bytes] = []
    status = Status.SUCCESS
    for operation in operations:
        try:
            value = _look_up(document, operation)
            parts.append(struct.pack(">HI", Status.SUCCESS, len(value)) + value)
        except Failure as failure:
            status = Status.MULTI_PATH_FAILURE
            parts.append(struct.pack(">HI", failure.status, 0))
    return Response(value=b"".join(parts), cas=document.cas, status=status)


def mutate(
    documents: Documents, collection: int, key: bytes, request: Request, keep_expiry: bool
) -> Document | Response:
    """Apply MUTATE_IN, all of it or nothing: the new document, or the answer that tells which path failed."""
    expiry, flags = _mutation_extras(request.extras)
    old = documents.get(collection, key)
    if flags & ADD_DOCUMENT and old is not None:
        raise Failure(Status.EXISTS)
    if old is None:
        if not flags & (MAKE_DOCUMENT | ADD_DOCUMENT):
            raise Failure(Status.NOT_FOUND)
        old = Document(b"{}")
    elif request.cas and request.cas != old.cas:
        raise Failure(Status.EXISTS)
    kept = old.expiry if keep_expiry else 0
    new = Document(old.value, old.flags, documents.absolute_expiry(expiry) or kept, xattrs=dict(old.xattrs))
    for at, operation in enumerate(_operations(request.value, with_value=True)):
        try:
            if operation.opcode == REMOVE_DOC:
                return documents.remove(collection, key, request.cas)
            _change(new, operation)
        except Failure as failure:
            return Response(struct.pack(">BH", at, failure.status), status=Status.MULTI_PATH_FAILURE)
    return documents.store(collection, key, new)


def _mutation_extras(extras: bytes) -> tuple[int, int]:
    """Expiry and document flags: each may be left out; user flags are told by 8 or more bytes."""
    expiry = struct.unpack_from(">I", extras)[0] if len(extras) >= 4 else 0
    return expiry, extras[-1] if len(extras) % 4 == 1 else 0


def _operations(body: bytes, with_value: bool) -> list[Operation]:
    operations: list[Operation] = []
    at = 0
    while at < len(body):
        opcode, flags, path_length = struct.unpack_from(">BBH", body, at)
        at += 4
        value_length = 0
        if with_value:
            (value_length,) = struct.unpack_from(">I", body, at)
            at += 4
        path = body[at : at + path_length].decode()
        at += path_length
        operations.append(Operation(opcode, flags, path, body[at : at + value_length]))
        at += value_length
    if not 0 < len(operations) <= MAX_PATHS:
        raise Failure(Status.INVALID_COMBO)
    return operations


def _look_up(document: Document, operation: Operation) -> bytes:
    if operation.opcode == GET_DOC:
        return document.value
    body, path = document.value, parse_path(operation.path)
    if not path:
        raise Failure(Status.PATH_INVALID)
    if operation.flags & XATTR:
        body, path = _attribute(document, path), path[1:]
    elif body.lstrip()[:1] not in (b"{", b"["):
        raise Failure(Status.NOT_JSON if not document.datatype else Status.PATH_MISMATCH)
    for component in path:
        body = _member(body, component)
    if operation.opcode == GET:
        return body
    if operation.opcode == EXISTS:
        return b""
    if operation.opcode == GET_COUNT:
        return str(len(_cut(body))).encode()
    raise Failure(Status.NOT_SUPPORTED)


def _attribute(document: Document, path: list[str | int]) -> bytes:
    """An extended attribute, ``$document`` being the virtual one that tells about the document."""
    name = str(path[0])
    if name == "$document":
        return orjson.dumps(
            {
                "CAS": f"{document.cas:#018x}",
                "exptime": document.expiry,
                "flags": document.flags,
                "value_bytes": len(document.value),
                "seqno": f"{document.seqno:#018x}",
                "datatype": ["json"] if document.datatype else ["raw"],
                "deleted": False,
            }
        )
    if name.startswith("$"):
        raise Failure(Status.UNKNOWN_VIRTUAL_ATTRIBUTE)
    if name not in document.xattrs:
        raise Failure(Status.PATH_NOT_FOUND)
    return document.xattrs[name]


def _change(document: Document, operation: Operation) -> None:
    if operation.opcode == SET_DOC:
        document.value = operation.value
        return
    if operation.opcode != REMOVE and not _valid(operation.value):
        raise Failure(Status.VALUE_CANNOT_INSERT)
    path = parse_path(operation.path)
    if not path:
        raise Failure(Status.PATH_INVALID)
    if operation.flags & XATTR:
        name = str(path[0])
        whole = {name: msgspec.Raw(document.xattrs[name])} if name in document.xattrs else {}
        changed = _changed(msgspec.json.encode(whole), path, operation)
        document.xattrs = document.xattrs | {key: bytes(raw) for key, raw in _cut(changed).items()}
        return
    if not _valid(document.value):
        raise Failure(Status.NOT_JSON)
    document.value = _changed(document.value, path, operation)


def _changed(body: bytes, path: list[str | int], operation: Operation) -> bytes:
    """``body`` with the operation applied at ``path``."""
    members = _cut(body)
    name, rest = path[0], path[1:]
    if not isinstance(name, str) or not isinstance(members, dict):
        raise Failure(Status.PATH_MISMATCH)
    if rest:
        if name not in members and not operation.flags & CREATE_PARENTS:
            raise Failure(Status.PATH_NOT_FOUND)
        inner = bytes(members.get(name, b"{}"))
        members[name] = msgspec.Raw(_changed(inner, rest, operation))
    elif operation.opcode == DICT_ADD and name in members:
        raise Failure(Status.PATH_EXISTS)
    elif operation.opcode in (REPLACE, REMOVE) and name not in members:
        raise Failure(Status.PATH_NOT_FOUND)
    elif operation.opcode == REMOVE:
        del members[name]
    elif operation.opcode in (DICT_ADD, DICT_UPSERT, REPLACE):
        members[name] = msgspec.Raw(operation.value)
    else:
        raise Failure(Status.NOT_SUPPORTED)
    return msgspec.json.encode(members)


def parse_path(path: str) -> list[str | int]:
    """``a.`b.c`[0]`` as ["a", "b.c", 0]; a backtick inside backticks is doubled."""
    components: list[str | int] = []
    at = 0
    while at < len(path):
        match = _COMPONENT.match(path, at)
        if match is None:
            raise Failure(Status.PATH_INVALID)
        quoted, plain, index = match.groups()
        if index is not None:
            components.append(int(index))
        else:
            components.append(quoted.replace("``", "`") if quoted is not None else plain)
        at = match.end()
    return components


def _member(body: bytes, component: str | int) -> bytes:
    members = _cut(body)
    if isinstance(component, str) is not isinstance(members, dict):
        raise Failure(Status.PATH_MISMATCH)
    try:
        return bytes(members[component])
    except (KeyError, IndexError):
        raise Failure(Status.PATH_NOT_FOUND) from None


def _cut(body: bytes) -> dict | list:
    """An object's or array's members, each as its own text."""
    first = body.lstrip()[:1]
    if first == b"{":
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if first == b"[":
        return msgspec.json.decode(body, type=list[msgspec.Raw])
    raise Failure(Status.PATH_MISMATCH)


def _valid(value: bytes) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True
