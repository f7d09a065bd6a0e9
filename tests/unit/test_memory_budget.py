"""Everything the memory tier holds is counted, bounded, and given back."""

import os
import subprocess
import sys
import time

import pytest
from memory_model import Rules
from memory_tier import NOW, make_store, pass_ticks

from sidecar.memory import Store
from sidecar.memory._audit import audit
from sidecar.memory._inspection import probe_row
from sidecar.origins.base import ABSENT, Found

FOREVER = [(1 << 30, 1 << 30, 1 << 30, 1 << 30, 0, 0, 0)]
ROW = {b"f%04d" % number: b"%08d" % number for number in range(100)}


def make_lasting(max_memory: int) -> Store:
    """A store in which nothing ages."""
    return make_store(max_memory, FOREVER, Rules([]))


def test_a_string_entry_of_24_and_64_bytes_costs_at_most_110() -> None:
    """Key and value 88, header 10, the rest is the index; before eviction begins."""
    store = make_lasting(64 << 20)
    empty = store.memory_used
    for number in range(300_000):
        store.install(b"k%023d" % number, Found(b"v" * 64), NOW, 0)
    assert len(store) == 300_000 - store.evictions["index"] >= 299_990
    assert (store.memory_used - empty) / 300_000 <= 110


def test_a_row_of_a_hundred_numbers_costs_at_most_10_bytes_a_field() -> None:
    """Field names are interned, and values of one width need no offsets."""
    store = make_lasting(64 << 20)
    empty = store.memory_used
    for number in range(5_000):
        store.install(b"user:%d" % number, Found(ROW), NOW, 0)
    assert (store.rows, store.entries, store.schemas) == (5_000, 500_000, 1)
    assert (store.memory_used - empty) / 500_000 <= 9
    for number in range(5_000):
        store.install(b"user:%d" % number, Found(ROW | {b"f0007": b"seven"}), NOW, 0)
    assert (store.memory_used - empty) / 500_000 <= 11.5


