"""How one field's value is written as JSON and read back: numbers keep their text, bytes keep their bytes."""

import binascii
import json
import re

import msgspec

_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMERIC_DTYPES = frozenset({"int32", "int64", "float32", "float64"})
_FIRST_OF_NUMBER = b"-0123456789"
_SPACE = re.compile(rb"[ \t\r\n]")
_STRING_OR_SPACE = re.compile(rb'("(?:[^"\\]|\\.)*+")|[ \t\r\n]++', re.DOTALL)
_BINARY_PREFIX = b'{"$binary":"'

_encode_text = msgspec.json.Encoder().encode
_decode_text = msgspec.json.Decoder(str).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def encode_value(value: bytes, dtype: str | None = None, before: bytes | None = None) -> bytes:
    """The JSON that stands for ``value``.

    A number, with its exact text, only where the text is a JSON number and either the policy's dtype is numeric or, if
    there is none, the member was a number ``before``; otherwise a JSON string, and ``{"$binary":"<base64>"}`` for what
    is not UTF-8.
    """
    was_number = before is not None and before[:1] in _FIRST_OF_NUMBER
    if (dtype in _NUMERIC_DTYPES or (was_number and dtype is None)) and _NUMBER.fullmatch(value):
        return value
    try:
        return _encode_text(value.decode())
    except UnicodeDecodeError:
        return b'%b%b"}' % (_BINARY_PREFIX, binascii.b2a_base64(value, newline=False))


def decode_value(raw: bytes) -> bytes | None:
    """The bytes a client sees for one JSON value, ``raw`` being valid JSON; None: null, no such field."""
    first = raw[:1]
    if first == b'"':
        return raw[1:-1] if b"\\" not in raw else _without_escapes(raw)
    if first == b"{":
        binary = _binary_of(raw)
        return _without_space(raw) if binary is None else binary
    if first == b"[":
        return _without_space(raw)
    return None if raw == b"null" else raw


def _binary_of(raw: bytes) -> bytes | None:
    """The bytes of a ``$binary`` object; None: it is any other object."""
    if b'"$binary"' not in raw:
        return None
    if raw.startswith(_BINARY_PREFIX) and raw.endswith(b'"}'):
        text = raw[len(_BINARY_PREFIX) : -2]
    else:
        try:
            members = _decode_object(raw)
        except UnicodeDecodeError:  # a name that is no text; the name we look for is
            return None
        if members.keys() != {"$binary"} or not bytes(members["$binary"]).startswith(b'"'):
            return None
        text = _without_escapes(bytes(members["$binary"]))
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None


def _without_escapes(raw: bytes) -> bytes:
    """The text of a JSON string; bytes that are no UTF-8, which another writer let in, stay as they are."""
    try:
        return _decode_text(raw).encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        text: str = json.loads(raw.decode(errors="surrogateescape"))
        return text.encode(errors="surrogateescape")


def _without_space(raw: bytes) -> bytes:
    """``raw`` without the whitespace between its tokens; strings inside keep theirs."""
    return _STRING_OR_SPACE.sub(rb"\1", raw) if _SPACE.search(raw) else raw
