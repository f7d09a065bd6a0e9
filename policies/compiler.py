"""From a checked policy to its compiled form: numbers for every rule and view, and the tables that find them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from policies._table import MAX_RULES
from policies.compiled import Compilation, CompiledPolicy, FeastView, Rule
from policies.documents import DocumentMap, FeastDocuments, RowMapping
from policies.effective import rule_limits
from policies.feast import feature_field, timestamp_field
from policies.model import FeatureView
from policies.numbers import StableNumbers
from policies.plan_compiler import compile_plan
from policies.resolver import DefaultRules, FeastRules, Resolver
from policies.rules import (
    DEFAULT_FEAST_HASH,
    DEFAULT_RULE,
    DEFAULT_TIMESTAMPS,
    DEFAULT_VIEW,
    RuleName,
    draft_rules,
    feast_groups,
    hash_rule,
)

if TYPE_CHECKING:
    from policies.policy import Policy

MAX_VIEWS = 1024  # the counters' array; view 0 is `_default`
Numbers = StableNumbers[RuleName]


def compile_policy(policy: Policy, previous: CompiledPolicy | None = None) -> CompiledPolicy:
    """Compile; ``previous`` is the policy that was active, whose numbers are kept.

    Raises:
        ValueError: more rules or views than there are numbers (the policy check refuses such a file).
    """
    drafts = list(draft_rules(policy.defaults, policy.views))
    numbers = previous.rule_numbers if previous else StableNumbers(MAX_RULES)
    numbers = numbers.successor(draft.name for draft in drafts)
    view_numbers: StableNumbers[str] = previous.view_numbers if previous else StableNumbers(MAX_VIEWS)
    view_numbers = view_numbers.successor([DEFAULT_VIEW, *(view.name for view in policy.views)])
    rules = {}
    for name, settings, flags, dtype in drafts:
        view = view_numbers[name.view]
        rules[numbers[name]] = Rule(numbers[name], name, view, settings, rule_limits(settings, view, flags), dtype)
    resolver = _resolver(policy, numbers)
    plan = compile_plan(policy, numbers, rules)
    return CompiledPolicy(
        Compilation(
            policy=policy,
            generation=previous.generation + 1 if previous else 1,
            pattern_epoch=_pattern_epoch(policy, previous),
            rule_numbers=numbers,
            view_numbers=view_numbers,
            rules=rules,
            resolver=resolver,
            documents=DocumentMap(_mappings(policy, numbers), resolver.row_rule),
            plan=plan,
            feast_views=tuple(_feast_view(view) for view in policy.views if view.feast is not None),
        )
    )


def _resolver(policy: Policy, numbers: Numbers) -> Resolver:
    """What finds the rule of a key and of a field."""
    patterned = [(view, numbers[RuleName(view.name)]) for view in policy.views if view.keys is not None]
    return Resolver(
        DefaultRules(numbers[DEFAULT_RULE], numbers[DEFAULT_FEAST_HASH], numbers[DEFAULT_TIMESTAMPS]),
        keys=[(view.keys, row) for view, row in patterned if view.keys is not None],
        features={
            row: [(feature.pattern, numbers[RuleName(view.name, feature.pattern.text)]) for feature in view.features]
            for view, row in patterned
        },
        hashes={
            feast_hash: FeastRules(numbers[hash_rule(group)], _feast_fields(group, numbers))
            for feast_hash, group in feast_groups(policy.views).items()
        },
    )


def _feast_fields(group: list[FeatureView], numbers: Numbers) -> Mapping[bytes, int]:
    """The rules of the fields that the views of one Feast hash declare."""
    fields = {}
    for view in group:
        fields[timestamp_field(view.name)] = numbers[RuleName(view.name, timestamps=True)]
        for feature in view.features:
            name = feature.pattern.text
            fields[feature_field(view.name, name)] = numbers[RuleName(view.name, name)]
    return fields


def _mappings(policy: Policy, numbers: Numbers) -> dict[int, RowMapping]:
    """What each row rule says of its documents; views that share a hash agree (the policy check sees to it)."""
    rows = [(RuleName(view.name), [view]) for view in policy.views if view.feast is None]
    rows += [(hash_rule(group), group) for group in feast_groups(policy.views).values()]
    return {
        numbers[name]: RowMapping(
            origin=views[0].origin,
            durability=views[0].durability,
            document_expiry=any(view.document_expiry for view in views),
            keys=views[0].keys if views[0].origin.document is not None else None,
            feast=tuple(_feast_documents(view) for view in views) if views[0].origin.layout == "feast" else (),
        )
        for name, views in rows
    }


def _feast_documents(view: FeatureView) -> FeastDocuments:
    """Where the documents of a view in Feast's Couchbase layout are."""
    assert view.feast is not None
    features = _feast_view(view).features
    return FeastDocuments(view.name, view.feast.project, *view.origin.place, features, timestamp_field(view.name))


def _feast_view(view: FeatureView) -> FeastView:
    """What origins and tools ask of a Feast view."""
    assert view.feast is not None
    names = [feature.pattern.text for feature in view.features]
    fields = {feature_field(view.name, name): name for name in names}
    return FeastView(view.name, view.feast.project, view.feast.join_keys, fields, view.origin)


def _pattern_epoch(policy: Policy, previous: CompiledPolicy | None) -> int:
    """One more than before where any key or feature pattern changed: cached entries are then resolved again."""
    if previous is None:
        return 0
    changed = _patterns(policy) != _patterns(previous.policy)
    return (previous.pattern_epoch + changed) % 256


def _patterns(policy: Policy) -> dict[object, object]:
    """Everything that decides which rule an entry has."""
    patterns: dict[object, object] = {
        view.name: (view.keys, view.feast, frozenset(feature.pattern.text for feature in view.features))
        for view in policy.views
    }
    for feast_hash, group in feast_groups(policy.views).items():
        patterns[feast_hash] = group[0].name
    return patterns