@pytest.mark.parametrize("max_memory", [1 << 16, 300_000, 4 << 20])
def test_the_budget_holds_while_ten_times_as_much_comes(max_memory: int) -> None:
    """Strings, then rows, then strings: used never passes the limit, and most of it is used."""
    store = make_lasting(max_memory)
    used = []
    for number in range(max_memory // 30):
        store.install(b"key:%d" % number, Found(b"v" * (number % 200)), NOW, 0)
        used.append(store.memory_used)
    for number in range(max_memory // 300):
        store.install(b"user:%d" % number, Found(ROW), NOW, 0)
        used.append(store.memory_used)
    for number in range(max_memory // 100):
        store.install(b"tiny:%d" % number, ABSENT, NOW, 0)
        used.append(store.memory_used)
    assert max(used) <= max_memory
    assert used[-1] > 0.75 * max_memory
    assert store.evictions["no_room"] < len(used) / 100
    audit(store)


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer's own memory counts too")
def test_resident_memory_follows_the_limit() -> None:
    """F9: after ten times max_memory was written, the process grew by at most 1.05 of it."""
    code = """
import sys
from memory_model import Rules
from memory_tier import make_store
from sidecar.origins.base import Found

def anonymous():
    for line in open("/proc/self/smaps_rollup"):
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024

limit = 32 << 20
store = make_store(limit, [(1 << 30,) * 4 + (0, 0, 0)], Rules([]))
before = anonymous()
for number in range(10 * limit // 600):
    store.install(b"key:%d" % number, Found(b"v" * (number * 7 % 1200)), 0, 0)
print((anonymous() - before) / limit)
"""
    if sys.platform != "linux":
        pytest.skip("reads /proc/self/smaps_rollup")
    path = [path for path in sys.path if path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0.8 < float(done.stdout) <= 1.05


def test_no_step_takes_long() -> None:
    """F9: an install under eviction, an expiry step and a compaction step stay under 1 ms of CPU each."""
    store = make_lasting(8 << 20)
    for number in range(100_000):
        store.install(b"key:%d" % number, Found(b"v" * 64), NOW, 0)
    for number in range(100_000):  # all of it hot: eviction finds nothing to drop at first
        store.lookup(b"key:%d" % number)
    worst = []
    for round_ in range(5):
        longest = 0
        for number in range(2_000):
            begun = time.thread_time_ns()
            store.install(b"new:%d:%d" % (round_, number), Found(b"v" * 64), NOW, 0)
            longest = max(longest, time.thread_time_ns() - begun)
        worst.append(longest)
    assert sorted(worst)[2] < 1_000_000
    begun = time.thread_time_ns()
    store.expire_step(1000)
    store.compact_step(65536)
    assert time.thread_time_ns() - begun < 1_000_000


def test_an_item_larger_than_a_segment_is_not_cached_but_counted() -> None:
    """The largest that fits is kept; one byte more is refused, and the old value is gone rather than wrong."""
    store = make_lasting(1 << 20)
    overhead = 8 + 1 + 3 + 1  # header, varints, key
    largest = store.segment_bytes - overhead - 3
    assert store.install(b"k", Found(b"v" * largest), NOW, 0)
    assert store.lookup(b"k") == Found(b"v" * largest)
    assert not store.install(b"k", Found(b"v" * (store.segment_bytes + 1)), NOW, 0)
    assert store.lookup(b"k") is None and b"k" not in store
    assert not store.install(b"h", Found({b"a": b"v" * store.segment_bytes}), NOW, 0)
    assert store.evictions["too_large"] == 2


def test_expired_items_give_their_memory_back() -> None:
    """The expiry step frees whole segments, and their pages leave the figure."""
    store = make_store(4 << 20)
    empty = store.memory_used
    for number in range(20_000):
        store.install(b"key:%d" % number, Found(b"v" * 64), NOW, 0)
    full = store.memory_used
    assert store.expire_step(100_000) == 0
    pass_ticks(store, 3400)
    dropped = sum(store.expire_step(1000) for _ in range(30))
    assert dropped == store.expired == 20_000 and len(store) == 0
    assert store.memory_used - empty < 0.25 * (full - empty)  # the index stays
    audit(store)


def test_expiry_spares_what_a_failing_origin_could_still_need() -> None:
    """A row goes when its longest-lived field is past stale_if_error; one renewed field keeps it."""
    store = make_store()
    store.install(b"user:1", Found({b"a": b"1", b"fast_x": b"2"}), NOW, 0)
    store.install(b"user:2", Found({b"a": b"1", b"fast_x": b"2"}), NOW, 0)
    store.lookup(b"user:1", (b"a",))
    pass_ticks(store, 3399)
    assert store.expire_step(100) == 0
    store.overlay(b"user:2", {b"a": b"new"}, store.now, 0)
    pass_ticks(store, 1)
    assert store.expire_step(100) == 1
    assert b"user:1" not in store and store.lookup(b"user:2", (b"a",)) == Found({b"a": b"new"}, False)


def test_compaction_gives_back_the_room_of_dead_items() -> None:
    """Rewriting everything with other sizes leaves dead copies; compaction brings the figure near the live bytes."""
    store = make_lasting(16 << 20)
    for number in range(10_000):
        store.install(b"key:%d" % number, Found(b"v" * 300), NOW, 0)
    before = store.memory_used
    for number in range(10_000):
        if number % 10:
            store.drop(b"key:%d" % number)
    for _ in range(100):
        store.compact_step(65536)
    assert store.memory_used < 0.4 * before
    assert all(store.lookup(b"key:%d" % number) == Found(b"v" * 300) for number in range(0, 10_000, 10))
    audit(store)


def test_a_rewrite_of_the_same_size_takes_no_memory() -> None:
    """The old copy's room is used again: a hot key written a million times does not churn the arena."""
    store = make_lasting(1 << 20)
    store.install(b"k", Found(b"v" * 64), NOW, 0)
    store.install(b"row", Found(ROW), NOW, 0)
    before = store.memory_used
    for number in range(20_000):
        store.install(b"k", Found(b"%064d" % number), NOW, 0)
        store.install(b"row", Found(dict.fromkeys(ROW, b"%08d" % number)), NOW, 0)
    assert store.memory_used == before and store.evictions["capacity"] == 0
    assert store.lookup(b"k") == Found(b"%064d" % 19_999)


def test_names_past_their_share_go_inline() -> None:
    """A different list of names in every row: interned up to an eighth of the budget, then kept in the rows."""
    store = make_lasting(1 << 20)
    rows = {}
    for number in range(400):
        key = b"user:%d" % number
        rows[key] = {b"name_%d_%d" % (number, column): b"%d" % column for column in range(30)}
        store.install(key, Found(rows[key]), NOW, 0)
    assert 0 < store.schemas < 400
    assert store.memory_used <= store.memory_limit
    answered = [key for key, fields in rows.items() if store.lookup(key) == Found(fields)]
    assert len(answered) == store.rows > store.schemas
    store.overlay(answered[-1], {b"new": b"x", next(iter(rows[answered[-1]])): None}, NOW, 0)
    assert store.lookup(answered[-1], (b"new",)) == Found({b"new": b"x"}, False)
    audit(store)


def test_names_and_remembered_columns_are_counted() -> None:
    """A list of names weighs what its names do, and so does a field list's columns."""
    store = make_lasting(1 << 20)
    before = store.memory_used
    names = [b"%0100d" % number for number in range(20)]
    store.install(b"row", Found(dict.fromkeys(names, b"")), NOW, 0)
    after = store.memory_used - store.segment_bytes
    assert 2_000 < after - before < 4_000
    probe_row(store, b"row", names * 40, list_id=3)
    assert store.memory_used - store.segment_bytes - after >= 4 * 800


def test_schemas_of_dropped_rows_make_room_for_new_ones() -> None:
    """Names that no row uses any more are forgotten when others want their place."""
    store = make_lasting(1 << 20)
    for number in range(2_000):
        store.install(b"user", Found({b"n%d_%d" % (number, column): b"1" for column in range(30)}), NOW, 0)
        assert store.lookup(b"user", (b"n%d_7" % number,)) == Found({b"n%d_7" % number: b"1"}, False)
        assert store.schemas > 0
    assert store.memory_used <= store.memory_limit


def test_clear_forgets_everything() -> None:
    """And the memory goes back."""
    store = make_lasting(4 << 20)
    empty = store.memory_used
    for number in range(60_000):
        store.install(b"key:%d" % number, Found(b"v" * 64), NOW, 0)
    store.install(b"row", Found(ROW), NOW, 0)
    store.clear()
    assert (len(store), store.entries, store.rows, store.schemas) == (0, 0, 0, 0)
    assert store.lookup(b"row") is None
    assert store.memory_used <= empty + 5 * store.segment_bytes
    audit(store)
    assert store.install(b"row", Found(ROW), NOW, 0) and store.lookup(b"row") == Found(ROW)


def test_a_tiny_budget_is_refused() -> None:
    """Below 64 KiB nothing useful fits."""
    with pytest.raises(ValueError, match="65536"):
        make_lasting(65535)
