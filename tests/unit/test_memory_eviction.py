"""Which items leave when room is wanted, and the walks over what is here."""

import random

from bench.eviction_loads import zipf, zipf_with_scans
from bench.tier_alone import hit_ratio
from memory_model import Rules
from memory_tier import NOW, make_store

from sidecar.memory import Store
from sidecar.memory._audit import audit
from sidecar.origins.base import Found

FOREVER = [(1 << 30, 1 << 30, 1 << 30, 1 << 30, 0, 0, 0)]


def make_lasting(max_memory: int) -> Store:
    return make_store(max_memory, FOREVER, Rules([]))


def fill(store: Store, count: int, name: bytes = b"key") -> None:
    for number in range(count):
        store.install(b"%s:%d" % (name, number), Found(b"v" * 64), NOW, 0)


def test_what_is_used_again_survives_a_scan() -> None:
    """Keys asked for now and then stay while ten times the memory passes through once."""
    store = make_lasting(1 << 20)
    hot = [b"hot:%d" % number for number in range(300)]
    for key in hot:
        store.install(key, Found(b"v" * 64), NOW, 0)
    for number in range(100_000):
        store.install(b"scan:%d" % number, Found(b"v" * 64), NOW, 0)
        if number % 10 == 0:
            store.lookup(hot[number // 10 % 300])
    assert sum(store.lookup(key) is not None for key in hot) > 290
    assert store.evictions["capacity"] > 80_000


def test_hit_ratios_reach_s3_fifos() -> None:
    """A small run of two loads of tests/bench/eviction_loads.py; a textbook S3-FIFO reaches 0.726 and 0.519."""
    assert hit_ratio(zipf(0.99, 20_000, 100_000), 2_000) > 0.705
    assert hit_ratio(zipf_with_scans(0.99, 20_000, 100_000), 2_000) > 0.50


def test_the_index_grows_without_losing_a_key() -> None:
    """Every key stays findable at every size, and the books balance in the middle of growth."""
    store = make_lasting(64 << 20)
    for number in range(40_000):
        store.install(b"key:%d" % number, Found(b"%d" % number), NOW, 0)
        if number % 5_003 == 0:
            audit(store)
    lost = [number for number in range(40_000) if store.lookup(b"key:%d" % number) != Found(b"%d" % number)]
    assert len(lost) == store.evictions["index"] <= 4


def test_items_walks_every_key_once_while_nothing_moves() -> None:
    """In pages of about the size asked."""
    store = make_lasting(8 << 20)
    fill(store, 5_000)
    seen: list[bytes] = []
    position: int | None = 0
    while position is not None:
        position, page = store.items(position, 100)
        assert len(page) < 110
        seen += page
    assert sorted(seen) == sorted(b"key:%d" % number for number in range(5_000))


def test_drop_matching_misses_nothing_though_items_move_meanwhile() -> None:
    """Keys that were here when the walk began and match are gone when it ends, however the index grew between steps."""
    chance = random.Random(5)
    for _ in range(3):
        store = make_lasting(64 << 20)
        fill(store, 3_000)
        fill(store, 3_000, b"old")
        position: int | None = 0
        added = 0
        steps = 0
        while position is not None:
            position = store.drop_matching(lambda key: key.startswith(b"old:"), 200, position)
            steps += 1
            for _ in range(chance.choice((0, 0, 600)) if added < 6_000 else 0):
                store.install(b"new:%d" % added, Found(b"v"), NOW, 0)
                added += 1
        assert steps > 10 and added > 500
        assert [key for key in store.items(0, 1 << 20)[1] if key.startswith(b"old:")] == []
        kept = sum(key.startswith(b"key:") for key in store.items(0, 1 << 20)[1])
        assert kept >= 3_000 - store.evictions["index"] > 2_980
        audit(store)
