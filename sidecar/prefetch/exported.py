"""Learned rules as feature sets that a person can review and paste into the policy."""

from collections.abc import Iterable
from typing import NamedTuple

from policies.key_pattern import KeyPattern, Placeholder
from policies.key_template import PatternTemplate
from sidecar.prefetch.key_shapes import Shape
from sidecar.prefetch.learned_sets import LearnedRule

_Id = tuple[int, str]  # a placeholder: its shape's number and its name


class ExportedSet(NamedTuple):
    """One set. ``members``: as the policy file writes them."""

    name: str
    members: tuple[str, ...]

    def as_yaml(self) -> str:
        """An item of ``feature_sets``; single quotes, which patterns need least escaping in."""
        written = [
            member if member.startswith("{view: ") else "'" + member.replace("'", "''") + "'" for member in self.members
        ]
        return "\n".join([f"  - name: {self.name}", "    members:", *(f"      - {member}" for member in written)])


class _Unions:
    """Which placeholders are the same id (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[_Id, _Id] = {}

    def root(self, one: _Id) -> _Id:
        """What stands for all that are the same."""
        while (parent := self._parents.setdefault(one, one)) != one:
            one = parent
        return one

    def join(self, one: _Id, other: _Id) -> None:
        """They are the same."""
        self._parents[self.root(one)] = self.root(other)

    def group(self, one: _Id) -> list[_Id]:
        """All that are the same as ``one``."""
        root = self.root(one)
        return [each for each in list(self._parents) if self.root(each) == root]


def export(rules: Iterable[LearnedRule]) -> list[ExportedSet]:
    """A set for each group of templates that rules connect; placeholders of one id get one name."""
    shapes: dict[int, Shape] = {}
    together = _Unions()
    same = _Unions()
    for learned in rules:
        first, second = learned.candidate.antecedent, learned.candidate.consequent
        shapes[first.number], shapes[second.number] = first, second
        together.join((first.number, ""), (second.number, ""))
        for name, of in learned.link:
            same.join((second.number, name), (first.number, of))
    sets: dict[_Id, list[Shape]] = {}
    for number in sorted(shapes):
        sets.setdefault(together.root((number, "")), []).append(shapes[number])
    exported: list[ExportedSet] = []
    for members in sets.values():
        texts = _texts(members, same)
        if len(texts) > 1:
            exported.append(ExportedSet(f"learned_{len(exported) + 1}", texts))
    return exported


def as_yaml(sets: Iterable[ExportedSet]) -> str:
    """The block ``feature_sets``."""
    items = [one.as_yaml() for one in sets]
    return "\n".join(["feature_sets:", *items]) if items else "feature_sets: []"


def _texts(members: list[Shape], same: _Unions) -> tuple[str, ...]:
    """The members of a set, their placeholders named alike where they are the same id."""
    texts = []
    names: dict[_Id, str] = {}
    for shape in members:
        if shape.view is not None or not isinstance(shape.template, PatternTemplate):
            texts.append(str(shape))
            continue
        renamed = {}
        for name in shape.template.names:
            root = same.root((shape.number, name))
            if root not in names:
                names[root] = _name_of(same.group(root), len(names) + 1)
            renamed[name] = names[root]
        if len(set(renamed.values())) == len(renamed):  # a pattern names each placeholder once
            texts.append(str(_rename(shape.template.pattern, renamed)))
    return tuple(dict.fromkeys(texts))


def _name_of(group: list[_Id], number: int) -> str:
    """A name that a person gave, if any did."""
    given = sorted({name for _, name in group if not name.startswith("id")})
    return given[0] if given else f"id_{number}"


def _rename(pattern: KeyPattern, names: dict[str, str]) -> KeyPattern:
    parts = [
        Placeholder(names[part.name], part.rest) if isinstance(part, Placeholder) else part for part in pattern.parts
    ]
    return KeyPattern(tuple(parts))
