"""Rules that are sure enough to act on: the learned counterpart of the policy's feature sets."""

from collections.abc import Iterable
from math import sqrt
from typing import Any

from policies import CompiledPolicy
from sidecar.prefetch.associations import Associations, Candidate, Rule
from sidecar.prefetch.key_shapes import KeyShapes
from sidecar.prefetch.set_state import SetState

LEARNED = "learned"  # the metrics' name for all that was learned; no set may take it
MOST_RULES = 64
LEAST_SUPPORT = 10.0  # times seen, of late
FORGOTTEN_BELOW = 2.0
GIVEN_UP_BELOW = 0.8  # of min_precision: a rule that once was sure is kept until it is clearly not
CONFIDENCE_Z = 1.645  # one-sided 95%


class LearnedRule:
    """A rule that is acted on."""

    __slots__ = ("candidate", "link", "rule", "state")

    def __init__(self, rule: Rule, candidate: Candidate, counted: dict[tuple[str, str], int]) -> None:
        self.rule = rule
        self.candidate = candidate
        self.link = tuple(zip(candidate.consequent.template.names, rule.link, strict=True))
        self.state = SetState(f"{candidate.antecedent} -> {candidate.consequent}", counted, LEARNED)

    def companion(self, ids: dict[str, bytes]) -> bytes | None:
        """The key that follows from the antecedent's ids."""
        return self.candidate.consequent.template.fill({name: ids[of] for name, of in self.link})


class LearnedSets:
    """Learns from samples and says what follows from keys. For one policy; another one begins anew."""

    def __init__(self, policy: CompiledPolicy, window: int, counted: dict[tuple[str, str], int]) -> None:
        self._policy = policy
        self._counted = counted
        self._shapes = KeyShapes(policy)
        self.associations = Associations(self._shapes, window)
        self.rules: dict[Rule, LearnedRule] = {}
        self._from: dict[int, list[LearnedRule]] = {}
        self._to: dict[int, list[LearnedRule]] = {}

    def use(self, policy: CompiledPolicy) -> None:
        """A policy that reads keys as the one before."""
        self._policy = policy

    def follow(self, keys: Iterable[bytes], is_demanded: Any) -> dict[bytes, LearnedRule]:
        """What follows from the keys of one request, none of them among it. Counts what had to be asked for."""
        companions: dict[bytes, LearnedRule] = {}
        if not self.rules:
            return companions
        asked = set(keys)
        for key in asked:
            found = self._shapes.find(key)
            if found is None:
                continue
            shape, ids = found
            if shape.number in self._to and is_demanded(key):
                for learned in self._to[shape.number]:
                    learned.state.missed += 1
            for learned in self._from.get(shape.number, ()):
                companion = learned.companion(ids)
                if companion is not None and companion not in asked:
                    companions.setdefault(companion, learned)
        return companions

    def choose(self, min_precision: float) -> bool:
        """Take up rules that became sure and let go of those that no longer are. Whether any did."""
        associations = self.associations
        changed = False
        for rule in list(self.rules):
            known = associations.candidates.get(rule)
            unsure = associations.confidence(rule) < GIVEN_UP_BELOW * min_precision
            if known is None or known.count < FORGOTTEN_BELOW or unsure:
                del self.rules[rule]
                changed = True
        for rule, candidate in associations.candidates.items():
            if rule in self.rules or len(self.rules) >= MOST_RULES or candidate.count < LEAST_SUPPORT:
                continue
            if _lower_bound(candidate.count, associations.seen(rule)) >= min_precision and self._is_new(candidate):
                self.rules[rule] = LearnedRule(rule, candidate, self._counted)
                changed = True
        if changed:
            self._index()
        return changed

    def watch(self) -> dict[int, tuple[int, int]]:
        """The policy's rules whose keys are antecedents: {rule: (Watch bits, shortest ttl of what follows)}."""
        watch: dict[int, tuple[int, int]] = {}
        for learned in self.rules.values():
            own, follower = (self._policy.row_rule(key) for key in learned.candidate.example)
            ttl = self._policy.table.row(follower)[0]
            before = watch.get(own, (1, ttl))
            watch[own] = (1, min(before[1], ttl))
        return watch

    def _is_new(self, candidate: Candidate) -> bool:
        """No declared set does it already, and memory can keep it."""
        key, follower = candidate.example
        if follower in self._policy.plan.companions([key])[1]:
            return False
        return self._policy.table.row(self._policy.row_rule(follower))[0] > 0

    def _index(self) -> None:
        self._from, self._to = {}, {}
        for learned in self.rules.values():
            self._from.setdefault(learned.rule.antecedent, []).append(learned)
            self._to.setdefault(learned.rule.consequent, []).append(learned)


def _lower_bound(successes: float, trials: float) -> float:
    """Of a share, by Wilson's score interval (Wilson, JASA 1927): few trials prove little."""
    if trials <= 0:
        return 0.0
    share = min(1.0, successes / trials)
    z2 = CONFIDENCE_Z * CONFIDENCE_Z
    centre = share + z2 / (2 * trials)
    spread = CONFIDENCE_Z * sqrt((share * (1 - share) + z2 / (4 * trials)) / trials)
    return (centre - spread) / (1 + z2 / trials)
