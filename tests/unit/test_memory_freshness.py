"""What memory answers as entries age, on the hit path and for the miss path."""

import pytest
from memory_model import Rules
from memory_tier import NOW, WALL_MS, make_store, pass_ticks

from policies._table import RuleTable
from sidecar.memory._inspection import hash_key, probe_row, probe_string, probe_whole_row
from sidecar.origins.base import ABSENT, Found

ROW = {b"a": b"1", b"fast_x": b"2", b"bb": b"three"}


def test_a_string_goes_fresh_stale_error_gone() -> None:
    """ttl 300, stale to 400, error to 3400 ticks."""
    store = make_store()
    store.install(b"k", Found(b"v"), NOW, 0)
    seen = []
    for ticks in (0, 299, 1, 99, 1, 2999, 1):
        pass_ticks(store, ticks)
        seen.append(
            (probe_string(store, b"k")[1], [store.lookup(b"k", None, window) is not None for window in range(3)])
        )
    fresh, stale, failing, gone = [True] * 3, [False, True, True], [False, False, True], [False] * 3
    assert seen == [
        ("hit", fresh),
        ("hit", fresh),
        ("stale", stale),
        ("stale", stale),
        (None, failing),
        (None, failing),
        (None, gone),
    ]


def test_jitter_shortens_every_window_by_the_entrys_own_share() -> None:
    """With 100 ticks of jitter an entry of ttl 300 ends between 200 and 300, always at the same age."""
    store = make_store(limits=[(300, 400, 3400, 20, 100, 0, 0)], rules=Rules([]))
    ends = set()
    for number in range(64):
        key = b"key:%d" % number
        jitter = ((hash_key(store, key) >> 24) & 0xFFFF) * 101 >> 16
        store.install(key, Found(b"v"), (NOW - (299 - jitter)) & 0xFFFF_FFFF, 0)
        assert store.lookup(key) is not None
        store.install(key, Found(b"v"), NOW - (300 - jitter), 0)
        assert store.lookup(key) is None and store.lookup(key, None, 1) is not None
        assert store.explain(key)["jitter_ticks"] == jitter
        ends.add(jitter)
    assert len(ends) > 30


def test_an_absence_lives_by_negative_ttl_and_has_no_stale_window() -> None:
    """20 ticks; GET and HMGET of it are negative, whatever the kind."""
    store = make_store()
    store.install(b"k", ABSENT, NOW, 0)
    assert probe_string(store, b"k")[:3] == ("usable", "negative", None)
    assert probe_row(store, b"k", [b"a", b"b"])[2] == [None, None]
    assert store.lookup(b"k") is ABSENT
    pass_ticks(store, 20)
    assert probe_string(store, b"k")[0] == "needs origin" and store.lookup(b"k", None, 2) is None


def test_fields_of_a_row_age_apart() -> None:
    """A fast field goes stale while its row stays fresh; only asking it costs."""
    store = make_store()
    store.install(b"user:1", Found(ROW), NOW, 0)
    assert probe_row(store, b"user:1", [b"a", b"fast_x"])[:3] == ("usable", ["hit", "hit"], [b"1", b"2"])
    pass_ticks(store, 2)
    assert probe_row(store, b"user:1", [b"a", b"fast_x"]) == ("mixed", ["hit", "stale"], [b"1", b"2"], True)
    pass_ticks(store, 10)
    assert probe_row(store, b"user:1", [b"a", b"fast_x"])[2] is None
    assert probe_row(store, b"user:1", [b"a", b"bb"])[1] == ["hit", "hit"]


def test_a_stale_answer_is_handed_to_revalidation_once() -> None:
    """Until an answer comes or the revalidation is given up."""
    store = make_store()
    store.install(b"k", Found(b"v"), NOW, 0)
    store.install(b"user:1", Found(ROW), NOW, 0)
    pass_ticks(store, 350)
    assert [probe_string(store, b"k")[3] for _ in range(3)] == [True, False, False]
    assert [probe_row(store, b"user:1", [b"a"])[3] for _ in range(2)] == [True, False]
    store.clear_refreshing(b"k")
    assert probe_string(store, b"k")[3] is True
    store.install(b"k", Found(b"w"), store.now, 0)
    pass_ticks(store, 350)
    assert probe_string(store, b"k")[3] is True


