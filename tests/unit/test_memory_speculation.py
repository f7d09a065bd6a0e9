"""What is prefetched: admitted apart from what is demanded, and a verdict on each."""

import random

from memory_model import Rules
from memory_tier import NOW, make_store

from sidecar.memory import Store
from sidecar.memory._audit import audit
from sidecar.origins.base import ABSENT, Found

LIMITS = [(1000, 1000, 1000, 200, 0, 0, 0)]  # rule 0: fresh for 10 s, absences for 2 s


def make(max_memory: int = 1 << 20) -> Store:
    store = make_store(max_memory, LIMITS, Rules([]))
    store.set_time(NOW, 0)
    return store


def verdicts(store: Store, *keys: bytes) -> list[str]:
    """used, wasted or unknown, by key."""
    seen = {verdict & ~1: "used" if verdict & 1 else "wasted" for verdict in store.take_verdicts()}
    return [seen.get(store.prefetch_id(key), "unknown") for key in keys]


def test_the_first_look_up_says_used_once() -> None:
    """Of a string, a row and an absence; later look-ups say nothing."""
    store = make()
    store.install(b"s", Found(b"v"), NOW, 0, speculative=True)
    store.install(b"r", Found({b"f": b"v"}), NOW, 0, speculative=True)
    store.install(b"n", ABSENT, NOW, 0, speculative=True)
    assert verdicts(store, b"s", b"r", b"n") == ["unknown"] * 3
    for _ in range(2):
        store.lookup_counted(b"s")
        store.lookup_counted(b"r", (b"f",))
        store.lookup_counted(b"n")
    assert sorted(store.take_verdicts()) == sorted(store.prefetch_id(key) | 1 for key in (b"s", b"r", b"n"))


def test_what_leaves_unasked_was_wasted() -> None:
    """Dropped, replaced in its place, replaced by something larger, and expired."""
    store = make()
    for key in (b"dropped", b"replaced", b"outgrown", b"expired", b"written"):
        store.install(key, Found(b"v"), NOW, 0, speculative=True)
    store.drop(b"dropped")
    store.install(b"replaced", Found(b"w"), NOW, 0)
    store.install(b"outgrown", Found(b"w" * 500), NOW, 0, speculative=True)
    store.overlay(b"written", {b"f": b"1"}, NOW, 0)
    assert verdicts(store, b"dropped", b"replaced", b"outgrown", b"written") == ["wasted"] * 4
    store.set_time(NOW + 1001, 0)
    store.expire_step(100)
    assert verdicts(store, b"expired", b"outgrown") == ["wasted", "wasted"]
    audit(store)


def test_an_expired_guess_was_not_used() -> None:
    """A look-up that must ask the origin all the same proves nothing."""
    store = make()
    store.install(b"s", Found(b"v"), NOW, 0, speculative=True)
    store.set_time(NOW + 1001, 0)
    assert store.lookup_counted(b"s") is None
    assert verdicts(store, b"s") == ["unknown"]


def test_guesses_never_push_out_what_was_asked_for() -> None:
    """A full memory is flooded with guesses ten times its size: no demanded entry leaves, and guesses are taken in."""
    store = make()
    number = 0
    while not store.evictions["capacity"]:
        store.install(b"demanded:%d" % number, Found(b"v" * 64), NOW, 0)
        number += 1
    store.install(b"guess:first", Found(b"g" * 64), NOW, 0, speculative=True)
    for extra in range(4000):  # what is set apart is made room for by what is demanded
        store.install(b"more:%d" % extra, Found(b"v" * 64), NOW, 0)
    before = {key for key in store.items(0, 1 << 30)[1] if not key.startswith(b"guess")}
    kept = sum(store.install(b"guess:%d" % one, Found(b"g" * 64), NOW, 0, speculative=True) for one in range(100_000))
    after = set(store.items(0, 1 << 30)[1])
    lost = len(before - after)
    assert lost == store.evictions["index"] < len(before) / 500
    assert kept > 90_000
    assert sum(key.startswith(b"guess") for key in after) > 50
    audit(store)


def test_a_used_guess_stays_as_what_is_demanded_does() -> None:
    """It moves on when its segment is emptied; unused ones around it leave."""
    store = make()
    for number in range(12_000):
        store.install(b"demanded:%d" % number, Found(b"v" * 64), NOW, 0)
        if number == 6_000:
            store.install(b"guess:first", Found(b"g" * 64), NOW, 0, speculative=True)  # from here on room is kept
    store.install(b"wanted", Found(b"g" * 64), NOW, 0, speculative=True)
    store.lookup_counted(b"wanted")
    for number in range(3000):
        store.install(b"guess:%d" % number, Found(b"g" * 64), NOW, 0, speculative=True)
    assert store.lookup(b"wanted") == Found(b"g" * 64)
    assert store.explain(b"wanted")["queue"] != "prefetched"
    assert store.lookup(b"guess:0") is None


def test_the_books_balance_whatever_comes() -> None:
    """A random mixture of demanded and speculative installs, uses, drops and time: the audit holds all along."""
    randomness = random.Random(7)
    store = make(256 << 10)
    now = NOW
    for step in range(30_000):
        key = b"k:%d" % randomness.randrange(3000)
        choice = randomness.randrange(10)
        size = randomness.choice((10, 100, 900, 3000))
        if choice < 4:
            store.install(key, Found(b"x" * size), now, 0, speculative=True)
        elif choice < 6:
            store.install(key, Found({b"f": b"x" * size}), now, 0, speculative=choice == 5)
        elif choice < 9:
            store.lookup_counted(key)
        else:
            store.drop(key)
        if step % 100 == 0:
            now += randomness.randrange(40)
            store.set_time(now, 0)
            store.expire_step(50)
            store.compact_step(4096)
            store.take_verdicts()
        if step % 1000 == 0:
            audit(store)


def test_wants_prefetch_names_what_is_not_here_or_about_to_expire() -> None:
    """Each once: what it named that is here counts as being refreshed until something is installed."""
    store = make()
    store.install(b"fresh", Found(b"v"), NOW, 0)
    store.install(b"row", Found({b"f": b"v"}), NOW, 0)
    store.install(b"part", Found({b"f": b"v"}, whole=False), NOW, 0, covers=(b"f",))
    store.install(b"absent", ABSENT, NOW, 0)
    keys = [b"fresh", b"row", b"part", b"absent", b"none"]
    assert store.wants_prefetch(keys) == [b"part", b"none"]
    assert store.wants_prefetch(keys) == [b"none"]
    store.set_time(NOW + 180, 0)
    assert store.wants_prefetch(keys) == [b"absent", b"none"]
    store.set_time(NOW + 905, 0)
    assert store.wants_prefetch(keys) == [b"fresh", b"row", b"none"]
    store.install(b"fresh", Found(b"w"), NOW + 905, 0)
    assert store.wants_prefetch(keys) == [b"none"]
    store.set_busy(b"row", True)
    store.clear_refreshing(b"row")
    assert store.wants_prefetch([b"row"]) == []
