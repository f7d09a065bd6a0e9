"""What a feature set must be beyond well-formed: members that exist and differ."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from policies.blocks import Findings
from policies.model import FeatureSet
from policies.plan_compiler import Templates
from policies.prefetch_plan import Member

if TYPE_CHECKING:
    from policies.policy import Policy

RESERVED = "learned"


def check_sets(policy: Policy, findings: Findings) -> None:
    """Report every problem of the sets."""
    templates = Templates(policy.views)
    views = [view.name for view in policy.views]
    for one in policy.feature_sets:
        if one.name == RESERVED:
            findings.report(one.place, f"the name {RESERVED}", "another: metrics call so what was learned")
        if _check_views(one, views, findings):
            _check_distinct(one, templates.members(one), findings)


def _check_views(one: FeatureSet, views: list[str], findings: Findings) -> bool:
    """Every view that a member names is there."""
    good = True
    for member in one.members:
        if member.keys is None and member.view not in views:
            near = difflib.get_close_matches(member.view or "", views, 1)
            hint = f"did you mean {near[0]}?" if near else ""
            findings.report(member.place, f"the unknown view {member.view}", "the name of a feature view", hint)
            good = False
    return good


def _check_distinct(one: FeatureSet, members: list[Member], findings: Findings) -> None:
    """No two members are the same keys: views of one Feast entity are one row, which is fetched whole."""
    first: dict[int, int] = {}
    for place, member in enumerate(members):
        if id(member) in first:
            again, earlier = one.members[place], one.members[first[id(member)]]
            if again.keys is not None and earlier.keys is not None:
                findings.report(again.place, f'"{again}" again', "each member once")
            else:
                expected = "members with keys of their own: one row is fetched whole"
                findings.report(again.place, f"{again}, whose keys are those of {earlier}", expected)
        first.setdefault(id(member), place)
