"""Hits near the end of their life that ask for the next fill (XFetch), as the memory tier judges it."""

import math

import pytest
from memory_tier import NOW, make_store, pass_ticks

from sidecar.memory._inspection import probe_row, probe_string, probe_whole_row
from sidecar.origins.base import ABSENT, Found

SECOND_US = 1_000_000
STRING_LIMITS = [(300, 300, 300, 20, 0, 0, 0)]  # no stale windows: the next hit after the end is a miss


def share_asking(store, left: int, tries: int = 4000) -> float:
    """How many of the hits with so many ticks left ask."""
    pass_ticks(store, 300 - left)
    asked = 0
    for _ in range(tries):
        asked += probe_string(store, b"k")[3] is True
        store.clear_refreshing(b"k")
    pass_ticks(store, left - 300)
    return asked / tries


def test_a_hit_asks_with_the_probability_of_xfetch():
    """exp(-left / cost), counted from the last tick, within 6% and the noise of 4,000 draws."""
    store = make_store(limits=STRING_LIMITS)
    store.install(b"k", Found(b"v"), NOW, 0)
    store.set_fill_cost(0, SECOND_US // 2)
    for left in (2, 11, 26, 51, 76, 101, 149):
        expected = math.exp(-(left - 1) / 50)
        noise = 4 * math.sqrt(expected / 4000)
        assert expected - noise < share_asking(store, left) < 1.06 * expected + noise


def test_the_last_tick_always_asks_and_half_of_life_never():
    """However fast fills are, and however slow."""
    for cost_us in (1, SECOND_US, 3600 * SECOND_US):
        store = make_store(limits=STRING_LIMITS)
        store.install(b"k", Found(b"v"), NOW, 0)
        store.set_fill_cost(0, cost_us)
        assert share_asking(store, 1, 50) == 1
        assert share_asking(store, 151, 500) == 0
        assert share_asking(store, 300, 500) == 0
    assert store.early_refreshes > 0


def test_nothing_is_asked_before_a_fill_was_measured():
    """And only of views whose fills were."""
    store = make_store(limits=STRING_LIMITS)
    store.install(b"k", Found(b"v"), NOW, 0)
    assert share_asking(store, 1, 50) == 0
    store.set_fill_cost(1, SECOND_US)
    assert share_asking(store, 1, 50) == 0
    with pytest.raises(IndexError):
        store.set_fill_cost(1024, 1)


def test_one_hit_is_told_until_the_fill_comes():
    """The entry is marked like a stale one; answers stay hits."""
    store = make_store(limits=STRING_LIMITS)
    store.install(b"k", Found(b"v"), NOW, 0)
    store.set_fill_cost(0, 1000)
    pass_ticks(store, 299)
    assert [probe_string(store, b"k") for _ in range(3)] == [
        ("usable", "hit", b"v", True),
        ("usable", "hit", b"v", False),
        ("usable", "hit", b"v", False),
    ]
    store.install(b"k", Found(b"w"), store.now, 0)
    assert probe_string(store, b"k")[3] is False
    pass_ticks(store, 299)
    assert probe_string(store, b"k")[3] is True and store.early_refreshes == 2


def test_a_ttl_of_nothing_or_of_a_tick_is_never_early():
    """There is no life that could be near its end."""
    for fresh in (0, 1):
        store = make_store(limits=[(fresh, 300, 300, 20, 0, 0, 0)])
        store.set_fill_cost(0, SECOND_US)
        store.install(b"k", Found(b"v"), NOW, 0)
        assert probe_string(store, b"k")[1:] == (("stale", b"v", True) if fresh == 0 else ("hit", b"v", False))
        assert store.early_refreshes == 0


def test_jitter_counts_as_life_that_is_over():
    """An entry whose jitter ends it early asks early by as much."""
    store = make_store(limits=[(300, 300, 300, 20, 200, 0, 0)])
    store.install(b"k", Found(b"v"), NOW, 0)
    store.set_fill_cost(0, 1)
    jitter = store.explain(b"k")["jitter_ticks"]
    assert jitter > 1
    pass_ticks(store, 298 - jitter)
    assert probe_string(store, b"k")[3] is False
    pass_ticks(store, 1)
    assert probe_string(store, b"k")[1:] == ("hit", b"v", True)


def test_a_row_asks_for_the_fields_that_were_asked():
    """A fast field near its end refreshes the row only when it is read; the others do not care."""
    limits = [(3000, 3000, 3000, 20, 0, 0, 0), (300, 300, 300, 20, 0, 0, 0), (300, 300, 300, 20, 0, 1, 0)]
    store = make_store(limits=[*limits, *limits])
    store.install(b"user:1", Found({b"a": b"1", b"b": b"2", b"fast_x": b"3", b"other_view": b"4"}), NOW, 0)
    store.set_fill_cost(0, 1000)
    pass_ticks(store, 299)
    assert probe_row(store, b"user:1", [b"a", b"b"])[1:] == (["hit", "hit"], [b"1", b"2"], False)
    assert probe_row(store, b"user:1", [b"a", b"fast_x"])[1:] == (["hit", "hit"], [b"1", b"3"], True)
    assert probe_row(store, b"user:1", [b"a", b"fast_x"])[3] is False
    store.clear_refreshing(b"user:1")
    assert probe_row(store, b"user:1", [b"other_view"])[3] is True  # by what a fill of the row's view costs
    store.clear_refreshing(b"user:1")
    assert probe_row(store, b"user:1", [b"fast_nope"])[1:] == (["negative"], [None], True)


def test_a_row_of_one_rule_asks_without_being_judged():
    """HGETALL of it stays on the hit path to its end."""
    store = make_store(limits=STRING_LIMITS * 3)
    store.install(b"user:1", Found({b"a": b"1", b"b": b"2"}), NOW, 0)
    store.set_fill_cost(0, 1000)
    pass_ticks(store, 299)
    assert probe_row(store, b"user:1", [b"a"]) == ("usable", ["hit"], [b"1"], True)
    assert probe_whole_row(store, b"user:1") == {b"a": b"1", b"b": b"2"} and store.early_refreshes == 1


def test_look_ups_from_python_ask_too():
    """What the hit path leaves to Python: strings, fields and whole rows; but not while the origin fails."""
    store = make_store(limits=STRING_LIMITS * 3)
    store.set_fill_cost(0, 1000)
    store.install(b"k", Found(b"v"), NOW, 0)
    store.install(b"user:1", Found({b"a": b"1", b"b": b"2"}), NOW, 0)
    pass_ticks(store, 299)
    for key, fields in ((b"k", None), (b"user:1", (b"a",)), (b"user:1", None)):
        assert store.lookup_counted(key, fields, 2) is not None and not store.must_revalidate
        assert store.lookup_counted(key, fields, 1) is not None and store.must_revalidate
        assert store.lookup_counted(key, fields, 1) is not None and not store.must_revalidate
        store.clear_refreshing(key)


def test_absences_are_not_refreshed_early():
    """They have no value that somebody would wait for with them; they end after their own ttl."""
    store = make_store(limits=STRING_LIMITS)
    store.install(b"k", ABSENT, NOW, 0)
    store.set_fill_cost(0, SECOND_US)
    pass_ticks(store, 19)
    assert probe_string(store, b"k")[1:] == ("negative", None, False)


def test_a_slow_origin_does_not_take_rows_off_the_hit_path():
    """With a window as long as the ttl, hits on a row of several rules stay whole hits, but for the few that ask."""
    limits = [(3000, 3000, 3000, 20, 0, 0, 0), (300, 300, 300, 20, 0, 0, 0), (300, 300, 300, 20, 0, 1, 0)]
    store = make_store(limits=[*limits, *limits])
    store.install(b"user:1", Found({b"a": b"1", b"fast_x": b"3"}), NOW, 0)
    store.set_fill_cost(0, 400_000)
    pass_ticks(store, 160)
    kinds = [probe_row(store, b"user:1", [b"a"])[0] for _ in range(1000)]
    assert 950 < kinds.count("usable") < 1000 and set(kinds) == {"usable", "mixed"}
    assert store.early_refreshes == 0
    pass_ticks(store, 139)
    assert probe_row(store, b"user:1", [b"fast_x"])[3] is True
    assert {probe_row(store, b"user:1", [b"a"])[0] for _ in range(100)} == {"usable"}  # it is being refreshed