def test_a_whole_rows_missing_field_is_absent_by_its_own_rule() -> None:
    """A field that the document does not have is negative for as long as its own ttl says, not the row's."""
    store = make_store()
    store.install(b"user:1", Found(ROW), NOW, 0)
    assert probe_row(store, b"user:1", [b"nope", b"fast_nope"])[1:3] == (["negative", "negative"], [None, None])
    pass_ticks(store, 12)
    assert probe_row(store, b"user:1", [b"nope"])[1] == ["negative"]
    assert probe_row(store, b"user:1", [b"nope", b"fast_nope"])[2] is None


def test_a_partial_row_knows_only_what_it_was_told() -> None:
    """Fields covered and missing are absent; others need the origin; HGETALL does."""
    store = make_store()
    store.install(b"user:1", Found({b"a": b"1"}, False), NOW, 0, covers=(b"a", b"b"))
    assert probe_row(store, b"user:1", [b"a", b"b"])[2] == [b"1", None]
    assert probe_row(store, b"user:1", [b"a", b"bb"])[2] is None
    assert store.lookup(b"user:1") is None and probe_whole_row(store, b"user:1") is None
    assert store.lookup_some(b"user:1", (b"a", b"b", b"bb")) == {b"a": b"1", b"b": None}


def test_a_field_older_than_its_row_is_judged_by_its_own_age() -> None:
    """A late part of an older read: its field goes stale first, though the row is fresh."""
    store = make_store()
    store.install(b"user:1", Found({b"a": b"1", b"bb": b"2"}), NOW, 0)
    store.install(b"user:1", Found({b"a": b"old"}, False), NOW - 350, 0, covers=(b"a",))
    assert probe_row(store, b"user:1", [b"bb"])[1] == ["hit"]
    assert probe_row(store, b"user:1", [b"a", b"bb"])[1:3] == (["stale", "hit"], [b"old", b"2"])


def test_remembered_columns_know_whole_rows_from_partial_ones() -> None:
    """Two rows of one schema under one field list: what the whole one lacks is absent, the other's unknown."""
    store = make_store()
    fields = [b"a", b"bb", b"nope", b"b"]
    store.install(b"user:1", Found({b"a": b"1", b"bb": b"2"}), NOW, 0)
    store.install(b"user:2", Found({b"a": b"3", b"bb": b"4"}, False), NOW, 0)
    for _ in range(2):
        assert probe_row(store, b"user:1", fields, list_id=9)[2] == [b"1", b"2", None, None]
        assert probe_row(store, b"user:2", fields, list_id=9)[2] is None
    assert store.schemas == 1


def test_remembered_columns_follow_a_reload() -> None:
    """An absent field under a remembered list is judged by the rule that it has now."""
    rules = Rules([], 0, lambda key: 0, lambda row_rule, name: 0)
    limits = [(300, 300, 300, 20, 0, 0, 0), (5, 5, 5, 5, 0, 0, 0)]
    store = make_store(limits=limits, rules=rules)
    store.install(b"row", Found({b"a": b"1"}), NOW - 10, 0)
    fields = [b"a", b"nope", b"other", b"a"]
    assert probe_row(store, b"row", fields, list_id=9)[2] == [b"1", None, None, b"1"]
    rules.field_rule_of = lambda row_rule, name: 1 if name == b"nope" else 0
    store.use_table(RuleTable(limits, 2, 0, rules))
    assert probe_row(store, b"row", fields, list_id=9)[2] is None


def test_hgetall_wants_a_fresh_list() -> None:
    """A stale row still answers HMGET; HGETALL only while the list of fields is fresh, or the origin fails."""
    store = make_store()
    store.install(b"user:1", Found({b"a": b"1", b"bb": b"2"}), NOW, 0)
    assert probe_whole_row(store, b"user:1") == {b"a": b"1", b"bb": b"2"}
    pass_ticks(store, 300)
    assert probe_whole_row(store, b"user:1") is None and store.lookup(b"user:1", None, 1) is None
    assert probe_row(store, b"user:1", [b"a"])[1] == ["stale"]
    assert store.lookup(b"user:1", None, 2) == Found({b"a": b"1", b"bb": b"2"})


