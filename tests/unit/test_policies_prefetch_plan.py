"""Feature sets compiled: which keys follow from which."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from policies.feast import entity_key
from policies.prefetch_plan import MOST_COMPANIONS, PrefetchPlan

HEAD = "version: 1\n"
RANKER = """
feature_sets:
  - name: ranker
    members: ["user:{user_id}", "user:{user_id}:sessions", "item:{item_id}", "cross:{user_id}:{item_id}"]
"""
FEAST = """
feature_views:
  - name: driver
    feast: {project: p, join_keys: [driver_id]}
    features: {rate: {ttl: 2s}}
  - name: trip
    feast: {project: p, join_keys: [driver_id, customer_id]}
  - name: shifts
    keys: "shifts:{driver_id}"
    ttl: 10s
feature_sets:
  - name: fraud
    members: [{view: driver}, {view: trip}, {view: shifts}]
"""


def plan_of(text: str) -> PrefetchPlan:
    return policies.parse(HEAD + text, "p.yaml").compile().plan


def companions(plan: PrefetchPlan, *keys: bytes) -> set[bytes]:
    return set(plan.companions(keys)[1])


def int64_key(**ids: int) -> bytes:
    return entity_key("p", [(name, 4, struct.pack("<q", value)) for name, value in ids.items()])


def test_one_key_makes_the_members_whose_ids_it_has() -> None:
    """Of a user his sessions and not the reverse pairing with items; of a crossing everything of both."""
    plan = plan_of(RANKER)
    assert companions(plan, b"user:1") == {b"user:1:sessions"}
    assert companions(plan, b"user:1:sessions") == {b"user:1"}
    assert companions(plan, b"item:7") == set()
    assert companions(plan, b"cross:1:7") == {b"user:1", b"user:1:sessions", b"item:7"}


def test_several_keys_of_one_request_make_what_needs_all_of_them() -> None:
    """A user and two items: his sessions and both crossings."""
    made = companions(plan_of(RANKER), b"user:1", b"item:7", b"item:8")
    assert made == {b"user:1:sessions", b"cross:1:7", b"cross:1:8"}


def test_ids_that_come_together_are_not_mixed() -> None:
    """Two crossings bind their own pairs; no crossing of one's user with the other's item is made."""
    made = companions(plan_of(RANKER), b"cross:1:7", b"cross:2:8")
    assert made == {b"user:1", b"user:1:sessions", b"item:7", b"user:2", b"user:2:sessions", b"item:8"}


def test_keys_that_share_an_id_are_joined_by_it() -> None:
    """What needs the ids of two keys is made where they agree, and not where they do not."""
    plan = plan_of("feature_sets: [{name: s, members: ['a:{x}:{y}', 'b:{y}:{z}', 'c:{x}:{y}:{z}']}]\n")
    assert companions(plan, b"a:1:2", b"b:2:3", b"b:9:4") == {b"c:1:2:3"}
    assert companions(plan, b"a:1:2", b"b:9:4") == set()


def test_keys_of_no_set_and_keys_asked_for_are_no_companions() -> None:
    """Nothing is made of a stranger, and what was asked for is not made again."""
    plan = plan_of(RANKER)
    assert companions(plan, b"other:1", b"user", b"user:1", b"user:1:sessions") == set()
    asked, _ = plan.companions([b"other:1", b"user:1"])
    assert asked == {b"user:1": (0,)}


def test_companions_of_one_request_are_bounded() -> None:
    """A thousand users beside a hundred items make a hundred thousand crossings: a thousand are taken."""
    keys = [b"user:%d" % number for number in range(1000)] + [b"item:%d" % number for number in range(100)]
    assert len(companions(plan_of(RANKER), *keys)) == MOST_COMPANIONS


def test_feast_rows_that_share_join_keys_follow_from_each_other() -> None:
    """A trip names its driver, a driver no trip. An integer id is the same as its text in a pattern."""
    plan = plan_of(FEAST)
    trip = int64_key(driver_id=1001, customer_id=-5)
    assert companions(plan, int64_key(driver_id=7)) == {b"shifts:7"}
    assert companions(plan, trip) == {int64_key(driver_id=1001), b"shifts:1001"}
    assert companions(plan, b"shifts:1001") == {int64_key(driver_id=1001)}
    assert companions(plan, b"shifts:01001") == set()
    assert companions(plan, b"shifts:%d" % (1 << 63)) == set()


def test_no_feast_key_is_made_of_text_before_its_type_is_known() -> None:
    """Whether a join key is an integer or a string stands in no policy: the first key seen tells."""
    plan = plan_of(FEAST)
    assert companions(plan, b"shifts:1001") == set()
    companions(plan, int64_key(driver_id=1))
    assert companions(plan, b"shifts:1001") == {int64_key(driver_id=1001)}


def test_feast_keys_of_strings_are_text() -> None:
    """And keys of other projects or cut short are strangers."""
    plan = plan_of(FEAST)
    key = entity_key("p", [("driver_id", 2, b"ann")])
    assert companions(plan, key) == {b"shifts:ann"}
    assert companions(plan, entity_key("q", [("driver_id", 2, b"ann")])) == set()
    for cut in range(len(key)):
        assert companions(plan, key[:cut]) == set()


def test_rules_are_watched_for_what_their_keys_can_tell() -> None:
    """A view's rule where its pattern is the member's; ttls are the shortest of what follows, features included."""
    compiled = policies.parse(HEAD + FEAST, "p.yaml").compile()
    watch = compiled.plan.watch_without()
    shifts = compiled.row_rule(b"shifts:1")
    driver = compiled.row_rule(int64_key(driver_id=1))
    assert watch[shifts] == (1, 200)
    assert watch[driver][1] == 1000
    assert compiled.row_rule(b"other") not in watch


def test_members_of_no_view_watch_the_default_rule() -> None:
    """Their keys have it."""
    compiled = policies.parse(HEAD + RANKER, "p.yaml").compile()
    assert set(compiled.plan.watch_without()) == {compiled.row_rule(b"user:1")}
    assert compiled.plan.watch_without()[0][0] == 3
    assert compiled.plan.watch_without({"ranker"}) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[{view: drivers}, {view: trip}]", "found the unknown view drivers, expected the name of a feature view"),
        ("[{view: shifts}, 'shifts:{driver_id}']", "whose keys are those of {view: shifts}"),
        ("[{vew: shifts}, 'a:{driver_id}']", "found no view, expected the name of a feature view"),
        ("[{view: shifts, keys: a}, 'a:{driver_id}']", "the unknown name keys"),
    ],
)
def test_a_wrong_member_is_reported_with_its_place(text: str, expected: str) -> None:
    """The policy check names the set, the member and what was expected."""
    bad = FEAST.replace("[{view: driver}, {view: trip}, {view: shifts}]", text)
    with pytest.raises(policies.PolicyError, match=r"feature_sets\[0\] \(fraud\)") as raised:
        policies.parse(HEAD + bad, "p.yaml")
    assert expected in str(raised.value)


def test_views_of_one_feast_entity_are_one_row() -> None:
    """Two of them in a set are refused: a fill brings the whole row already."""
    text = FEAST.replace("join_keys: [driver_id, customer_id]", "join_keys: [driver_id]")
    with pytest.raises(policies.PolicyError, match="one row is fetched whole"):
        policies.parse(HEAD + text, "p.yaml")


ids = st.binary(min_size=1, max_size=6).filter(lambda text: b":" not in text)


@given(
    users=st.lists(ids, max_size=4), items=st.lists(ids, max_size=4), pairs=st.lists(st.tuples(ids, ids), max_size=4)
)
def test_companions_are_the_join_that_a_plain_reading_gives(
    users: list[bytes], items: list[bytes], pairs: list[tuple[bytes, bytes]]
) -> None:
    """Whatever ids are asked for: each user's sessions, each crossing's user and item, and users times items."""
    asked = {b"user:" + u for u in users} | {b"item:" + i for i in items} | {b"cross:%s:%s" % pair for pair in pairs}
    wanted = {b"user:%s:sessions" % u for u in users} | {b"cross:%s:%s" % (u, i) for u in users for i in items}
    for user, item in pairs:
        wanted |= {b"user:" + user, b"user:%s:sessions" % user, b"item:" + item}
    assert companions(plan_of(RANKER), *asked) == wanted - asked
