"""From the feature sets of a policy to the plan that prefetching follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from policies.byte_pattern import Step
from policies.feast import FeastHash
from policies.key_pattern import KeyPattern
from policies.key_template import FeastTemplate, PatternTemplate
from policies.model import FeatureSet, FeatureView, SetMember
from policies.numbers import StableNumbers
from policies.prefetch_plan import Member, PrefetchPlan, SetPlan, Watch, merge_watch, rules_of
from policies.rules import DEFAULT_RULE, RuleName, feast_groups, hash_rule

if TYPE_CHECKING:
    from policies.compiled import Rule
    from policies.policy import Policy


def compile_plan(policy: Policy, numbers: StableNumbers[RuleName], rules: Mapping[int, Rule]) -> PrefetchPlan:
    """The sets that do something, and which rules' keys are to be watched for them."""
    templates = Templates(policy.views)
    sets = [SetPlan(one.name, templates.members(one)) for one in policy.feature_sets]
    sets = [one for one in sets if one.does_something]
    languages = _languages(policy.views, numbers)
    ttls = _shortest_ttls(rules)
    watches = {}
    for one in sets:
        own_rules = [rules_of(member, languages, numbers[DEFAULT_RULE]) for member in one.members]
        own_ttls = [min((ttls.get(rule, 0) for rule in found), default=0) for found in own_rules]
        watch: Watch = {}
        for place, found in enumerate(own_rules):
            bits = one.watch_bits(place)
            made = [*one.from_one[place], *(target for target, sources in one.joins.items() if place in sources)]
            ttl = min((own_ttls[target] for target in made if own_ttls[target]), default=0)
            if bits:
                merge_watch(watch, {rule: (bits, ttl) for rule in found})
        watches[one.name] = watch
    return PrefetchPlan(sets, watches)


class Templates:
    """What members stand for. One for each pattern or hash: sets share what is learned of Feast's types."""

    def __init__(self, views: Iterable[FeatureView]) -> None:
        self._views = {view.name: view for view in views}
        self._made: dict[KeyPattern | FeastHash, Member] = {}

    def members(self, feature_set: FeatureSet) -> list[Member]:
        """Of a set, in the order written."""
        return [self.member(member) for member in feature_set.members]

    def member(self, member: SetMember) -> Member:
        """Of one member.

        Raises:
            KeyError: no such view (the policy check sees to it).
        """
        return self.of_view(self._views[member.view or ""]) if member.keys is None else self._of(member.keys)

    def of_view(self, view: FeatureView) -> Member:
        """Of a view's keys."""
        source: KeyPattern | FeastHash | None = view.keys if view.feast is None else view.feast
        assert source is not None  # a view has one of the two
        return self._of(source)

    def _of(self, source: KeyPattern | FeastHash) -> Member:
        made = self._made.get(source)
        if made is None:
            if isinstance(source, KeyPattern):
                made = Member(PatternTemplate(source), source.steps(), source.literal_bytes)
            else:
                made = Member(FeastTemplate(source), source.steps(), len(source.prefix) + len(source.suffix))
            self._made[source] = made
        return made


def _languages(views: Iterable[FeatureView], numbers: StableNumbers[RuleName]) -> list[tuple[int, list[Step]]]:
    """The row rule of each view with the keys that have it."""
    views = list(views)
    found = [(numbers[RuleName(view.name)], view.keys.steps()) for view in views if view.keys is not None]
    found += [(numbers[hash_rule(group)], feast.steps()) for feast, group in feast_groups(views).items()]
    return found


def _shortest_ttls(rules: Mapping[int, Rule]) -> dict[int, int]:
    """By row rule, the shortest ttl of its entries in ticks; 0: nothing of them is ever fresh."""
    by_view: dict[str, list[int]] = {}
    for rule in rules.values():
        if rule.limits.fresh:
            by_view.setdefault(rule.name.view, []).append(rule.limits.fresh)
    return {number: min(by_view.get(rule.name.view, [0])) for number, rule in rules.items()}
