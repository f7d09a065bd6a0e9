"""What is forgotten when somebody else changed the origin."""

from miss_path_world import World

from sidecar.origins.base import Found, SetValue


def world_with(*keys: bytes) -> World:
    """These keys are in memory and were changed at the origin since."""
    world = World()
    for key in keys:
        world.behind_our_back(SetValue(key, b"old"))
        world.fill(key)
        world.behind_our_back(SetValue(key, b"new"))
    return world


def test_invalidated_keys_are_read_again():
    """Only those named; how many were held is told."""
    world = world_with(b"a", b"b")
    assert world.reads.invalidate([b"a", b"none"]) == 1
    assert world.memory(b"a") is None
    assert world.memory(b"b") == Found(b"old")
    assert world.fill(b"a") == Found(b"new")


def test_a_fill_in_the_air_is_not_kept_after_an_invalidation_of_its_key():
    """It may have read the origin before the change that we were told of."""
    world = World()
    world.origin.reads_early = True
    world.behind_our_back(SetValue(b"k", b"old"))
    early = world.ask(b"k")
    world.now()
    world.behind_our_back(SetValue(b"k", b"new"))
    world.reads.invalidate([b"k"])
    late = world.ask(b"k")
    world.pass_s(0.01)
    assert (early, late) == ([Found(b"old")], [Found(b"new")])
    assert world.memory(b"k") == Found(b"new")


def test_a_write_in_the_air_is_not_kept_after_an_invalidation_of_its_key():
    """Which of the two was first is not known here."""
    for tell in (lambda world: world.reads.invalidate([b"k"]), lambda world: world.reads.invalidate_match(b"k*")):
        world = World()
        world.write(SetValue(b"k", b"ours"))
        world.now()
        tell(world)
        world.pass_s(0.01)
        assert world.memory(b"k") is None


def test_invalidation_by_pattern():
    """Every key that the glob matches is forgotten, in steps, and the others stay."""
    world = World()
    for number in range(3000):
        world.write(SetValue(b"user:%d" % number, b"v"))
        world.write(SetValue(b"item:%d" % number, b"v"))
    world.pass_s(0.1)
    turns = world.loop.turns
    walked = world.reads.invalidate_match(b"user:*")
    assert not walked.done()
    world.now()
    assert walked.done()
    assert world.loop.turns > turns + 1
    assert all(world.memory(b"user:%d" % number) is None for number in range(3000))
    assert all(world.memory(b"item:%d" % number) == Found(b"v") for number in range(3000))


def test_two_invalidations_by_pattern_at_once():
    """The second waits for the first; both are complete."""
    world = World()
    for number in range(3000):
        world.write(SetValue(b"user:%d" % number, b"v"))
    world.pass_s(0.1)
    first, second = world.reads.invalidate_match(b"user:*1"), world.reads.invalidate_match(b"user:*2")
    world.now()
    assert first.done() and second.done()
    left = [number for number in range(3000) if world.memory(b"user:%d" % number) is not None]
    assert left == [number for number in range(3000) if number % 10 not in (1, 2)]


def test_flushing_memory_forgets_everything():
    """Fills in the air included."""
    world = world_with(b"a", b"b")
    world.ask(b"c")
    world.now()
    world.reads.flush_memory()
    world.pass_s(0.01)
    assert [world.memory(key) for key in (b"a", b"b", b"c")] == [None, None, None]
    assert world.misses.fills_dropped["invalidated"] == 1
