"""The rules of a policy by name, with the numbers that apply at each: what the compiler numbers and explain prints."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from policies._freshness import RuleFlag
from policies.effective import Effective, effective, longest, strictest
from policies.feast import FeastHash
from policies.model import Block, FeatureView

DEFAULT_VIEW = "_default"  # keys of no view; no view may take this name


class RuleName(NamedTuple):
    """What a rule is of; its number is stable as long as this is.

    Attributes:
        view: the feature view, or ``_default``.
        feature: a feature's name or glob; None for the view as a whole.
        timestamps: the rule of a Feast view's ``_ts:`` field.
        hashes: the row rule of the Feast hashes that these views share; of unknown ones for ``_default``.
    """

    view: str = DEFAULT_VIEW
    feature: str | None = None
    timestamps: bool = False
    hashes: FeastHash | bool = False

    def __str__(self) -> str:
        if isinstance(self.hashes, FeastHash):
            return f"feast:{self.hashes.project}:{','.join(self.hashes.join_keys)}"
        if self.hashes:
            return f"{self.view} (Feast hash)"
        if self.timestamps:
            return f"{self.view}._ts"
        return self.view if self.feature is None else f"{self.view}.{self.feature}"


DEFAULT_RULE = RuleName()
DEFAULT_FEAST_HASH = RuleName(hashes=True)  # a Feast key of no view: its fills are whole rows all the same
DEFAULT_TIMESTAMPS = RuleName(timestamps=True)


class Draft(NamedTuple):
    """A rule before it has a number."""

    name: RuleName
    settings: Mapping[str, Effective]
    flags: int = 0
    dtype: str | None = None


def feast_groups(views: Iterable[FeatureView]) -> dict[FeastHash, list[FeatureView]]:
    """The Feast views that share each hash, in the order written."""
    groups: dict[FeastHash, list[FeatureView]] = {}
    for view in views:
        if view.feast is not None:
            groups.setdefault(view.feast, []).append(view)
    return groups


def hash_rule(group: list[FeatureView]) -> RuleName:
    """The name of the row rule of a Feast hash; its row-level lookups count for the first of its views."""
    return RuleName(group[0].name, hashes=group[0].feast or True)


def draft_rules(defaults: Block, views: tuple[FeatureView, ...]) -> Iterator[Draft]:
    """Every rule of a policy, the default one first."""
    basic = effective([defaults])
    yield Draft(DEFAULT_RULE, basic)
    yield Draft(DEFAULT_FEAST_HASH, basic, RuleFlag.FEAST_ROW)
    yield Draft(DEFAULT_TIMESTAMPS, basic, RuleFlag.FEAST_TIMESTAMP)
    for view in views:
        of_view = effective([view.settings, defaults])
        yield Draft(RuleName(view.name), of_view)
        of_features = []
        for feature in view.features:
            settings = effective([feature.settings, view.settings, defaults])
            of_features.append(settings)
            yield Draft(RuleName(view.name, feature.pattern.text), settings, dtype=feature.dtype)
        if view.feast is not None:
            lasting = longest([of_view, *of_features])
            yield Draft(RuleName(view.name, timestamps=True), lasting, RuleFlag.FEAST_TIMESTAMP)
    for group in feast_groups(views).values():
        shared = strictest([effective([view.settings, defaults]) for view in group])
        yield Draft(hash_rule(group), shared, RuleFlag.FEAST_ROW)


def count_rules(views: Sequence[FeatureView]) -> int:
    """How many rules ``draft_rules`` makes."""
    of_views = sum(1 + len(view.features) + (view.feast is not None) for view in views)
    return 3 + of_views + len(feast_groups(views))
