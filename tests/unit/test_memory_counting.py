"""What the memory tier adds to the hot counters."""

from memory_tier import NOW, make_store, pass_ticks

from sidecar.memory._inspection import probe_row, probe_string
from sidecar.metrics._counters import Counters
from sidecar.origins.base import ABSENT, Found

NONE = {"hit": 0, "stale": 0, "miss": 0, "negative": 0}


def test_counters_start_at_zero_and_add_up() -> None:
    """Look-ups by view and outcome, ages by bit length, commands and durations by family."""
    counters = Counters()
    assert all(counters.lookups_of(view) == NONE for view in (0, 1, 1023))
    counters.add_lookup(7, 2, 3)
    counters.add_served(7, 0, 5, 2)
    counters.add_command(1, 4)
    counters.add_duration(1, 1000)
    copy = counters.copy(8)
    counters.add_lookup(7, 2, 1)
    counters.add_command(1, 1)
    for counted, later in ((copy, 0), (counters, 1)):
        assert counted.lookups_of(7) == {"hit": 2, "stale": 0, "miss": 3 + later, "negative": 0}
        counts, total = counted.served_of(7)
        assert counts[3] == 2 and sum(counts) == 2 and total == 10
        assert [counted.commands_of(family) for family in (0, 1)] == [0, 4 + later]
        counts, total_ns, samples = counted.durations_of(1)
        assert counts[10] == 1 and (total_ns, samples) == (1000, 1)
    assert counters.totals(8) == ({"hit": 2, "stale": 0, "miss": 4, "negative": 0}, 5)
    assert counters.totals(7) == (NONE, 5)
    assert counters.copy(7).lookups_of(7) == NONE


def test_judged_fields_are_counted_by_view_and_outcome_unless_one_misses() -> None:
    """An HMGET that must ask the origin leaves no trace here."""
    store = make_store()
    store.install(b"user:1", Found({b"a": b"1", b"fast_x": b"2", b"other_view": b"3"}), NOW, 0)
    pass_ticks(store, 2)
    assert probe_row(store, b"user:1", [b"a", b"fast_x", b"other_view", b"nope"])[2] is not None
    assert store.counters.lookups_of(0) == {"hit": 1, "stale": 1, "miss": 0, "negative": 1}
    assert store.counters.lookups_of(1) == {"hit": 1, "stale": 0, "miss": 0, "negative": 0}
    pass_ticks(store, 10)
    assert probe_row(store, b"user:1", [b"a", b"fast_x"])[2] is None
    assert store.counters.lookups_of(0)["hit"] == 1


def test_lookup_counted_counts_what_it_answers_and_lookup_nothing() -> None:
    """A string is one entry, an HMGET its fields, an HGETALL the row's fields, an absence one or the fields asked."""
    store = make_store()
    store.install(b"k", Found(b"v"), NOW, 0)
    store.install(b"user:1", Found({b"a": b"1", b"bb": b"2"}), NOW, 0)
    store.install(b"gone", ABSENT, NOW, 0)
    store.lookup(b"k")
    store.lookup_some(b"user:1", (b"a",))
    probe_string(store, b"k")
    assert store.counters.lookups_of(0) == NONE
    store.lookup_counted(b"k")
    store.lookup_counted(b"user:1", (b"a", b"nope"))
    store.lookup_counted(b"user:1")
    store.lookup_counted(b"gone")
    store.lookup_counted(b"gone", (b"a", b"b"))
    store.lookup_counted(b"nothing")
    assert store.counters.lookups_of(0) == {"hit": 1 + 1 + 2, "stale": 0, "miss": 0, "negative": 1 + 1 + 2}
    pass_ticks(store, 300)
    store.lookup_counted(b"k", None, 1)
    assert store.counters.lookups_of(0)["stale"] == 1 and store.must_revalidate
    store.lookup_counted(b"k", None, 1)
    assert not store.must_revalidate


def test_what_is_served_because_the_origin_fails_takes_no_revalidation() -> None:
    """Nobody would refresh it, and once the origin is back the next stale hit could not ask for it."""
    store = make_store()
    store.install(b"k", Found(b"v"), NOW, 0)
    store.install(b"user:1", Found({b"a": b"1", b"bb": b"2"}), NOW, 0)
    pass_ticks(store, 300)
    for key, fields in ((b"k", None), (b"user:1", (b"a", b"bb"))):
        assert store.lookup_counted(key, fields, 2) is not None and not store.must_revalidate
        assert store.lookup_counted(key, fields, 1) is not None and store.must_revalidate
