"""/explain: the verdict on what memory holds, in numbers and in words."""

from typing import Any

import pytest

import policies
from sidecar.explain import judge

POLICY = policies.parse(
    """
version: 1
defaults: {jitter: 0%}
feature_views:
  - name: user_profile
    keys: "user:{user_id}"
    ttl: 10s
    stale_while_revalidate: 5s
    stale_if_error: 60s
    negative_ttl: 2s
""",
    "policy.yaml",
).compile()
RULE = POLICY.row_rule(b"user:1")


def row(age_s: float, **more: Any) -> dict[str, Any]:
    """Facts of a whole row of this age."""
    facts = {
        "kind": "row",
        "rule": RULE,
        "age_ticks": round(age_s * 100),
        "jitter_ticks": 0,
        "busy": False,
        "whole": True,
    }
    return facts | more


def verdict(facts: dict[str, Any], field: bytes | None = None) -> tuple[str, float | None, float | None, float | None]:
    """Outcome and the three numbers."""
    judged = judge(facts, POLICY.rule, field)
    assert judged.why
    return judged.outcome, judged.age_s, judged.fresh_until_s, judged.hard_limit_s


@pytest.mark.parametrize(
    ("age_s", "outcome"),
    [(0, "hit"), (9.99, "hit"), (10, "stale"), (14.99, "stale"), (15, "miss"), (74.99, "miss"), (75, "miss")],
)
def test_each_window_has_its_outcome(age_s: float, outcome: str):
    """Fresh up to ttl, stale up to ttl + stale_while_revalidate, then a miss."""
    assert verdict(row(age_s)) == (outcome, age_s, 10.0, 15.0)


def test_the_words_tell_the_two_misses_apart():
    """Past the hard limit an entry still serves while the origin fails; later never."""
    assert "only while the origin fails" in judge(row(20), POLICY.rule, None).why
    assert "too old" in judge(row(80), POLICY.rule, None).why


def test_jitter_shortens_every_window():
    """The limits told are the entry's own."""
    assert verdict(row(9.5, jitter_ticks=100)) == ("stale", 9.5, 9.0, 14.0)


def test_a_field_has_its_own_age_and_rule():
    """Written alone a second ago in an old row."""
    facts = row(14, field_rule=RULE, field_age_ticks=100, field_jitter_ticks=0, absent=False)
    assert verdict(facts, b"tier") == ("hit", 1.0, 10.0, 15.0)
    assert verdict(facts)[0] == "stale"


def test_a_field_that_is_not_here_is_a_miss():
    """The row is partial."""
    assert verdict(row(1, known=False, whole=False), b"tier") == ("miss", None, None, None)


def test_an_absent_field_is_negative():
    """Within its own ttl; it says who said so."""
    facts = row(1, field_rule=RULE, field_age_ticks=100, field_jitter_ticks=0, absent=True)
    assert verdict(facts, b"nope")[0] == "negative"
    assert "absent" in judge(facts, POLICY.rule, b"nope").why


@pytest.mark.parametrize(("age_s", "outcome"), [(0, "negative"), (1.99, "negative"), (2, "miss")])
def test_an_absent_document_lives_by_negative_ttl(age_s: float, outcome: str):
    """Without stale windows."""
    assert verdict(row(age_s, kind="negative")) == (outcome, age_s, 2.0, 2.0)


def test_nothing_held_is_a_miss_without_numbers():
    """Never read, evicted, or invalidated."""
    assert verdict({"kind": None}) == ("miss", None, None, None)


def test_a_partial_row_and_a_busy_one_are_misses():
    """HGETALL of some fields, and a write under way."""
    assert verdict(row(1, whole=False))[0] == "miss"
    assert verdict(row(1, busy=True))[0] == "miss"
    assert "write" in judge(row(1, busy=True), POLICY.rule, None).why
