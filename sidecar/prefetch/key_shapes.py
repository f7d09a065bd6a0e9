"""What a key looks like: its feature view's template, or one that is inferred from the key itself.

Learning speaks of templates, never of keys: there are few of them, and what holds for one entity holds for all.
"""

import re
from typing import NamedTuple

from policies import CompiledPolicy
from policies.key_pattern import KeyPattern, Part, Placeholder
from policies.key_template import FeastTemplate, KeyTemplate, PatternTemplate
from policies.plan_compiler import Templates

MOST_INFERRED = 256  # shapes; keys of others are not learned of
LONGEST_KEY = 256  # bytes; longer keys are nobody's entity
_SEPARATORS = re.compile(rb"([:/|#]+)")
_PLAIN = re.compile(rb"[A-Za-z_.@-]{1,24}")  # of a template; anything else in a key is an id


class Shape(NamedTuple):
    """One template. ``number``: what it is compared and counted by; ``view``: of a Feast hash, one of its views."""

    number: int
    template: KeyTemplate
    view: str | None = None

    def __str__(self) -> str:
        return str(self.template) if self.view is None else f"{{view: {self.view}}}"


class KeyShapes:
    """Finds the shapes of keys under one policy."""

    def __init__(self, policy: CompiledPolicy) -> None:
        templates = Templates(policy.policy.views)
        self._inferred: dict[tuple[Part, ...], Shape] = {}
        self._by_prefix: dict[bytes, list[Shape]] = {}
        self._numbers = 0
        seen: set[int] = set()
        members = [(templates.of_view(view), view) for view in policy.policy.views]
        for member, view in sorted(members, key=lambda one: -one[0].literal_bytes):
            if id(member) not in seen:
                seen.add(id(member))
                named = view.name if isinstance(member.template, FeastTemplate) else None
                shape = Shape(self._next(), member.template, named)
                self._by_prefix.setdefault(member.template.prefix, []).append(shape)
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)

    def find(self, key: bytes) -> tuple[Shape, dict[str, bytes]] | None:
        """The shape of a key and the ids in it; None: it has none worth knowing."""
        for length in self._lengths:
            for shape in self._by_prefix.get(key[:length], ()):
                ids = shape.template.capture(key)
                if ids is not None:
                    return shape, ids
        return self._infer(key) if len(key) <= LONGEST_KEY else None

    def _infer(self, key: bytes) -> tuple[Shape, dict[str, bytes]] | None:
        """Words between separators are the template, what has digits or other bytes in it is an id."""
        parts: list[Part] = []
        ids: dict[str, bytes] = {}
        for number, text in enumerate(_SEPARATORS.split(key)):
            if number % 2 or _PLAIN.fullmatch(text) or not text:
                if parts and isinstance(parts[-1], bytes):
                    parts[-1] += text
                elif text:
                    parts.append(text)
            else:
                name = f"id{len(ids) + 1}"
                ids[name] = text
                parts.append(Placeholder(name))
        if not ids:
            return None
        shape = self._inferred.get(tuple(parts))
        if shape is None:
            if len(self._inferred) >= MOST_INFERRED:
                return None
            shape = self._inferred[tuple(parts)] = Shape(self._next(), PatternTemplate(KeyPattern(tuple(parts))))
        return shape, ids

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers
