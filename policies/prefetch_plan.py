"""The feature sets compiled: from the keys that a request asked for to the other members of their sets.

A key *binds* the placeholders that it captures. Every member whose placeholders are all bound by one key is a
companion of that key; one that needs more ids than any single key binds is a companion of several keys of the same
request (``{user_id}`` of one, ``{item_id}`` of another): these are joined as relations are, by the ids they share.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from policies.byte_pattern import Step, overlaps
from policies.key_template import KeyTemplate

MOST_COMPANIONS = 1000  # of one request: as many documents as a batch takes
ALONE, JOINT = 1, 2  # as sidecar.prefetch._touches.Watch


Watch = dict[int, tuple[int, int]]  # rule -> (bits, the shortest ttl among what its keys make, in ticks; 0: unknown)


def merge_watch(into: Watch, more: Mapping[int, tuple[int, int]]) -> None:
    """Watch for both."""
    for rule, (bits, ttl) in more.items():
        before = into.get(rule, (0, ttl))
        into[rule] = (before[0] | bits, min(before[1], ttl) or max(before[1], ttl))


class Member(NamedTuple):
    """One member of a set. ``steps``: its keys as a language; ``literal_bytes``: which of two matches is closer."""

    template: KeyTemplate
    steps: list[Step]
    literal_bytes: int


class Touched(NamedTuple):
    """A key of a set."""

    member: int
    key: bytes
    ids: dict[str, bytes]


class SetPlan:
    """One set.

    Attributes:
        from_one: by member, the members that its ids alone make.
        joins: members that several keys make, each with the members that they are of.
    """

    def __init__(self, name: str, members: Sequence[Member]) -> None:
        self.name = name
        self.members = tuple(members)
        names = [frozenset(member.template.names) for member in members]
        self.from_one = tuple(
            tuple(other for other in range(len(members)) if other != own and names[other] <= names[own])
            for own in range(len(members))
        )
        self.joins: dict[int, tuple[int, ...]] = {}
        for target, wanted in enumerate(names):
            partial = tuple(own for own in range(len(members)) if wanted & names[own] and not wanted <= names[own])
            if wanted and wanted <= frozenset().union(*(names[own] for own in partial)):
                self.joins[target] = partial

    @property
    def does_something(self) -> bool:
        """Whether any member follows from others."""
        return any(self.from_one) or bool(self.joins)

    def watch_bits(self, member: int) -> int:
        """What a key of a member is looked at for."""
        joined = any(member in sources for sources in self.joins.values())
        return (ALONE if self.from_one[member] else 0) | (JOINT if joined else 0)

    def companions(self, touched: Sequence[Touched]) -> Iterable[bytes]:
        """The keys that these keys of the set make, some perhaps twice, some perhaps among them."""
        for one in touched:
            for other in self.from_one[one.member]:
                key = self.members[other].template.fill(one.ids)
                if key is not None:
                    yield key
        if len(touched) > 1:
            for target, sources in self.joins.items():
                yield from self._joined(target, sources, touched)

    def _joined(self, target: int, sources: Sequence[int], touched: Sequence[Touched]) -> Iterable[bytes]:
        """Keys of a member whose ids come from several keys: their natural join."""
        template = self.members[target].template
        wanted = set(template.names)
        rows: list[dict[str, bytes]] = [{}]
        for source in sources:
            named = wanted.intersection(self.members[source].template.names)
            ids = {tuple(one.ids[name] for name in sorted(named)) for one in touched if one.member == source}
            if not ids or named <= rows[0].keys():
                continue
            sides = [dict(zip(sorted(named), values, strict=True)) for values in sorted(ids)]
            rows = [row | side for row in rows for side in sides if _agree(row, side)][:MOST_COMPANIONS]
            if not rows:
                return
        if rows[0].keys() == wanted:
            for row in rows:
                key = template.fill(row)
                if key is not None:
                    yield key


def _agree(row: Mapping[str, bytes], side: Mapping[str, bytes]) -> bool:
    return all(row.get(name, value) == value for name, value in side.items())


class PrefetchPlan:
    """All sets of a policy. Never changes, apart from what Feast templates learn of types.

    Args:
        sets: those that do something.
        watches: by the sets' names.
    """

    def __init__(self, sets: Sequence[SetPlan], watches: Mapping[str, Watch]) -> None:
        self.sets = tuple(sets)
        self._watches = watches
        members = [
            (-member.literal_bytes, number, place, member.template)
            for number, one in enumerate(self.sets)
            for place, member in enumerate(one.members)
        ]
        self._by_prefix: dict[bytes, list[tuple[int, int, KeyTemplate]]] = {}
        for _, number, place, template in sorted(members, key=lambda member: member[0]):
            self._by_prefix.setdefault(template.prefix, []).append((number, place, template))
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)

    def watch_without(self, off: Container[str] = ()) -> Watch:
        """The rules whose keys are to be watched, for all sets but those named."""
        watch: Watch = {}
        for name, one in self._watches.items():
            if name not in off:
                merge_watch(watch, one)
        return watch

    def find(self, key: bytes) -> dict[int, Touched]:
        """By set, the member that a key is of: where it is of several, the one with most literal bytes."""
        found: dict[int, Touched] = {}
        for length in self._lengths:
            for number, place, template in self._by_prefix.get(key[:length], ()):
                if number not in found:
                    ids = template.capture(key)
                    if ids is not None:
                        found[number] = Touched(place, key, ids)
        return found

    def companions(self, keys: Iterable[bytes]) -> tuple[dict[bytes, tuple[int, ...]], dict[bytes, int]]:
        """What is to be fetched with the keys of one request.

        Returns:
            The keys that are of sets, with the sets' numbers; and key -> number of the first set that wants it, none of
            the keys themselves, at most MOST_COMPANIONS.
        """
        asked: dict[bytes, tuple[int, ...]] = {}
        by_set: dict[int, list[Touched]] = {}
        for key in dict.fromkeys(keys):
            found = self.find(key)
            if found:
                asked[key] = tuple(found)
            for number, touched in found.items():
                by_set.setdefault(number, []).append(touched)
        companions: dict[bytes, int] = {}
        for number, several in by_set.items():
            for key in self.sets[number].companions(several):
                if key not in asked and key not in companions:
                    if len(companions) == MOST_COMPANIONS:
                        return asked, companions
                    companions[key] = number
        return asked, companions


def rules_of(member: Member, rules: Sequence[tuple[int, list[Step]]], default_rule: int) -> list[int]:
    """The row rules that a member's keys may have.

    Args:
        rules: of every view by key pattern or Feast hash, with the language of its keys.
        default_rule: of keys of no view.
    """
    own = member.steps
    if any(steps == own for _, steps in rules):
        return [rule for rule, steps in rules if steps == own]
    found = [rule for rule, steps in rules if any(True for _ in overlaps([own, steps]))]
    return [*found, default_rule]