def test_nothing_is_served_at_or_past_its_documents_expiry() -> None:
    """The wall clock's word, however fresh the entry."""
    store = make_store()
    store.install(b"k", Found(b"v", True, WALL_MS + 500), NOW, 0)
    store.install(b"user:1", Found(ROW, True, WALL_MS + 500), NOW, 0)
    assert store.lookup(b"k") == Found(b"v", True, WALL_MS + 500)
    store.wall_ms = WALL_MS + 499
    assert probe_string(store, b"k")[1] == "hit" and probe_row(store, b"user:1", [b"a"])[1] == ["hit"]
    store.wall_ms = WALL_MS + 500
    assert probe_string(store, b"k")[0] == probe_row(store, b"user:1", [b"a"])[0] == "not here"
    assert store.lookup(b"k", None, 2) is None and store.lookup(b"user:1", (b"a",), 2) is None


def test_a_feast_timestamp_is_as_fresh_as_what_is_asked_beside_it() -> None:
    """Alone it always asks the origin: that is Feast's check for late data."""
    store = make_store()
    store.install(b"feast:1", Found({b"x": b"1", b"_ts:view": b"t"}), NOW, 3)
    assert probe_row(store, b"feast:1", [b"x", b"_ts:view"])[1:3] == (["hit", "hit"], [b"1", b"t"])
    assert probe_row(store, b"feast:1", [b"_ts:view"])[2] is None
    assert store.lookup(b"feast:1", (b"_ts:view",), 2) is None
    pass_ticks(store, 55)
    assert probe_row(store, b"feast:1", [b"x", b"_ts:view"])[1] == ["stale", "stale"]
    store.install(b"feast:1", ABSENT, store.now, 3)
    assert probe_row(store, b"feast:1", [b"_ts:view"])[2] is None and store.lookup(b"feast:1", (b"_ts:view",)) is None
    assert probe_row(store, b"feast:1", [b"x", b"_ts:view"])[2] == [None, None]


def test_a_reload_applies_to_what_is_cached() -> None:
    """Shorter numbers at once; changed patterns at the next touch."""
    rules = Rules([], 0, lambda key: 0, lambda row_rule, name: row_rule)
    limits = [(300, 300, 300, 20, 0, 0, 0), (5, 5, 5, 5, 0, 0, 0)]
    store = make_store(limits=limits, rules=rules)
    store.install(b"k", Found(b"v"), NOW - 10, 0)
    store.install(b"row", Found({b"a": b"1"}), NOW - 10, 0)
    assert probe_string(store, b"k")[1] == "hit" and probe_row(store, b"row", [b"a"])[1] == ["hit"]
    store.use_table(RuleTable([(9, 9, 9, 9, 0, 0, 0), (5, 5, 5, 5, 0, 0, 0)], 2, 0, rules))
    assert probe_string(store, b"k")[2] is None and probe_row(store, b"row", [b"a"])[2] is None
    rules.row_rule_of = lambda key: 1 if key == b"k" else 0
    rules.field_rule_of = lambda row_rule, name: 1
    store.use_table(RuleTable(limits, 3, 1, rules))
    assert probe_string(store, b"k")[2] is None and probe_row(store, b"row", [b"a"])[2] is None
    store.use_table(RuleTable(limits, 4, 0, Rules([])))
    assert probe_string(store, b"k")[1] == "hit" and probe_row(store, b"row", [b"a"])[1] == ["hit"]


def test_ages_are_right_across_the_wrap_of_the_tick_counter() -> None:
    """Filled before the wrap, asked after it; and what was sent after the clock was read has age 0."""
    store = make_store()
    store.set_time(0xFFFF_FFF0, WALL_MS)
    store.install(b"k", Found(b"v"), 0xFFFF_FFF0, 0)
    store.set_time(283, WALL_MS)  # 299 ticks later
    assert probe_string(store, b"k")[1] == "hit"
    store.set_time(284, WALL_MS)
    assert probe_string(store, b"k")[1] == "stale"
    store.install(b"k", Found(b"v"), 290, 0)
    assert probe_string(store, b"k")[1] == "hit"


