"""Records of a snapshot: their bytes, their order, what is left out, and what comes back of them."""

import random

import pytest
from memory_model import Rules
from memory_tier import NOW, WALL_MS, make_store, pass_ticks

from sidecar.memory import Store
from sidecar.memory._audit import audit
from sidecar.memory._restore import Frame, has_room, keys_to_read
from sidecar.memory._snapshot import SnapshotWalk, frame_of_keys
from sidecar.origins.base import ABSENT, Found

FOREVER = [(1 << 30, 1 << 30, 1 << 30, 1 << 30, 0, 0, 0)]
OTHER_SEED = b"another process."


def frames_of(store: Store, values: bool = True, most_bytes: int = 1 << 20) -> list[bytes]:
    """One frame unless most_bytes makes it several."""
    walk = SnapshotWalk(store, values)
    return [frame for frame in iter(lambda: walk.step(1 << 20, most_bytes), None) if frame]


def keys_of(frame: bytes) -> list[bytes]:
    return Frame(frame).keys()


def restored(frames: list[bytes], **store: object) -> Store:
    target = make_store(seed=OTHER_SEED, **store)  # type: ignore[arg-type]
    for frame in frames:
        assert Frame(frame).restore(target, 1 << 30, NOW)[1:] == (True, False)
    audit(target)
    return target


def test_the_bytes_of_records_are_those_of_version_1():
    """An older or newer process reads them: whoever changes them raises the version in sidecar/snapshot/header.py."""
    store = make_store()
    store.install(b"string", Found(b"value", True, WALL_MS + 1000), NOW - 2, 0)
    assert b"".join(frames_of(store)) == (
        b"\x02\x08" + (NOW - 2).to_bytes(4, "little") + (WALL_MS + 1000).to_bytes(8, "little") + b"\x06\x05stringvalue"
    )
    assert b"".join(frames_of(store, values=False)) == b"\x01\x00\x06string"
    store.clear()
    store.install(b"none", ABSENT, NOW, 0)
    assert b"".join(frames_of(store)) == b"\x03\x00" + NOW.to_bytes(4, "little") + b"\x04none"
    store.clear()
    store.install(b"row", Found({b"a": b"1", b"bb": b""}), NOW - 3, 0)
    store.overlay(b"row", {b"bb": b"22"}, NOW - 1, 0)
    assert b"".join(frames_of(store)) == (
        b"\x04\x02\x01\x02abb"
        b"\x05\x10" + (NOW - 3).to_bytes(4, "little") + b"\x03row\x00\x01\x02122"
        b"\x01\x01\x00" + (NOW - 1).to_bytes(4, "little")
    )
    assert frame_of_keys([b"k" * 200, b""]) == b"\x01\x00\xc8\x01" + b"k" * 200 + b"\x01\x00\x00"


def test_every_kind_of_item_comes_back_with_its_ages():
    """Strings, whole and partial rows, fields with times of their own, known absences, expiries: as they were."""
    store = make_store()
    store.install(b"string", Found(b"v" * 3000, True, WALL_MS + 500), NOW - 5, 0)
    store.install(b"none", ABSENT, NOW, 0)
    store.install(b"whole", Found({b"slow": b"1", b"fast_x": b"2"}), NOW - 50, 0)
    store.overlay(b"whole", {b"fast_x": b"3"}, NOW, 0)  # its own limit of 2 ticks has passed in the row's age
    store.install(b"part", Found({b"slow": b"1"}, False), NOW - 1, 0, [b"slow", b"missing"])
    again = restored(frames_of(store))
    for key in (b"string", b"none", b"whole", b"part"):
        assert again.lookup(key) == store.lookup(key)
    assert again.lookup(b"whole", [b"slow", b"fast_x", b"no"]) == Found({b"slow": b"1", b"fast_x": b"3"}, False)
    assert again.lookup(b"part", [b"slow", b"missing"]) == Found({b"slow": b"1"}, False)
    assert again.lookup(b"part", [b"other"]) is None
    assert again.explain(b"whole", b"slow")["field_age_ticks"] == 50
    assert again.explain(b"whole", b"fast_x")["field_age_ticks"] == 0
    pass_ticks(again, 2)
    assert again.lookup(b"whole", [b"fast_x"]) is None and again.lookup(b"whole", [b"slow"]) is not None
    pass_ticks(again, 50)
    assert again.lookup(b"string") is None, "past its document's expiry"
    pass_ticks(again, 198)
    assert again.lookup(b"whole", [b"slow"]) is None, "300 ticks after it was filled, not after it was taken over"


