"""SCAN MATCH over keys: which keys a glob chooses, and how little of the key space that needs to be looked at."""

from collections.abc import Callable
from functools import partial

from protocol._glob import glob_match


def key_matcher(glob: bytes | None) -> Callable[[bytes], bool]:
    """Whether a key is chosen; None chooses all, and so does ``*``, the empty key included, as Redis's SCAN does."""
    if glob is None or glob == b"*":
        return _any_key
    return partial(glob_match, glob)


def literal_prefix(glob: bytes | None) -> bytes:
    """The bytes that every chosen key begins with: a scan need not look elsewhere."""
    prefix = bytearray()
    at = 0
    while glob is not None and at < len(glob) and glob[at] not in b"*?[":
        if glob[at] == 0x5C and at + 1 < len(glob):  # a backslash; at the end it stands for itself
            at += 1
        prefix.append(glob[at])
        at += 1
    return bytes(prefix)


def _any_key(key: bytes) -> bool:
    return True
