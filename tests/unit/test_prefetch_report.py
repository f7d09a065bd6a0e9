"""What /prefetch and `prefetch show` tell, and the export that goes into a policy."""

import json
from typing import Any

import pytest
from prefetch_side import Side

import policies
from sidecar.prefetch.report import as_text, report

POLICY = """
version: 1
defaults: {ttl: 10s, jitter: 0%}
feature_views:
  - {name: user, keys: "user:{user_id}"}
feature_sets:
  - {name: declared, members: ["a:{x}", "b:{x}"]}
  - {name: idle, members: ["c:{x}", "d:{y}"]}
"""


@pytest.fixture(scope="module")
def side() -> Side:
    """A sidecar that has seen users with their carts and lists, and the declared set used."""
    side = Side(POLICY)
    for number in range(1500):
        for key in (b"user:%d", b"cart:%d", b"list:%d:open", b"a:x%d", b"b:x%d"):
            side.request(key % number)
            side.settle(0.004)
    return side


def told_by(side: Side) -> dict[str, Any]:
    return dict(json.loads(json.dumps(report(side.prefetcher, side.policy))))


def test_sets_and_rules_are_told_with_their_shares(side: Side) -> None:
    """State, precision and coverage of each; support and confidence of what was learned."""
    told = told_by(side)
    declared, idle = told["declared"]
    assert (declared["name"], declared["state"], declared["members"]) == ("declared", "on", ["a:{x}", "b:{x}"])
    assert declared["precision"] > 0.99
    assert 0.49 < declared["coverage"] <= 0.5
    assert idle["state"] == "idle"
    rules = {one["name"]: one for one in told["learned"]}
    assert {"user:{user_id} -> cart:{id1}", "cart:{id1} -> list:{id1}:open"} <= rules.keys()
    assert all(one["support"] >= 10 and one["confidence"] > 0.9 for one in rules.values())
    assert told["budget"]["share"] == 0.1
    assert told["budget"]["left"] > 0


def test_the_table_shows_every_set(side: Side) -> None:
    """One line each, and the budget below."""
    text = as_text(told_by(side))
    assert text.splitlines()[0].split()[:4] == ["SET", "STATE", "PRECISION", "COVERAGE"]
    for name in ("declared", "idle", "user:{user_id} -> cart:{id1}", "budget 10% of "):
        assert name in text


def test_the_export_is_a_policy_that_does_the_same(side: Side) -> None:
    """The policy check takes it, and the first of a user's keys makes the others; ids have the name a person gave."""
    block = told_by(side)["feature_sets"]
    assert "'user:{user_id}'" in block
    plan = policies.parse(f"version: 1\n{block}\n", "exported.yaml").compile().plan
    followers = set(plan.companions([b"user:7"])[1])
    assert {b"cart:7", b"list:7:open"} <= followers


def test_nothing_learned_exports_an_empty_list() -> None:
    """It can be pasted too."""
    block = told_by(Side(POLICY))["feature_sets"]
    assert block == "feature_sets: []"
    policies.parse(f"version: 1\n{block}\n", "exported.yaml")
