"""Redis's glob, compared with KEYS of redis-server 7.4.1."""

import time

import pytest

from protocol import glob_match


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (b"*", [b"a", b"abc", b"\n\xff"], [b""]),
        (b"", [b""], [b"a"]),
        (b"user:*", [b"user:", b"user:1:x"], [b"use", b"User:1"]),
        (b"a*b*c", [b"abc", b"axxbbyc", b"abbc"], [b"ab", b"abcd", b"acb"]),
        (b"h?llo", [b"hello", b"h\xffllo"], [b"hllo", b"heello"]),
        (b"h[ae]llo", [b"hello", b"hallo"], [b"hillo", b"h[llo"]),
        (b"h[^e]llo", [b"hallo"], [b"hello", b"hllo"]),
        (b"[a-c]", [b"a", b"c"], [b"d", b"-"]),
        (b"[c-a]", [b"b"], [b"d"]),
        (b"[a-]", [b"a", b"]", b"_"], [b"b", b"-"]),
        (b"[\\]x]", [b"]", b"x"], [b"\\"]),
        (b"[ab", [b"a", b"b"], [b"[", b"c"]),
        (b"[]", [], [b"]", b"a"]),
        (b"[^]", [b"a", b"]"], [b"ab"]),
        (b"\\*", [b"*"], [b"a", b"\\*"]),
        (b"a\\", [b"a\\"], [b"a"]),
        (b"[\x7f-\x80]", [b"a", b"\xff"], []),
        (b"[\x80-\x90]", [b"\x80", b"\x85"], [b"\x91", b"a"]),
        (b"[\xff-a]", [b"A", b"\xff", b"\0"], [b"\xfe", b"b"]),
        (b"a**", [b"a", b"ab"], [b"b"]),
    ],
)
def test_patterns(pattern, matching, others):
    """Stars, classes, escapes and Redis's odd corners: signed ranges, open classes, empty text."""
    assert [text for text in matching if not glob_match(pattern, text)] == []
    assert [text for text in others if glob_match(pattern, text)] == []


def test_many_stars_cost_no_more_than_pattern_times_text():
    """A pattern that takes other matchers exponential time is answered at once."""
    before = time.process_time()
    assert not glob_match(b"a*" * 60 + b"b", b"a" * 2000)
    assert time.process_time() - before < 0.5
