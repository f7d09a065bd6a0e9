"""Redis's glob over keys, for SCAN MATCH: bytes taken literally, as its stringmatchlen does.

Input: hostile bytes. A glob becomes a regular expression whose stars are atomic groups: each takes the first place
where the piece after it fits and never comes back, which is right for globs and keeps the work within glob x key
steps. A glob of more places than the longest key has matches nothing and is not compiled.
"""

import re
from collections.abc import Callable

from sidecar.origins.member_names import MAX_KEY_BYTES

_STAR, _ANY, _OPEN, _CLOSE, _NOT, _RANGE, _ESCAPE = b"*?[]^-\\"


def key_matcher(glob: bytes) -> Callable[[bytes], object]:
    """A function that is true of the keys that ``glob`` matches."""
    pieces: list[list[bytes]] = [[]]  # what stands between the stars: one expression for each byte to match
    at = 0
    while at < len(glob):
        if glob[at] == _STAR:
            pieces.append([])
            at += 1
        else:
            place, at = _place(glob, at)
            pieces[-1].append(place)
    if sum(map(len, pieces)) > MAX_KEY_BYTES:
        return lambda key: None
    first, *rest = (b"".join(piece) for piece in pieces)
    middle = b"".join(b"(?>.*?%b)" % piece for piece in rest[:-1] if piece)
    last = b".*" + rest[-1] if rest else b""
    return re.compile(first + middle + last, re.DOTALL).fullmatch


def literal_prefix(glob: bytes) -> bytes:
    """The bytes that every matching key begins with: a scan need not look elsewhere."""
    prefix = bytearray()
    at = 0
    while at < len(glob) and glob[at] not in (_STAR, _ANY, _OPEN):
        if glob[at] == _ESCAPE and at + 1 < len(glob):
            at += 1
        prefix.append(glob[at])
        at += 1
    return bytes(prefix)


def _place(glob: bytes, at: int) -> tuple[bytes, int]:
    """The expression for the one byte that stands at ``at``, and where the next begins."""
    if glob[at] == _ANY:
        return b".", at + 1
    if glob[at] == _OPEN:
        return _class(glob, at + 1)
    if glob[at] == _ESCAPE and at + 1 < len(glob):
        at += 1
    return re.escape(glob[at : at + 1]), at + 1


def _class(glob: bytes, at: int) -> tuple[bytes, int]:
    """The expression for a ``[...]`` whose inside begins at ``at``; one that is not closed ends with the glob."""
    negated = glob[at : at + 1] == b"^"
    at += negated
    members: set[int] = set()
    while at < len(glob) and glob[at] != _CLOSE:
        if glob[at] == _ESCAPE and at + 1 < len(glob):
            members.add(glob[at + 1])
            at += 2
        elif at + 2 < len(glob) and glob[at + 1] == _RANGE:
            low, high = sorted((glob[at], glob[at + 2]))
            members.update(range(low, high + 1))
            at += 3
        else:
            members.add(glob[at])
            at += 1
    chosen = set(range(256)) - members if negated else members
    if not chosen:
        return b"(?!)", at + 1  # nothing is in the class
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(chosen)) + b"]", at + 1
