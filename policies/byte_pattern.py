"""Languages of byte strings, made of sets of bytes in sequence, and whether two of them share a string.

Key patterns, feature globs and document templates are all such sequences; a policy with two rules that one key can
match alike, or two views that can name one document, is found by walking both at once (the product automaton).
"""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

ANY_BYTE = (1 << 256) - 1
NOT_COLON = ANY_BYTE & ~(1 << ord(":"))
_PREFERRED = b"xyzabcdefghijklmnopqrstuvw0123456789_-."  # bytes that make an example easy to read


class Step(NamedTuple):
    """One byte out of a set (``allowed`` has bit b set for byte b); ``many``: zero or more of them."""

    allowed: int
    many: bool = False


def literal(text: bytes) -> list[Step]:
    """Steps that match exactly ``text``."""
    return [Step(1 << byte) for byte in text]


def one_or_more(allowed: int) -> list[Step]:
    """Steps that match one or more bytes of a set."""
    return [Step(allowed), Step(allowed, many=True)]


def common_example(left: Sequence[Step], right: Sequence[Step]) -> bytes | None:
    """A short string that both languages contain, or None when they share none. O(len(left) * len(right))."""
    if _edges_differ(left, right):
        return None
    goal = (len(left), len(right))
    came_from: dict[tuple[int, int], tuple[tuple[int, int], int | None]] = {(0, 0): ((0, 0), None)}
    waiting = deque([(0, 0)])
    while waiting:
        state = waiting.popleft()
        if state == goal:
            return _spell(came_from, goal)
        i, j = state
        for skipped in _skips(left, right, i, j):
            if skipped not in came_from:
                came_from[skipped] = (state, None)
                waiting.appendleft(skipped)
        if i < len(left) and j < len(right):
            shared = left[i].allowed & right[j].allowed
            reached = (i + (not left[i].many), j + (not right[j].many))
            if shared and reached not in came_from:
                came_from[reached] = (state, _readable(shared))
                waiting.append(reached)
    return None


def overlaps(languages: Sequence[Sequence[Step]]) -> Iterator[tuple[int, int, bytes]]:
    """Pairs (by index, lower first) of languages that share a string, and such a string.

    Only pairs of which one begins as the other does are compared: with distinct prefixes the time is that of a sort.
    """
    by_prefix = sorted((_prefix(steps), index) for index, steps in enumerate(languages))
    for place, (prefix, index) in enumerate(by_prefix):
        for longer, other in by_prefix[place + 1 :]:
            if not longer.startswith(prefix):
                break
            example = common_example(languages[index], languages[other])
            if example is not None:
                yield min(index, other), max(index, other), example


def _prefix(steps: Sequence[Step]) -> bytes:
    """The bytes that every string of a language begins with, as far as they are plain."""
    fixed = itertools.takewhile(lambda step: not step.many and step.allowed.bit_count() == 1, steps)
    return bytes(step.allowed.bit_length() - 1 for step in fixed)


def _edges_differ(left: Sequence[Step], right: Sequence[Step]) -> bool:
    """The quick way to "nothing in common": single bytes at the same place from either end that exclude each other."""
    for one, other in ((left, right), (left[::-1], right[::-1])):
        for a, b in zip(one, other, strict=False):
            if a.many or b.many:
                break
            if not a.allowed & b.allowed:
                return True
    return False


def _skips(left: Sequence[Step], right: Sequence[Step], i: int, j: int) -> list[tuple[int, int]]:
    """States reached without a byte: past a step that may match none."""
    skips = []
    if i < len(left) and left[i].many:
        skips.append((i + 1, j))
    if j < len(right) and right[j].many:
        skips.append((i, j + 1))
    return skips


def _spell(came_from: dict[tuple[int, int], tuple[tuple[int, int], int | None]], state: tuple[int, int]) -> bytes:
    """The bytes on the way to a state, read backwards."""
    spelled = bytearray()
    while state != (0, 0):
        state, byte = came_from[state]
        if byte is not None:
            spelled.append(byte)
    return bytes(reversed(spelled))


def _readable(allowed: int) -> int:
    """A byte of a set, a letter where there is one."""
    for byte in _PREFERRED:
        if allowed >> byte & 1:
            return byte
    return (allowed & -allowed).bit_length() - 1