def test_the_rule_is_found_again_by_the_key():
    """Rule numbers mean something in one process only: another policy judges what is taken over at once."""
    store = make_store(limits=FOREVER, rules=Rules(FOREVER))
    store.install(b"user:1", Found(b"old"), NOW - 10, 0)
    store.install(b"item:1", Found(b"old"), NOW - 10, 0)
    limits = [*FOREVER, (5, 5, 5, 5, 0, 0, 0)]
    rules = Rules(limits, 0, lambda key: 1 if key.startswith(b"user:") else 0)
    again = restored(frames_of(store), limits=limits, rules=rules)
    again.expire_step(100)
    assert again.lookup(b"user:1") is None, "5 ticks are over"
    assert again.lookup(b"item:1") == Found(b"old")
    again.expire_step(100)
    assert b"user:1" not in again, "once its rule is known it is swept"


def test_of_a_key_with_a_writer_at_work_only_the_key_is_written():
    """Its write may be done or not: a value that comes back must be one that nobody has overwritten."""
    store = make_store()
    store.install(b"string", Found(b"value"), NOW, 0)
    store.install(b"row", Found({b"a": b"1"}), NOW, 0)
    store.install(b"none", ABSENT, NOW, 0)
    for key in (b"string", b"row", b"none"):
        store.set_busy(key, True)
    (frame,) = frames_of(store)
    assert sorted(keys_of(frame)) == [b"row", b"string"]
    assert len(restored([frame])) == 0


def test_what_no_window_could_use_is_left_out():
    """Past every window, or past the document's expiry: a hot key would have been filled again."""
    store = make_store()
    store.install(b"ran out", Found(b"v"), NOW - 3400, 0)
    store.install(b"expired", Found(b"v", True, WALL_MS - 1), NOW, 0)
    store.install(b"stale", Found(b"v"), NOW - 3399, 0)
    assert [key for frame in frames_of(store, values=False) for key in keys_of(frame)] == [b"stale"]


@pytest.mark.parametrize("values", [True, False])
def test_what_prefetch_guessed_is_left_out_until_somebody_asks(values: bool):
    """It is not hot, and would come back as if it had been asked for."""
    store = make_store()
    for key in (b"asked for", b"guess"):
        assert store.install(key, Found(b"v"), NOW, 0, speculative=True)
    assert frames_of(store, values) == []
    store.lookup_counted(b"asked for")
    assert [key for frame in frames_of(store, values) for key in keys_of(frame)] == [b"asked for"]


@pytest.mark.parametrize("values", [True, False])
def test_the_hottest_are_written_first(values: bool):
    """A snapshot that is cut off for time, and a replay that is, have what was used most."""
    store = make_store(1 << 20, FOREVER, Rules(FOREVER))
    order = [b"k%d" % number for number in range(400)]
    random.Random(1).shuffle(order)
    for key in order:
        store.install(key, Found(b"v"), NOW, 0)
    for uses, share in ((1, order[:200]), (1, order[:100]), (1, order[:50])):
        for key in share * uses:
            store.lookup(key)
    written = [key for frame in frames_of(store, values, 100) for key in keys_of(frame)]
    assert sorted(written) == sorted(order)
    assert set(written[:50]) == set(order[:50])
    assert set(written[:100]) == set(order[:100])
    assert set(written[:200]) == set(order[:200])


