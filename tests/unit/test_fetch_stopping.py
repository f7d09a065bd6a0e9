"""The end of the process: what has not been sent stays here, and no open write's value gets into a snapshot."""

from miss_path_world import World

from sidecar.memory._restore import Frame
from sidecar.memory._snapshot import SnapshotWalk
from sidecar.origins.base import Applied, Cause, Found, HashSet, Refusal, Refused, SetValue

NOT_SENT = Refused(Refusal.NOT_SENT, Cause.TIMEOUT)


def snapshot(world: World) -> tuple[list[bytes], bytes]:
    """Keys of a snapshot with values, and all of its bytes."""
    frame = SnapshotWalk(world.store, True).step(1 << 20, 1 << 20)
    assert frame is not None
    return sorted(Frame(frame).keys()), frame


def test_only_the_key_of_a_write_that_is_at_the_origin_is_kept():
    """It may be applied or not; the value from before it must not come back, nor may one that is not applied."""
    world = World(reads_whole=False)
    for key in (b"string", b"row", b"quiet"):
        world.write(SetValue(key, b"old") if key != b"row" else HashSet(key, {b"a": b"old", b"b": b"old"}))
    world.pass_s(0.1)
    world.origin.delay_s = None
    answers = world.write(SetValue(b"string", b"new"))
    world.write(HashSet(b"row", {b"a": b"new"}))
    world.now()
    world.origin.delay_s = 0.001
    world.fill(b"row", b"b")  # of a field that the write does not touch: it may come in beside the mark
    world.writes.stop()
    keys, frame = snapshot(world)
    assert keys == [b"quiet", b"row", b"string"]
    assert frame.count(b"old") == 1, "quiet's, and no other"
    assert b"new" not in frame and answers == []
    world.origin.answer_next()
    world.pass_s(0.1)
    assert isinstance(answers[0], Applied), "whoever still waits is told"
    assert world.memory(b"string") == Found(b"new")


def test_what_was_not_sent_is_refused_and_never_sent():
    """Waiting for a place or behind its key, or coming after the stop: the client knows that it did not happen."""
    world = World()
    world.write(SetValue(b"k", b"old"))
    world.write(SetValue(b"other", b"old"))
    world.pass_s(0.1)
    world.origin.delay_s = None
    world.write(SetValue(b"k", b"sent"))
    world.now()
    behind = world.write(SetValue(b"k", b"behind"))
    world.now()
    queued = world.write(SetValue(b"other", b"queued"))
    world.writes.begin([b"other"])  # an EXEC holds its keys before it is sent
    world.writes.stop()
    late = world.write(SetValue(b"other", b"late"))
    assert behind == queued == [NOT_SENT]
    assert late == [Refused(Refusal.NOT_SENT, Cause.OVERLOADED)]
    keys, frame = snapshot(world)
    assert keys == [b"k", b"other"] and frame.count(b"old") == 1, "other's value still stands; k's is open"
    sent = len(world.origin.writes)
    world.origin.delay_s = 0.001
    world.origin.answer_next()
    world.pass_s(5)
    assert len(world.origin.writes) == sent
    assert world.memory(b"k") == Found(b"sent")
