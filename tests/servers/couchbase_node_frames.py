"""Frames of the memcached binary protocol as Couchbase speaks it: 24 bytes of header, then the body.

Source of the layout and numbers: kv_engine's BinaryProtocol.md and couchbase-cxx-client's core/protocol.
A request of magic 0x08 carries *framing extras* (durability, preserve expiry) before its extras; its key length
is one byte then. Collections prefix the key with the collection's number as unsigned LEB128.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

HEADER = struct.Struct(">BBHBBHIIQ")  # magic, opcode, key length, extras length, datatype, vbucket, body, opaque, cas
REQUEST = 0x80
ALTERNATIVE_REQUEST = 0x08
RESPONSE = 0x81
JSON = 0x01  # datatype bit: the body is JSON


class Opcode(IntEnum):
    """The requests this node answers."""

    GET = 0x00
    UPSERT = 0x01
    INSERT = 0x02
    REPLACE = 0x03
    REMOVE = 0x04
    NOOP = 0x0A
    TOUCH = 0x1C
    GET_AND_TOUCH = 0x1D
    HELLO = 0x1F
    SASL_LIST_MECHS = 0x20
    SASL_AUTH = 0x21
    SASL_STEP = 0x22
    SELECT_BUCKET = 0x89
    GET_CLUSTER_CONFIG = 0xB5
    GET_COLLECTIONS_MANIFEST = 0xBA
    GET_COLLECTION_ID = 0xBB
    LOOKUP_IN = 0xD0
    MUTATE_IN = 0xD1
    GET_ERROR_MAP = 0xFE


class Status(IntEnum):
    """How a request ended."""

    SUCCESS = 0x00
    NOT_FOUND = 0x01
    EXISTS = 0x02
    TOO_BIG = 0x03
    INVALID = 0x04
    NO_BUCKET = 0x08
    AUTH_ERROR = 0x20
    AUTH_CONTINUE = 0x21
    NO_ACCESS = 0x24
    UNKNOWN_COMMAND = 0x81
    NOT_SUPPORTED = 0x83
    UNKNOWN_COLLECTION = 0x88
    UNKNOWN_SCOPE = 0x8C
    PATH_NOT_FOUND = 0xC0
    PATH_MISMATCH = 0xC1
    PATH_INVALID = 0xC2
    VALUE_CANNOT_INSERT = 0xC5
    NOT_JSON = 0xC6
    PATH_EXISTS = 0xC9
    INVALID_COMBO = 0xCB
    MULTI_PATH_FAILURE = 0xCC
    UNKNOWN_VIRTUAL_ATTRIBUTE = 0xD1


class FrameInfo(IntEnum):
    """Kinds of framing extras of a request."""

    DURABILITY = 1
    PRESERVE_EXPIRY = 5


class Failure(Exception):
    """A request that is answered with a status other than success."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


class Request(NamedTuple):
    """One parsed request."""

    opcode: int
    opaque: int
    cas: int
    framing: dict[int, bytes]
    extras: bytes
    key: bytes
    value: bytes


class Response(NamedTuple):
    """What a handler answers with; opcode and opaque are its request's."""

    value: bytes = b""
    extras: bytes = b""
    cas: int = 0
    status: Status = Status.SUCCESS
    datatype: int = 0

    def encode(self, request: Request) -> bytes:
        """The frame to send."""
        body = len(self.extras) + len(self.value)
        head = HEADER.pack(
            RESPONSE, request.opcode, 0, len(self.extras), self.datatype, self.status, body, request.opaque, self.cas
        )
        return head + self.extras + self.value


def take_request(buffer: bytearray) -> Request | None:
    """Remove the first request from the buffer; None while it is incomplete."""
    if len(buffer) < HEADER.size:
        return None
    magic, opcode, key_length, extras_length, _datatype, _vbucket, body_length, opaque, cas = HEADER.unpack_from(buffer)
    end = HEADER.size + body_length
    if len(buffer) < end:
        return None
    body = bytes(buffer[HEADER.size : end])
    del buffer[:end]
    framing_length = 0
    if magic == ALTERNATIVE_REQUEST:
        framing_length, key_length = key_length >> 8, key_length & 0xFF
    elif magic != REQUEST:
        raise ValueError(f"not a request: magic {magic:#x}")
    key_at = framing_length + extras_length
    return Request(
        opcode,
        opaque,
        cas,
        _framing(body[:framing_length]),
        body[framing_length:key_at],
        body[key_at : key_at + key_length],
        body[key_at + key_length :],
    )


def _framing(data: bytes) -> dict[int, bytes]:
    """Framing extras by kind. Each starts with a byte: kind in the high half, length in the low, 15 = more follows."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        kind, length = data[at] >> 4, data[at] & 0x0F
        at += 1
        if kind == 15:
            kind, at = kind + data[at], at + 1
        if length == 15:
            length, at = length + data[at], at + 1
        found[kind] = data[at : at + length]
        at += length
    return found


def split_collection(key: bytes) -> tuple[int, bytes]:
    """The collection's number (unsigned LEB128) and the document's own key."""
    number = shift = 0
    for at, byte in enumerate(key):
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, key[at + 1 :]
        shift += 7
    raise Failure(Status.INVALID)