def test_how_hot_a_key_was_goes_on():
    """What was in the main queue passes the small one that all come into; frequencies stay."""
    store = make_store(256 << 10, FOREVER, Rules(FOREVER))
    hot = [b"hot%d" % number for number in range(100)]
    for key in hot:
        store.install(key, Found(b"v" * 100), NOW, 0)
    number = 0
    while store.explain(hot[0])["queue"] != "main":
        for key in hot:
            store.lookup(key)
        for _ in range(100):
            store.install(b"scan%d" % number, Found(b"v" * 100), NOW, 0)
            number += 1
    frames = frames_of(store)
    for key in hot:
        store.drop(key)
    again = make_store(256 << 10, FOREVER, Rules(FOREVER), OTHER_SEED)
    for frame in frames:
        Frame(frame).restore(again, 1 << 30, NOW)
    assert all(again.explain(key)["frequency"] >= 2 for key in hot)
    for _ in range(5000):
        again.install(b"scan%d" % number, Found(b"v" * 100), NOW, 0)
        number += 1
    assert sum(key in again for key in hot) > 90


def test_a_smaller_memory_takes_the_hottest_and_pushes_nothing_out():
    """It says that it is full; what came in first stays."""
    store = make_store(4 << 20, FOREVER, Rules(FOREVER))
    for number in range(20_000):
        store.install(b"k%d" % number, Found(b"v" * 100), NOW, 0)
    small = make_store(1 << 20, FOREVER, Rules(FOREVER), OTHER_SEED)
    assert has_room(small)
    taken = 0
    for frame in frames_of(store):
        count, _, is_full = Frame(frame).restore(small, 1 << 30, NOW)
        taken += count
        if is_full:
            break
    else:
        pytest.fail("all of 2 MB went into 1 MiB")
    assert not has_room(small)
    assert taken > 4000 and len(small) == taken - small.evictions["index"]
    assert small.evictions["capacity"] == 0
    audit(small)


def test_what_is_here_already_stays():
    """Of a key that a snapshot has twice the first, hotter one counts."""
    store = make_store()
    store.install(b"k", Found(b"first"), NOW, 0)
    store.install(b"r", Found({b"a": b"first"}), NOW, 0)
    (first,) = frames_of(store)
    store.install(b"k", Found(b"second"), NOW, 0)
    store.install(b"r", Found({b"a": b"second"}), NOW, 0)
    again = restored([first, *frames_of(store)])
    assert again.lookup(b"k") == Found(b"first") and again.lookup(b"r") == Found({b"a": b"first"})


def test_nothing_comes_back_younger_than_it_was():
    """A time of filling after the snapshot was written is no record of ours; it would be served too long."""
    store = make_store()
    store.install(b"k", Found(b"v"), NOW, 0)
    store.install(b"r", Found({b"a": b"1", b"b": b"1"}), NOW - 9, 0)
    store.overlay(b"r", {b"b": b"2"}, NOW, 0)
    again = make_store(seed=OTHER_SEED)
    (frame,) = frames_of(store)
    with pytest.raises(ValueError, match="filled after"):
        Frame(frame).restore(again, 1 << 30, NOW - 1)
    assert b"k" not in again and b"r" not in again


def test_keys_to_read_are_those_that_memory_could_not_answer():
    """Fresh and stale answer; past that, unknown, or with a field that ran out, the row is read again."""
    store = make_store()
    store.install(b"fresh", Found(b"v"), NOW, 0)
    store.install(b"stale", Found(b"v"), NOW - 350, 0)
    store.install(b"over", Found(b"v"), NOW - 400, 0)
    store.install(b"row", Found({b"a": b"1", b"fast_x": b"1"}), NOW - 11, 0)
    store.install(b"row over", Found({b"a": b"1", b"fast_x": b"1"}), NOW - 12, 0)
    store.install(b"none", ABSENT, NOW - 1000, 0)
    asked = [b"fresh", b"stale", b"over", b"row", b"row over", b"none", b"unknown"]
    assert keys_to_read(store, asked) == [b"over", b"row over", b"unknown"]
    before = store.explain(b"fresh")["frequency"]
    keys_to_read(store, asked)
    assert store.explain(b"fresh")["frequency"] == before + 1, "explain itself counts; the question did not"


