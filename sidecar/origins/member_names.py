"""How a field name, or a key, is written as text: UTF-8 as is, anything else as ``~`` + base64url.

A name starting with ``~`` is escaped too, so that decoding is exact. Member names that start with ``~`` and are no
escape of a name (``~expire`` is one: its last letter leaves bits over) are reserved and hidden from every command.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache

MAX_KEY_BYTES = 246  # Couchbase: 250 bytes, less 4 that may hold a collection's number
_SURELY_SHORT_BYTES = (MAX_KEY_BYTES - 1) // 4 * 3  # base64 of so many bytes and the ~ still fit
_REMEMBERED_CHARS = 64  # longer names are decoded each time, so that the memo is bounded in bytes too


def encode_name(name: bytes) -> str:
    """The text that stands for ``name`` in a document, or for a key as document id."""
    if not name.startswith(b"~"):
        try:
            return name.decode()
        except UnicodeDecodeError:
            pass
    return "~" + urlsafe_b64encode(name).rstrip(b"=").decode()


def decode_name(text: str) -> bytes | None:
    """The name that ``text`` stands for; None: reserved, no name at all."""
    if not text.startswith("~"):
        return text.encode()
    return _unescape_memo(text) if len(text) <= _REMEMBERED_CHARS else _unescape(text)


def is_key_too_long(key: bytes) -> bool:
    """Whether ``key`` takes more than MAX_KEY_BYTES when encoded."""
    return len(key) > _SURELY_SHORT_BYTES and len(encode_name(key).encode()) > MAX_KEY_BYTES


def _unescape(text: str) -> bytes | None:
    try:
        name = urlsafe_b64decode(text[1:] + "=" * (-(len(text) - 1) % 4))
    except (binascii.Error, ValueError):
        return None
    return name if encode_name(name) == text else None  # only the one canonical spelling counts


_unescape_memo = lru_cache(maxsize=16384)(_unescape)  # Feast's hashed field names come again in every document
