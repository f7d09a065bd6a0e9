"""What memory knows to be absent, and how a write ends that."""

import pytest
from miss_path_world import World

from sidecar.origins.base import ABSENT, Found, HashSet, SetValue


@pytest.mark.parametrize(
    ("asked", "write", "answer"),
    [
        ((b"k",), SetValue(b"k", b"v"), Found(b"v")),
        ((b"k", b"a"), HashSet(b"k", {b"a": b"1"}), Found({b"a": b"1"}, whole=False)),
    ],
    ids=["set", "hset"],
)
def test_a_write_clears_a_known_absence(asked, write, answer):
    """Long before negative_ttl is over: the next reader sees what was written, from memory."""
    world = World()
    assert world.fill(*asked) is ABSENT and world.memory(*asked) is ABSENT
    world.write(write)
    world.pass_s(0.01)
    assert world.memory(*asked) == answer
