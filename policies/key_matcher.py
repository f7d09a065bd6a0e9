"""Finds the rule of a key among all key patterns: that of the matching pattern with most literal bytes."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from policies.key_pattern import KeyPattern

_Candidate = tuple[int, int, Callable[[bytes], Any]]  # literal bytes, rule, matcher


class KeyMatcher:
    """Patterns grouped by the literal bytes they begin with, so that a key meets only those that can match.

    Args:
        rules: rule numbers by pattern, with no two alike in literal bytes that one key can match (the policy check
            sees to it).
    """

    def __init__(self, rules: Iterable[tuple[KeyPattern, int]]) -> None:
        by_prefix: defaultdict[bytes, list[_Candidate]] = defaultdict(list)
        for pattern, number in rules:
            by_prefix[pattern.prefix].append((pattern.literal_bytes, number, pattern.expression.fullmatch))
        for candidates in by_prefix.values():
            candidates.sort(key=lambda candidate: -candidate[0])
        self._by_prefix = dict(by_prefix)
        self._lengths = sorted({len(prefix) for prefix in by_prefix})

    def match(self, key: bytes) -> int | None:
        """The rule of a key, None where no pattern matches."""
        best, most = None, -1
        for length in self._lengths:
            if length > len(key):
                break
            for literal_bytes, number, matches in self._by_prefix.get(key[:length], ()):
                if literal_bytes <= most:
                    break
                if matches(key):
                    best, most = number, literal_bytes
        return best
