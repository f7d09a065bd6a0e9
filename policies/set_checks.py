"""What a feature set must be beyond well-formed: members that exist and differ, of which some follow from others."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from policies.blocks import Findings
from policies.model import FeatureSet
from policies.plan_compiler import Templates
from policies.prefetch_plan import Member, SetPlan

if TYPE_CHECKING:
    from policies.policy import Policy


def check_sets(policy: Policy, findings: Findings) -> None:
    """Report every problem of the sets."""
    templates = Templates(policy.views)
    views = [view.name for view in policy.views]
    for one in policy.feature_sets:
        if _check_views(one, views, findings) and _check_distinct(one, templates.members(one), findings):
            _check_effect(one, templates.members(one), findings)


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


def _check_distinct(one: FeatureSet, members: list[Member], findings: Findings) -> bool:
    """No two members are the same keys: views of one Feast entity are one row, which is fetched whole."""
    good = True
    first: dict[int, int] = {}
    for place, member in enumerate(members):
        if id(member) in first:
            again, earlier = one.members[place], one.members[first[id(member)]]
            if again.keys is not None and earlier.keys is not None:
                findings.report(again.place, f'"{again}" again', "each member once")
            else:
                expected = "members with keys of their own: one row is fetched whole"
                findings.report(again.place, f"{again}, whose keys are those of {earlier}", expected)
            good = False
        first.setdefault(id(member), place)
    return good


def _check_effect(one: FeatureSet, members: list[Member], findings: Findings) -> None:
    """At least one member's key can be made from the ids of others."""
    if members and not SetPlan(one.name, members).does_something:
        found = "members without placeholders in common"
        hint = "placeholders of one name stand for the same id in all members of a set"
        findings.report(one.place, found, "a member whose placeholders all stand in other members", hint)
