"""What each kind of confirmed write leaves in memory."""

import pytest
from miss_path_world import World

from sidecar.origins.base import (
    ABSENT,
    Condition,
    Delete,
    Expire,
    FieldExpire,
    Found,
    GetAndDelete,
    GetAndExpire,
    HashDelete,
    HashSet,
    SetValue,
)

FOREVER_MS = 4_000_000_000_000
BEFORE = [SetValue(b"s", b"v"), HashSet(b"h", {b"a": b"1", b"b": b"2"})]

CASES = [
    # write, what is asked, what memory answers
    (SetValue(b"s", b"w"), (), Found(b"w")),
    (SetValue(b"s", b"w", expiry_ms=FOREVER_MS), (), Found(b"w", True, FOREVER_MS)),
    (SetValue(b"s", b"w", expiry_ms=1000), (), None),  # in the past
    (SetValue(b"s", b"w", keep_expiry=True), (), None),  # which expiry was kept is not known here
    (SetValue(b"s", b"w", Condition.IF_ABSENT), (), None),  # not set: what memory has may be older than the reply
    (SetValue(b"new", b"w", Condition.IF_ABSENT), (), Found(b"w")),
    (SetValue(b"new", b"w", Condition.IF_PRESENT), (), None),
    (SetValue(b"h", b"w"), (b"a",), Found(b"w")),  # SET replaces a hash
    (HashSet(b"h", {b"a": b"9", b"c": b"3"}), (), Found({b"a": b"9", b"b": b"2", b"c": b"3"})),  # a whole row stays so
    (HashSet(b"new", {b"a": b"9"}), (b"a",), Found({b"a": b"9"}, False)),
    (HashSet(b"new", {b"a": b"9"}), (), None),  # a partial row
    (HashSet(b"h", {b"a": b"9"}, only_absent=True), (b"a",), None),
    (HashSet(b"h", {b"a": b"9"}, only_absent=True), (b"b",), Found({b"b": b"2"}, False)),
    (HashSet(b"h", {b"c": b"9"}, only_absent=True), (b"c",), Found({b"c": b"9"}, False)),
    (HashDelete(b"h", (b"a",)), (), Found({b"b": b"2"})),
    (HashDelete(b"h", (b"a", b"none")), (b"a", b"none"), Found({}, False)),
    (Delete(b"s"), (), ABSENT),
    (Delete(b"h"), (b"a",), ABSENT),
    (GetAndDelete(b"s"), (), ABSENT),
    (GetAndExpire(b"s", FOREVER_MS), (), Found(b"v", True, FOREVER_MS)),
    (GetAndExpire(b"new", FOREVER_MS), (), ABSENT),
    (Expire(b"s", FOREVER_MS), (), None),
    (Expire(b"h", None), (b"a",), None),
    (FieldExpire(b"h", (b"a",), FOREVER_MS), (b"a",), None),
    (FieldExpire(b"h", (b"a",), FOREVER_MS), (b"b",), Found({b"b": b"2"}, False)),
]


@pytest.mark.parametrize(("write", "fields", "expected"), CASES)
def test_memory_after_a_write(write, fields, expected):
    """Memory shows what was written, or forgets what it can no longer be sure of."""
    world = World()
    for before in BEFORE:
        world.behind_our_back(before)
        world.fill(before.key)
    world.write(write)
    world.pass_s(0.01)
    found = world.memory(write.key, *fields)
    if isinstance(found, Found) and fields and isinstance(found.value, dict):
        found = Found({name: found.value[name] for name in fields if name in found.value}, False, found.expiry_ms)
    assert found == expected


def test_ages_count_from_when_the_write_was_sent():
    """A slow write is no fresher than its sending."""
    world = World()
    world.origin.delay_s = 1
    world.write(SetValue(b"k", b"v"))
    world.pass_s(1.01)
    world.pass_s(13.9)
    assert world.memory(b"k") == Found(b"v")
    world.pass_s(0.1)
    assert world.memory(b"k") is None


def test_a_known_expiry_is_kept_to():
    """A value is not served at or past the expiry it was set with, though its ttl is longer."""
    world = World()
    world.write(SetValue(b"k", b"v", expiry_ms=world.clock.wall_ms() + 500))
    world.pass_s(0.49)
    assert world.memory(b"k").value == b"v"
    world.pass_s(0.01)
    assert world.memory(b"k") is None