def test_a_frame_goes_over_in_steps():
    """The loop serves between two: each reads about as many bytes as it may."""
    store = make_store(limits=FOREVER, rules=Rules(FOREVER))
    for number in range(100):
        store.install(b"k%02d" % number, Found(b"v" * 100), NOW, 0)
    frame = Frame(b"".join(frames_of(store)))
    again = make_store(limits=FOREVER, rules=Rules(FOREVER), seed=OTHER_SEED)
    steps = []
    while not steps or not steps[-1][1]:
        steps.append(frame.restore(again, 1000, NOW))
    assert sum(taken for taken, _, _ in steps) == 100 == len(again)
    assert max(taken for taken, _, _ in steps) <= 10


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x07\x00\x01k",
        b"\x01",
        b"\x01\x00\x05k",
        b"\x01\x00\xff\xff\xff\xff\xff\x01",
        b"\x01\x00\xff\xff\xff\xff\x7f",
        b"\x02\x08\x00\x00\x00\x00\x01\x01kv",
        b"\x04\x05\x01",
        b"\x04\xff\xff\xff\x7f",
        b"\x05\x00\x00\x00\x00\x00\x01k\x00",
        b"\x04\x01\x01a\x05\x00\x10\x27\x00\x00\x01k\x00\x01v\x01\x01\x00\x10\x27\x00\x00",
        b"\x04\x01\x01a\x05\x00\x10\x27\x00\x00\x01k\x00\x01v\x01\x00\x01\x10\x27\x00\x00",
        b"\x04\x01\x01a\x05\x10\x10\x27\x00\x00\x01k\x00\x00\x01\x00\x01\x10\x27\x00\x00",
    ],
)
def test_bytes_that_are_no_record_are_refused(data: bytes):
    """Lengths past the end, names that are not there, times that do not fit their row."""
    store = make_store()
    with pytest.raises(ValueError):
        Frame(data).restore(store, 1 << 30, NOW)
    assert len(store) == 0


def test_damaged_frames_do_no_harm():
    """Whatever stands there: read or refused, and the tier's books stay right."""
    store = make_store(limits=FOREVER, rules=Rules(FOREVER))
    for number in range(6):
        store.install(b"k%d" % number, Found(b"v" * number), NOW, 0)
        store.install(b"r%d" % number, Found({b"f%d" % f: b"x" * f for f in range(number + 1)}), NOW - 7, 0)
        store.overlay(b"r%d" % number, {b"f0": b"y" * 300}, NOW - 2, 0)
    (whole,) = frames_of(store)
    draw = random.Random(5)
    again = make_store(limits=FOREVER, rules=Rules(FOREVER), seed=OTHER_SEED)
    refused = 0
    for _ in range(5000):
        damaged = bytearray(whole[: draw.randrange(len(whole))] if draw.random() < 0.2 else whole)
        for _ in range(draw.randrange(1, 4)):
            if damaged:
                damaged[draw.randrange(len(damaged))] = draw.choice((0, 1, 5, 127, 128, 255, draw.randrange(256)))
        for read in (lambda frame: frame.restore(again, 1 << 30, NOW), Frame.keys):
            try:
                read(Frame(bytes(damaged)))
            except ValueError:
                refused += 1
        for key in again.items(0, 1000)[1]:
            again.lookup(key, None, 2)
        audit(again)
        again.clear()
    assert 1000 < refused < 9000