def test_an_entry_older_than_half_the_counter_is_gone_before_its_age_could_wrap() -> None:
    """Even under a rule that would allow it; the expiry step drops it."""
    long = 0xFFFF_FFFF
    store = make_store(limits=[(long, long, long, long, 0, 0, 0)], rules=Rules([]))
    store.install(b"k", Found(b"v"), NOW, 0)
    store.install(b"row", Found({b"a": b"1"}), NOW, 0)
    store.set_time(NOW + (1 << 31) - 1, WALL_MS)
    assert probe_string(store, b"k")[1] == "hit" and store.expire_step(10) == 0
    store.set_time(NOW + (1 << 31), WALL_MS)
    assert probe_string(store, b"k")[0] == "not here" and probe_row(store, b"row", [b"a"])[2] is None
    assert store.expire_step(10) == 2 and len(store) == 0


@pytest.mark.parametrize("other", ["install", "overlay", "drop_fields"])
def test_a_busy_key_stays_busy_through_other_writes(other: str) -> None:
    """The hot path asks the origin while a writer is at work, whatever is installed meanwhile."""
    store = make_store()
    store.install(b"user:1", Found(ROW), NOW, 0)
    store.set_busy(b"user:1", True)
    if other == "install":
        store.install(b"user:1", Found({b"bb": b"x"}, False), NOW, 0, covers=(b"bb",))
    elif other == "overlay":
        store.overlay(b"user:1", {b"bb": b"y" * 90}, NOW, 0)
    else:
        store.drop_fields(b"user:1", (b"bb",))
    assert probe_row(store, b"user:1", [b"a"])[0] == "needs origin"
    assert store.lookup(b"user:1", (b"a",)) is None and store.any_usable(b"user:1") is None
    assert store.lookup(b"user:1", (b"a",), 0, {b"bb"}) == Found({b"a": b"1"}, False)
    assert store.lookup(b"user:1", (b"a", b"bb"), 0, {b"bb"}) is None
    store.set_busy(b"user:1", False)
    assert probe_row(store, b"user:1", [b"a"])[2] == [b"1"]


def test_a_busy_mark_does_not_outlive_its_write_though_the_item_expires_meanwhile() -> None:
    """A write that began before the document's expiry and failed after it leaves no mark to the next fill."""
    store = make_store()
    store.install(b"k", Found(b"v", True, WALL_MS + 100), NOW, 0)
    store.set_busy(b"k", True)
    store.set_time(NOW + 20, WALL_MS + 200)
    store.set_busy(b"k", False)
    store.install(b"k", Found(b"new"), NOW + 20, 0)
    assert store.lookup(b"k") == Found(b"new")


def test_a_busy_mark_is_set_on_what_is_expired_now() -> None:
    """A wall clock that is set back revives an item: not for the hot path, while a write of it is under way."""
    store = make_store()
    store.install(b"k", Found(b"v", True, WALL_MS + 100), NOW, 0)
    store.set_time(NOW, WALL_MS + 200)
    store.set_busy(b"k", True)
    store.set_time(NOW, WALL_MS)
    assert store.lookup(b"k") is None
    store.set_busy(b"k", False)
    assert store.lookup(b"k") == Found(b"v", True, WALL_MS + 100)


def test_the_wrong_kind_is_told_only_while_fresh() -> None:
    """WRONGTYPE comes from memory while what is here is fresh; later the origin is asked."""
    store = make_store()
    store.install(b"k", Found(b"v"), NOW, 0)
    store.install(b"user:1", Found(ROW), NOW, 0)
    assert probe_row(store, b"k", [b"a"])[0] == probe_string(store, b"user:1")[0] == "other kind"
    assert store.lookup(b"k", (b"a",)) == Found(b"v")
    pass_ticks(store, 300)
    assert probe_row(store, b"k", [b"a"])[0] == probe_string(store, b"user:1")[0] == "needs origin"


def test_a_policy_that_cannot_answer_costs_hits_not_the_process() -> None:
    """A resolver that raises makes look-ups miss."""

    def broken(*_: object) -> int:
        raise RuntimeError("the policy is broken")

    store = make_store(rules=Rules([], 0, broken, broken))
    store.install(b"row", Found({b"a": b"1"}), NOW, 0)
    assert probe_row(store, b"row", [b"a"])[2] is None and store.lookup(b"row", (b"a",)) is None
    store.install(b"k", Found(b"v"), NOW, 0)
    store.use_table(RuleTable([(300, 300, 300, 20, 0, 0, 0)], 2, 1, Rules([], 1, broken, broken)))
    assert probe_string(store, b"k")[0] == "not here"
