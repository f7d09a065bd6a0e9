"""Feature names and globs of a view: ``tier``, ``ctr_*``, ``ctr_?d``. ``*`` is any bytes, ``?`` one byte."""

import re
from collections.abc import Iterable
from functools import cached_property

from policies.byte_pattern import ANY_BYTE, Step, literal


class FeaturePattern:
    """A feature's name, or a glob over names."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.raw = text.encode()
        self.is_glob = "*" in text or "?" in text

    @cached_property
    def literal_bytes(self) -> int:
        """How specific it is: the bytes that are not wildcards."""
        return sum(byte not in b"*?" for byte in self.raw)

    def steps(self) -> list[Step]:
        """The language, for comparing it with others."""
        steps: list[Step] = []
        for byte in self.raw:
            if byte == ord("*"):
                steps.append(Step(ANY_BYTE, many=True))
            elif byte == ord("?"):
                steps.append(Step(ANY_BYTE))
            else:
                steps += literal(bytes([byte]))
        return steps

    @cached_property
    def expression(self) -> re.Pattern[bytes]:
        """A regular expression that goes back over no more than one ``*``: each piece is taken where it first fits."""
        first, *others = (re.escape(piece).replace(rb"\?", b".") for piece in self.raw.split(b"*"))
        if not others:
            return re.compile(first, re.DOTALL)
        middle = b"".join(b"(?>.*?%s)" % piece for piece in others[:-1])
        return re.compile(first + middle + b".*" + others[-1], re.DOTALL)


class FeatureMatcher:
    """Finds the rule of a field: that of an exact name first, then of the glob with most literal bytes.

    Args:
        rules: rule numbers by pattern, with no two globs alike in literal bytes that one name can match (the policy
            check sees to it).
    """

    def __init__(self, rules: Iterable[tuple[FeaturePattern, int]]) -> None:
        listed = list(rules)
        self._exact = {pattern.raw: number for pattern, number in listed if not pattern.is_glob}
        globs = [(pattern, number) for pattern, number in listed if pattern.is_glob]
        globs.sort(key=lambda rule: -rule[0].literal_bytes)
        self._globs = [(glob.expression.fullmatch, number) for glob, number in globs]

    def match(self, field: bytes) -> int | None:
        """The rule of a field, None where no pattern matches."""
        exact = self._exact.get(field)
        if exact is not None:
            return exact
        for matches, number in self._globs:
            if matches(field):
                return number
        return None
