"""The glob against a slow matcher written from Redis's recursion, and numbers against int()."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol import glob_match, parse_integer

BYTES = b"ab]^-\\c\x7f\x80\xff*?["


def slow_match(pattern: bytes, text: bytes) -> bool:
    """Element by element; a star tries every rest."""
    if not text:
        return not pattern
    if not pattern:
        return False
    if pattern[:1] == b"*":
        rest = pattern.lstrip(b"*")
        return not rest or any(_rest_matches(rest, text[at:]) for at in range(len(text)))
    return _rest_matches(pattern, text)


def _rest_matches(pattern: bytes, text: bytes) -> bool:
    matches, rest = _one(pattern, text[0])
    if not matches:
        return False
    if len(text) == 1:
        return not rest.lstrip(b"*")
    return slow_match(rest, text[1:])


def _one(pattern: bytes, byte: int) -> tuple[bool, bytes]:
    """Whether the first element, which is no star, matches; and the pattern behind it."""
    if pattern[:1] == b"?":
        return True, pattern[1:]
    if pattern[:1] == b"\\" and len(pattern) > 1:
        return pattern[1] == byte, pattern[2:]
    if pattern[:1] != b"[":
        return pattern[0] == byte, pattern[1:]
    inside = pattern[1:]
    negated = inside[:1] == b"^"
    inside = inside[negated:]
    members: set[int] = set()
    while inside and inside[:1] != b"]":
        if inside[:1] == b"\\" and len(inside) > 1:
            members.add(inside[1])
            inside = inside[2:]
        elif inside[1:2] == b"-" and len(inside) > 2:
            ends = sorted(_signed(end) for end in (inside[0], inside[2]))
            members |= {value % 256 for value in range(ends[0], ends[1] + 1)}
            inside = inside[3:]
        else:
            members.add(inside[0])
            inside = inside[1:]
    return (byte in members) is not negated, inside[1:]


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def texts(most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(BYTES), max_size=most).map(bytes)


@settings(max_examples=2000, deadline=None)
@given(pattern=texts(8), text=texts(6))
@example(pattern=b"*a*b", text=b"aabab")
def test_glob_equals_the_slow_matcher(pattern, text):
    """Taking up the last star again finds what trying every star would."""
    assert glob_match(pattern, text) is slow_match(pattern, text)


@settings(max_examples=1000, deadline=None)
@given(
    text=st.integers(-(2**70), 2**70).map(lambda value: b"%d" % value)
    | st.text("0123456789-+ _.", max_size=22).map(str.encode)
)
def test_integers_are_what_redis_would_print(text):
    """Exactly the canonical decimal form of 64-bit integers is taken."""
    canonical = re.fullmatch(rb"0|-?[1-9][0-9]*", text) and -(2**63) <= int(text) < 2**63
    try:
        value = parse_integer(text)
    except ValueError:
        assert not canonical
    else:
        assert canonical and value == int(text)
