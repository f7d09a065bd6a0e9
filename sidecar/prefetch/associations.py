"""Which templates are asked for together for the same ids: association rules over a stream of samples.

A rule says: where a key of template A is asked for, the key of template B with these of A's ids follows within the
window. Its *support* is how often that was seen, its *confidence* that number divided by how often A was (Agrawal,
Imielinski, Swami: Mining association rules between sets of items in large databases, SIGMOD 1993). Candidates are pairs
of templates whose ids are equal in a sample, so there are few, and unequal ids never make one.

Memory is bounded as in lossy counting (Manku, Motwani: Approximate frequency counts over data streams, VLDB 2002):
after each BUCKET of antecedents candidates are dropped whose count, with the most that may have been missed of it, does
not exceed the number of buckets. All counts fade exponentially, so what is no longer asked for together is forgotten.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sidecar.prefetch.decayed import Decayed
from sidecar.prefetch.key_shapes import KeyShapes, Shape

BUCKET = 1000  # antecedents: what is seen less often than once in so many is not worth its memory
MOST_CANDIDATES = 1024
MOST_COMPARED = 1500  # pairs of keys of one sample: a millisecond

Link = tuple[str, ...]  # for each id of the consequent, in the order of its names, the antecedent's name of it


class Rule(NamedTuple):
    """Antecedent, consequent, and how the consequent's ids follow. Compared and hashed by the numbers."""

    antecedent: int
    consequent: int
    link: Link


class Candidate:
    """A rule with its counts and an example."""

    __slots__ = ("antecedent", "consequent", "count", "example", "missed")

    def __init__(self, antecedent: Shape, consequent: Shape, example: tuple[bytes, bytes], missed: float) -> None:
        self.antecedent = antecedent
        self.consequent = consequent
        self.example = example
        self.count = 0.0
        self.missed = missed  # at most so often it was seen before it was remembered


class _Seen(NamedTuple):
    at: int
    part: int
    key: bytes
    shape: Shape
    ids: dict[str, bytes]


class Associations:
    """Counts rules over samples.

    Args:
        window: ticks between an antecedent and its consequent, at most.
    """

    def __init__(self, shapes: KeyShapes, window: int) -> None:
        self._shapes = shapes
        self._window = window
        self.candidates: dict[Rule, Candidate] = {}
        self._antecedents: dict[int, Decayed] = {}
        self._since_bucket = 0
        self._buckets = 0.0

    def learn(self, sample: Sequence[tuple[int, int, bytes]]) -> None:
        """Count what one connection asked for: (tick, part, key) in order, over two windows.

        Only what came in the first window is an antecedent: for what came later the sample is too short to say.
        """
        seen = self._look(sample)
        by_id: dict[bytes, list[_Seen]] = {}
        for one in seen:
            if one.at <= self._window:
                self._antecedents.setdefault(one.shape.number, Decayed()).add()
                self._since_bucket += 1
            for value in one.ids.values():
                by_id.setdefault(value, []).append(one)
        counted: set[tuple[bytes, Rule]] = set()
        left = MOST_COMPARED
        for later in seen:
            alike = min((by_id[value] for value in later.ids.values()), key=len)
            left -= len(alike)
            if left < 0:
                break
            for earlier in alike:
                if earlier.at <= self._window and earlier.part <= later.part and later.at - earlier.at <= self._window:
                    self._count(earlier, later, counted)
        if self._since_bucket >= BUCKET:
            self._drop_rare()

    def confidence(self, rule: Rule) -> float:
        """How often the consequent followed; 0 for what was never seen."""
        seen = self._antecedents.get(rule.antecedent)
        candidate = self.candidates.get(rule)
        return min(1.0, candidate.count / seen.value) if seen and seen.value and candidate else 0.0

    def seen(self, rule: Rule) -> float:
        """How often its antecedent was, of late."""
        antecedent = self._antecedents.get(rule.antecedent)
        return antecedent.value if antecedent else 0.0

    def fade(self, share: float) -> None:
        """Time passed."""
        self._buckets *= share
        for antecedent in self._antecedents.values():
            antecedent.fade(share)
        for candidate in self.candidates.values():
            candidate.count *= share
            candidate.missed *= share

    def _look(self, sample: Sequence[tuple[int, int, bytes]]) -> list[_Seen]:
        """The first time of each key, with its shape."""
        seen: dict[bytes, _Seen] = {}
        for at, part, key in sample:
            if key not in seen:
                found = self._shapes.find(key)
                if found is not None and found[1]:
                    seen[key] = _Seen(at, part, key, *found)
        return list(seen.values())

    def _count(self, earlier: _Seen, later: _Seen, counted: set[tuple[bytes, Rule]]) -> None:
        """One more time that ``later`` followed ``earlier``, if its ids are all of that."""
        if earlier.shape.number == later.shape.number:
            return
        names = {value: name for name, value in earlier.ids.items()}
        try:
            link = tuple(names[value] for value in later.ids.values())
        except KeyError:
            return
        rule = Rule(earlier.shape.number, later.shape.number, link)
        if (earlier.key, rule) in counted:
            return
        counted.add((earlier.key, rule))
        candidate = self.candidates.get(rule)
        if candidate is None:
            if len(self.candidates) >= MOST_CANDIDATES:
                return
            example = (earlier.key, later.key)
            candidate = self.candidates[rule] = Candidate(earlier.shape, later.shape, example, self._buckets)
        candidate.count += 1

    def _drop_rare(self) -> None:
        self._since_bucket = 0
        self._buckets += 1
        for rule, candidate in list(self.candidates.items()):
            if candidate.count + candidate.missed <= self._buckets:
                del self.candidates[rule]
