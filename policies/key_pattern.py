"""Key patterns such as ``user:{user_id}:sessions``: which keys they match, what they capture, and back.

``{name}`` stands for one or more bytes except ``:``; ``{name*}``, only at the end, for one or more bytes of any kind.
``{{`` and ``}}`` are braces. Between two placeholders stands at least one other byte.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from policies.byte_pattern import ANY_BYTE, NOT_COLON, Step, literal, one_or_more

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\*?)", re.ASCII)


class PatternError(ValueError):
    """A pattern that cannot be read: ``found`` and ``expected`` say why."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.found = found
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A named gap; ``rest``: it may hold ``:`` too."""

    name: str
    rest: bool = False


Part = bytes | Placeholder


@dataclass(frozen=True)
class KeyPattern:
    """A parsed pattern. Equal when they match and capture alike."""

    parts: tuple[Part, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Placeholders in order."""
        return tuple(part.name for part in self.parts if isinstance(part, Placeholder))

    @property
    def literal_bytes(self) -> int:
        """How specific it is: the bytes that are not placeholders."""
        return sum(len(part) for part in self.parts if isinstance(part, bytes))

    @property
    def prefix(self) -> bytes:
        """The literal bytes that every match begins with."""
        return self.parts[0] if isinstance(self.parts[0], bytes) else b""

    def steps(self) -> list[Step]:
        """The language, for comparing it with others."""
        steps: list[Step] = []
        for part in self.parts:
            if isinstance(part, bytes):
                steps += literal(part)
            else:
                steps += one_or_more(ANY_BYTE if part.rest else NOT_COLON)
        return steps

    @cached_property
    def expression(self) -> re.Pattern[bytes]:
        """A regular expression of time linear in the key: a placeholder ends where its next literal first occurs.

        Groups are atomic. Nothing is lost by never looking further: what lies between the first and a later
        occurrence holds no ``:``, so the next placeholder takes it. A rest (in document templates it may stand
        before others) reaches as far as it can: ``:`` parts it from what follows, which holds none.
        """
        source = b""
        parts = list(self.parts)
        while parts:
            part = parts.pop(0)
            if isinstance(part, bytes):
                source += re.escape(part)
                continue
            group = b"(?P<%s>%s" % (part.name.encode(), b".+" if part.rest else b"[^:]+")
            if part.rest:
                source += group + b")"
            elif any(isinstance(later, Placeholder) for later in parts):
                following = parts.pop(0)
                assert isinstance(following, bytes)
                source += b"(?>%s?)%s)" % (group, re.escape(following))
            else:
                source += group + b")"
        return re.compile(source, re.DOTALL)

    def capture(self, key: bytes) -> dict[str, bytes] | None:
        """What each placeholder stands for in a key, or None where it does not match."""
        found = self.expression.fullmatch(key)
        return found.groupdict() if found else None

    def fill(self, captures: Mapping[str, bytes]) -> bytes:
        """The key that these captures came from."""
        return b"".join(part if isinstance(part, bytes) else captures[part.name] for part in self.parts)

    def __str__(self) -> str:
        return "".join(
            part.decode("utf-8", "backslashreplace").replace("{", "{{").replace("}", "}}")
            if isinstance(part, bytes)
            else f"{{{part.name}{'*' * part.rest}}}"
            for part in self.parts
        )


def parse_key_pattern(text: str) -> KeyPattern:
    """Read a key pattern.

    Raises:
        PatternError: stray braces, a bad, repeated or adjacent placeholder, ``*`` outside one, or nothing at all.
    """
    parts = parse_parts(text)
    for index, part in enumerate(parts):
        if isinstance(part, bytes) and b"*" in part:
            raise PatternError(f"{text!r} with a * outside braces", "{name*} for the rest of a key, quoted")
        if isinstance(part, Placeholder) and part.rest and index != len(parts) - 1:
            raise PatternError(f"{{{part.name}*}} before the end of {text!r}", "{name*} only at the end")
    return KeyPattern(parts)


def parse_parts(text: str) -> tuple[Part, ...]:
    """Literals and placeholders in order, as key patterns and document templates share them.

    Raises:
        PatternError: stray braces, a bad, repeated or adjacent placeholder, or nothing at all.
    """
    parts: list[Part] = []
    seen: set[str] = set()
    for token in _PART.finditer(text):
        part = _read_part(token, text)
        if isinstance(part, bytes) and parts and isinstance(parts[-1], bytes):
            parts[-1] += part
            continue
        if isinstance(part, Placeholder):
            if part.name in seen:
                raise PatternError(f"{{{part.name}}} twice in {text!r}", "each placeholder once")
            if parts and isinstance(parts[-1], Placeholder):
                raise PatternError(f"two placeholders side by side in {text!r}", "a literal such as : between them")
            seen.add(part.name)
        parts.append(part)
    if not parts:
        raise PatternError("an empty pattern", 'a pattern such as "user:{user_id}"')
    return tuple(parts)


def _read_part(token: re.Match[str], text: str) -> Part:
    """One token of a pattern."""
    if token[0] in ("{{", "}}"):
        return token[0][0].encode()
    if token[0] in ("{", "}"):
        raise PatternError(f"a single {token[0]} in {text!r}", "{name} for a placeholder, {{ or }} for a brace")
    if token[1] is None:
        return token[0].encode()
    name = _NAME.fullmatch(token[1])
    if name is None:
        raise PatternError(f"{token[0]} in {text!r}", "a placeholder such as {user_id} or {rest*}")
    return Placeholder(name[1], bool(name[2]))
