"""One origin read per missing entry, whatever the crowd (F4)."""

import asyncio
import gc
from collections import Counter
from random import Random

import pytest
from miss_path_world import World

from sidecar.origins.base import ABSENT, Found, HashSet, Read, SetValue


def test_ten_thousand_misses_of_one_key_are_one_read_and_lose_nobody_to_cancellation():
    """10,000 concurrent readers, a third of them cancelled: one read, every other reader answered."""
    world, rng = World(), Random(4)
    world.behind_our_back(SetValue(b"k", b"v"))
    tasks = [world.loop.create_task(world.reads.get(b"k", None)) for _ in range(10_000)]
    world.loop.turn()
    for task in rng.sample(tasks, 3333):
        task.cancel()
    world.pass_s(1)
    done = [task.result() for task in tasks if not task.cancelled()]
    assert done == [Found(b"v")] * 6667
    assert world.origin.reads == [[Read(b"k", None)]]


def test_the_flight_goes_on_when_all_its_readers_are_cancelled():
    """What was asked for is kept for the next reader."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"v"))
    task = world.loop.create_task(world.reads.get(b"k", None))
    world.loop.turn()
    world.loop.turn()
    task.cancel()
    world.pass_s(0.1)
    assert task.cancelled()
    assert world.memory(b"k") == Found(b"v")


def test_later_readers_share_a_flight_that_covers_what_they_ask():
    """A row in the air answers for any of its fields."""
    world = World()
    world.behind_our_back(HashSet(b"h", {b"a": b"1", b"b": b"2"}))
    first = world.ask(b"h", b"a")
    world.now()
    second = world.ask(b"h", b"b", b"none")
    world.pass_s(0.1)
    assert first[0].value[b"a"] == b"1"
    assert second[0].value == {b"a": b"1", b"b": b"2"}
    assert world.origin.reads == [[Read(b"h", None)]]
    assert world.misses.joined == 1


def test_a_flight_that_does_not_cover_the_fields_is_not_shared_and_not_crossed():
    """Where a read of some fields is cheaper: other fields wait for the one in the air and leave together."""
    world = World(reads_whole=False)
    world.behind_our_back(HashSet(b"h", {b"a": b"1", b"b": b"2", b"c": b"3"}))
    answers = [world.ask(b"h", b"a")]
    world.now()
    answers += [world.ask(b"h", b"b"), world.ask(b"h", b"b", b"c")]
    world.now()
    assert len(world.origin.reads) == 1
    world.pass_s(0.1)
    assert [answer[0].value for answer in answers] == [{b"a": b"1"}, {b"b": b"2", b"c": b"3"}, {b"b": b"2", b"c": b"3"}]
    assert world.origin.reads == [[Read(b"h", (b"a",))], [Read(b"h", (b"b", b"c"))]]


def test_who_waited_for_a_flight_is_served_what_it_brought():
    """A reader that may not share a flight is answered from memory when that has filled it."""
    world = World()
    world.behind_our_back(HashSet(b"h", {b"a": b"1"}))
    world.ask(b"h", b"a")
    world.now()
    world.coherence.fills[b"h"][0].overtaken = True  # so that it may not be shared
    late = world.ask(b"h", b"a")
    world.now()
    world.coherence.fills[b"h"][0].overtaken = False
    world.pass_s(0.1)
    assert late[0].value == {b"a": b"1"}
    assert len(world.origin.reads) == 1


def test_patience_with_a_flight_in_the_air_ends_at_half_the_deadline():
    """A reader that may not share a flight that hangs asks the origin itself."""
    world = World()
    world.origin.delay_s = None
    world.ask(b"k")
    world.now()
    world.reads.invalidate([b"k"])
    late = world.ask(b"k")
    world.pass_s(0.124)
    assert len(world.origin.reads) == 1
    world.pass_s(0.002)
    assert len(world.origin.reads) == 2
    world.origin.answer_next(1)
    world.now()
    assert late == [ABSENT]


def test_a_reader_past_memory_shares_no_flight_that_was_sent_before():
    """``bypass`` means an origin read that begins after it."""
    world = World()
    world.origin.reads_early = True
    first = world.ask(b"k")
    world.now()
    world.behind_our_back(SetValue(b"k", b"new"))
    second = world.ask(b"k", bypass=True)
    world.pass_s(0.1)
    assert (first, second) == ([ABSENT], [Found(b"new")])
    assert world.memory(b"k") == Found(b"new")


def test_a_reader_that_fails_on_its_answer_costs_the_others_nothing():
    """The exception is reported, everybody else is answered, the next flight works."""
    world = World()

    def fail(answer: object) -> None:
        raise RuntimeError("broken reader")

    before = world.ask(b"k")
    world.reads.read(b"k", None, fail)
    after = world.ask(b"k")
    other = world.ask(b"other")
    world.pass_s(0.1)
    assert before == after == other == [ABSENT]
    assert [str(error["exception"]) for error in world.loop.errors] == ["broken reader"]


def test_a_reader_may_read_again_from_its_answer():
    """Callbacks run when all state is right."""
    world = World()
    answers: list[object] = []
    world.reads.read(b"k", None, lambda answer: world.reads.read(b"k", None, answers.append, bypass=True))
    world.pass_s(0.1)
    assert answers == [ABSENT]
    assert len(world.origin.reads) == 2


def test_get_many_answers_in_the_order_asked():
    """Some from memory, the others in one batch."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"v"))
    world.fill(b"k")
    world.behind_our_back(HashSet(b"h", {b"f": b"1"}))
    asked = [(b"none", None), (b"k", None), (b"h", (b"f",)), (b"k", None)]
    answers = world.loop.run(world.reads.get_many(asked))
    assert answers == [ABSENT, Found(b"v"), Found({b"f": b"1"}), Found(b"v")]
    assert world.origin.reads[1:] == [[Read(b"none", None), Read(b"h", None)]]
    assert world.loop.run(world.reads.get_many([])) == []


def test_cancelling_get_leaves_no_trace():
    """A cancelled reader gets no answer later."""
    world = World()
    task = world.loop.create_task(world.reads.get(b"k", None))
    world.loop.turn()
    task.cancel()
    world.pass_s(1)
    assert task.cancelled()
    assert not world.loop.errors
    assert isinstance(task, asyncio.Task)


@pytest.mark.parametrize("delay_s", [0.001, None])
def test_a_crowd_is_told_in_several_steps(delay_s):
    """Neither an answer nor a common deadline holds the loop for long."""
    world = World()
    world.origin.delay_s = delay_s
    turns: list[int] = []
    for _ in range(1050):
        world.reads.read(b"k", None, lambda answer: turns.append(world.loop.turns))
    world.pass_s(0.5)
    assert sorted(Counter(turns).values()) == [50, *[100] * 10]


def test_reads_and_writes_leave_nothing_to_the_garbage_collector():
    """A flight and its readers know each other, but not for longer than they must: the collector stops everything."""
    world = World()
    gc.disable()
    gc.freeze()  # what other tests left is not looked at
    try:
        for number in range(100):
            world.fill(b"k%d" % number)
            world.write(SetValue(b"k%d" % number, b"v"))
            world.pass_s(0.01)
        assert gc.collect() < 50
    finally:
        gc.unfreeze()
        gc.enable()
