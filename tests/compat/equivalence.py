"""When two servers' replies to one command are alike: byte for byte, with the exceptions that F10 names."""

from typing import Any

import hiredis

TIME_MS = 50  # how far apart remaining times may be, beside the time that passed between asking the two servers
UNORDERED_PAIRS = {b"hgetall"}
UNORDERED = {b"hkeys", b"hvals"}
SECONDS = {b"ttl", b"httl", b"expiretime", b"hexpiretime"}
MILLISECONDS = {b"pttl", b"hpttl", b"pexpiretime", b"hpexpiretime"}


def parse(raw: bytes) -> Any:
    """A reply as Python values, by an independent reader."""
    reader = hiredis.Reader(notEnoughData=Ellipsis)
    reader.feed(raw)
    return reader.gets()


def alike(command: list[bytes], ours: bytes, theirs: bytes, apart_ms: float = 0) -> bool:
    """Whether two raw replies to one command mean the same; the servers were asked at most ``apart_ms`` apart."""
    if ours == theirs:
        return True
    if ours[:1] != theirs[:1]:
        return False
    return _alike(command, parse(ours), parse(theirs), apart_ms)


def exec_alike(queued: list[list[bytes]], ours: bytes, theirs: bytes, apart_ms: float = 0) -> bool:
    """Whether two raw replies to EXEC mean the same."""
    if ours == theirs:
        return True
    left, right = parse(ours), parse(theirs)
    if not (isinstance(left, list) and isinstance(right, list) and len(left) == len(right) == len(queued)):
        return False
    return all(_alike(command, mine, yours, apart_ms) for command, mine, yours in zip(queued, left, right, strict=True))


def _alike(command: list[bytes], ours: Any, theirs: Any, apart_ms: float) -> bool:
    name = command[0].lower()
    if isinstance(ours, Exception) and isinstance(theirs, Exception):
        return str(ours) == str(theirs)
    if type(ours) is not type(theirs):
        return False
    if name in UNORDERED_PAIRS and isinstance(ours, list):
        return _pairs(ours) == _pairs(theirs)
    if name in UNORDERED and isinstance(ours, list):
        return sorted(ours) == sorted(theirs)
    if name == b"hscan" and isinstance(ours, list):
        return ours[0] == theirs[0] and _page(command, ours[1]) == _page(command, theirs[1])
    if name in SECONDS:
        return _near(ours, theirs, 1 + apart_ms / 1000)
    if name in MILLISECONDS:
        return _near(ours, theirs, TIME_MS + apart_ms)
    return bool(ours == theirs)


def _pairs(flat: list[Any]) -> list[Any]:
    return sorted(zip(flat[::2], flat[1::2], strict=True))


def _page(command: list[bytes], elements: list[Any]) -> list[Any]:
    return sorted(elements) if b"novalues" in map(bytes.lower, command) else _pairs(elements)


def _near(ours: Any, theirs: Any, most: float) -> bool:
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(
            _near(mine, yours, most) for mine, yours in zip(ours, theirs, strict=True)
        )
    if not isinstance(ours, int) or not isinstance(theirs, int):
        return bool(ours == theirs)
    return ours == theirs if min(ours, theirs) < 0 else abs(ours - theirs) <= most
