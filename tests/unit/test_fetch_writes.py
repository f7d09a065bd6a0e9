"""Writes: batches, order on a key, deadlines, and what readers see meanwhile."""

import pytest
from bounded_limiter import BoundedLimiter
from miss_path_world import World

from sidecar.origins.base import (
    UNKNOWN,
    Applied,
    Cause,
    Delete,
    Found,
    HashSet,
    OriginTimeout,
    OriginUnavailable,
    Refusal,
    Refused,
    SetValue,
)
from sidecar.resilience.deadline import Deadline

SET = Applied((True, None))


def test_all_writes_of_a_turn_leave_as_one_batch():
    """Different keys, and several of one key in their order."""
    world = World()
    writes = [SetValue(b"key:%d" % (number % 70), b"%d" % number) for number in range(100)]
    answers = [world.write(write) for write in writes]
    world.writes.flush()
    world.pass_s(0.1)
    assert world.origin.writes == [writes]
    assert answers == [[SET]] * 100
    assert world.memory(b"key:5") == Found(b"75")
    assert world.misses.requests["write", "applied"] == 100


def test_later_writes_of_a_key_wait_for_the_batch_in_the_air():
    """Two calls of the origin never hold one key; what waited leaves together, in order."""
    world = World()
    world.write(SetValue(b"k", b"1"))
    world.now()
    world.write(SetValue(b"k", b"2"))
    world.write(SetValue(b"other", b"x"))
    world.now()
    world.write(SetValue(b"k", b"3"))
    world.now()
    sent = [[(write.key, write.value) for write in batch] for batch in world.origin.writes]
    assert sent == [[(b"k", b"1")], [(b"other", b"x")]]
    world.pass_s(0.1)
    sent = [[(write.key, write.value) for write in batch] for batch in world.origin.writes]
    assert sent[2:] == [[(b"k", b"2"), (b"k", b"3")]]
    assert world.memory(b"k") == Found(b"3")


def test_order_holds_when_a_write_is_queued_as_others_wait():
    """A write submitted while older ones wait behind the air goes after them, whatever the queue looks like."""
    world = World(limiter=BoundedLimiter(writes=1))
    world.write(SetValue(b"k", b"1"))
    world.now()
    for value in (b"2", b"3", b"4"):
        world.write(SetValue(b"k", value))
        world.now()
    world.pass_s(0.1)
    values = [write.value for batch in world.origin.writes for write in batch]
    assert values == [b"1", b"2", b"3", b"4"]
    assert world.memory(b"k") == Found(b"4")


def test_a_reader_during_a_write_waits_for_it_and_gets_what_was_written():
    """No read of the origin is needed."""
    world = World()
    write = world.write(SetValue(b"k", b"v"))
    answer = world.ask(b"k")
    world.pass_s(0.1)
    assert (write, answer) == ([SET], [Found(b"v")])
    assert world.origin.reads == []


def test_a_reader_shares_no_flight_that_is_older_than_a_write_under_way():
    """It waits for the write; the older flight's own reader may get the old value."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"old"))
    world.origin.delay_s, world.origin.reads_early = 0.005, True
    old = world.ask(b"k")
    world.now()
    world.write(SetValue(b"k", b"new"))
    world.now()
    new = world.ask(b"k")
    world.pass_s(0.1)
    assert (old, new) == ([Found(b"old")], [Found(b"new")])


def test_patience_with_a_write_ends_at_half_the_deadline():
    """Then the reader asks the origin itself; its answer is given, not kept."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"old"))
    world.origin.delay_s = None
    world.write(SetValue(b"k", b"new"))
    answer = world.ask(b"k")
    world.pass_s(0.124)
    assert world.origin.reads == []
    world.pass_s(0.002)
    world.origin.answer_next(1)
    world.now()
    assert answer == [Found(b"old")]
    assert world.misses.fills_dropped["writer"] == 1
    world.origin.answer_next()
    world.now()
    assert world.memory(b"k") is None  # the reader may have seen a newer value than the write's


def test_what_a_write_reserves_is_not_read_from_memory_and_the_rest_is():
    """An HSET reserves the fields it names, other writes everything."""
    world = World()
    world.behind_our_back(HashSet(b"h", {b"a": b"1", b"b": b"2"}))
    world.fill(b"h")
    world.write(HashSet(b"h", {b"a": b"9"}))
    world.now()
    assert world.memory(b"h", b"a") is None
    assert world.memory(b"h", b"a", b"b") is None
    assert world.memory(b"h") is None
    assert world.reads.kind(b"h") is None
    assert world.memory(b"h", b"b").value == {b"b": b"2"}
    world.pass_s(0.1)
    assert world.memory(b"h").value == {b"a": b"9", b"b": b"2"}
    assert world.reads.kind(b"h") == b"hash"
    world.write(Delete(b"h"))
    world.now()
    assert world.memory(b"h", b"b") is None
    assert len(world.origin.reads) == 1


def test_a_write_begins_when_it_is_sent():
    """Until then memory answers for what it will change, also while it waits behind another write of its key."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"old"))
    world.fill(b"k")
    world.write(SetValue(b"k", b"1"))
    assert world.memory(b"k") == Found(b"old")
    world.now()
    assert world.memory(b"k") is None
    world.write(SetValue(b"k", b"2"))
    seen = []
    world.writes.submit(SetValue(b"k", b"3"), lambda answer: seen.append((answer, world.memory(b"k"))))
    world.pass_s(0.0015)
    assert [write.value for batch in world.origin.writes for write in batch] == [b"1", b"2", b"3"]
    assert world.memory(b"k") is None
    world.pass_s(0.1)
    assert seen == [(SET, Found(b"3"))]
    assert len(world.origin.reads) == 1


def test_a_write_may_be_told_to_begin_before_it_is_sent():
    """In the queue or behind another; writes of other keys do not; the end of the one before does not end it."""
    world = World(limiter=BoundedLimiter(writes=1))
    for key in (b"k", b"other"):
        world.behind_our_back(SetValue(key, b"old"))
        world.fill(key)
    world.write(SetValue(b"k", b"1"))
    world.now()
    world.write(SetValue(b"k", b"2"))
    world.write(SetValue(b"other", b"1"))
    world.now()  # there is no place for them
    world.writes.begin((b"k", b"absent"))
    assert len(world.coherence.marks[b"k"]) == 2
    assert world.memory(b"other") == Found(b"old")
    world.origin.delay_s = None
    world.pass_s(0.01)
    assert world.memory(b"k") is None
    world.origin.answer_next()
    world.now()
    assert world.memory(b"k") == Found(b"2")
    assert not world.coherence.marks


def test_what_waits_behind_a_write_in_the_air_can_begin_too():
    """It is in no queue then."""
    world = World()
    world.origin.delay_s = None
    world.write(SetValue(b"k", b"1"))
    world.now()
    late = world.write(SetValue(b"k", b"2"), deadline=Deadline.after(10, world.clock.now_ns()))
    world.now()
    world.writes.begin((b"k",))
    world.writes.begin((b"k",))
    assert len(world.coherence.marks[b"k"]) == 2
    world.pass_s(0.02)
    assert late == [Refused(Refusal.NOT_SENT, Cause.TIMEOUT)]
    assert len(world.coherence.marks[b"k"]) == 1


def test_reserved_fields_are_not_served_while_the_origin_fails_either():
    """stale-if-error and nil go by the same reservations."""
    world = World()
    world.behind_our_back(HashSet(b"soft:1", {b"a": b"1", b"b": b"2"}))
    world.fill(b"soft:1")
    world.origin.delay_s = None
    world.write(HashSet(b"soft:1", {b"a": b"9"}))
    answer = world.ask(b"soft:1", b"a", b"b")
    world.pass_s(0.3)
    assert answer == [Found({b"b": b"2"}, whole=False)]


def test_an_unknown_outcome_keeps_the_key_out_of_memory_until_it_is_verified():
    """Dropped, read through for the operation timeout and a second, then read to see what became of it."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"old"))
    world.fill(b"k")
    world.origin.broken = OriginTimeout()
    assert world.write(SetValue(b"k", b"new")) == []
    world.pass_s(0.01)
    world.origin.broken = None
    assert world.memory(b"k") is None
    assert world.fill(b"k") == Found(b"old")
    assert world.memory(b"k") is None
    assert world.misses.fills_dropped["quarantine"] == 1
    world.behind_our_back(SetValue(b"k", b"new"))  # it happened after all
    reads = len(world.origin.reads)
    world.pass_s(2.9)
    assert len(world.origin.reads) == reads
    world.pass_s(0.2)
    assert len(world.origin.reads) == reads + 1
    assert world.memory(b"k") == Found(b"new")


def test_another_unknown_outcome_prolongs_the_quarantine():
    """It lasts until the latest of them can no longer happen."""
    world = World()
    world.origin.broken = OriginTimeout()
    world.write(SetValue(b"k", b"1"))
    world.pass_s(2)
    world.write(SetValue(b"k", b"2"))
    world.pass_s(2)
    assert b"k" in world.quarantine
    world.pass_s(1.1)
    assert b"k" not in world.quarantine


def test_a_write_in_quarantine_is_applied_and_not_kept():
    """The write before may still come after it."""
    world = World()
    world.origin.broken = OriginTimeout()
    world.write(SetValue(b"k", b"1"))
    world.pass_s(0.01)
    world.origin.broken = None
    answer = world.write(SetValue(b"k", b"2"))
    world.pass_s(0.01)
    assert answer == [SET]
    assert world.memory(b"k") is None


def test_a_fill_that_was_sent_in_quarantine_is_not_kept_after_it():
    """It may have read the origin before the write happened."""
    world = World()
    world.origin.broken = OriginTimeout()
    world.write(SetValue(b"k", b"1"))
    world.pass_s(2.9)
    world.origin.broken, world.origin.delay_s = None, 0.2
    world.ask(b"k")
    world.pass_s(0.15)
    assert b"k" not in world.quarantine
    world.pass_s(0.06)
    assert world.misses.fills_dropped["written"] == 1


def test_a_refused_write_leaves_memory_as_it_was():
    """Certain that nothing was applied: the value stays readable."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"v"))
    world.fill(b"k")
    world.origin.broken = OriginUnavailable(Cause.CONNECTION_LOST)
    answer = world.write(SetValue(b"k", b"new"))
    world.pass_s(0.01)
    assert answer == [Refused(Refusal.NOT_SENT, Cause.CONNECTION_LOST)]
    assert world.memory(b"k") == Found(b"v")


def test_a_wrong_type_is_taken_as_news():
    """Memory may hold the other kind: it is dropped."""
    world = World()
    world.fill(b"k")
    world.behind_our_back(SetValue(b"k", b"v"))
    answer = world.write(HashSet(b"k", {b"f": b"1"}))
    world.pass_s(0.01)
    assert answer == [Refused(Refusal.WRONG_TYPE)]
    assert world.memory(b"k") is None


def test_a_write_in_the_air_at_its_deadline_is_unknown():
    """Its client is told so; what it reserves stays closed until the origin is done with it."""
    world = World()
    world.origin.delay_s = None
    answer = world.write(SetValue(b"k", b"v"))
    world.pass_s(1.999)
    assert answer == []
    world.pass_s(0.002)
    assert answer == [UNKNOWN]
    assert world.memory(b"k") is None
    world.origin.answer_next()
    world.now()
    assert answer == [UNKNOWN]
    assert world.memory(b"k") == Found(b"v")


def test_a_write_that_was_not_sent_by_its_deadline_never_is():
    """NOT_SENT is certain; what waited behind it goes on."""
    world = World()
    world.origin.delay_s = None
    world.write(SetValue(b"k", b"1"))
    world.now()
    late = world.write(SetValue(b"k", b"2"), deadline=Deadline.after(100, world.clock.now_ns()))
    later = world.write(SetValue(b"k", b"3"))
    world.pass_s(0.11)
    assert late == [Refused(Refusal.NOT_SENT, Cause.TIMEOUT)]
    world.origin.delay_s = 0.001
    world.origin.answer_next()
    world.pass_s(0.1)
    assert later == [SET]
    assert [write.value for batch in world.origin.writes for write in batch] == [b"1", b"3"]
    assert world.memory(b"k") == Found(b"3")
    assert not world.coherence.marks


def test_too_many_waiting_writes_are_refused_at_once():
    """OVERLOADED, nothing sent, nothing reserved."""
    world = World(limiter=BoundedLimiter(writes=0), max_waiting=2)
    for value in (b"1", b"2"):
        world.write(SetValue(b"k", value))
    assert world.write(SetValue(b"other", b"3")) == [Refused(Refusal.NOT_SENT, Cause.OVERLOADED)]
    assert b"other" not in world.coherence.marks


def test_a_writer_that_fails_on_its_answer_costs_the_others_nothing():
    """The exception is reported; others are answered, readers that waited too."""
    world = World()

    def fail(answer: object) -> None:
        raise RuntimeError("broken writer")

    world.writes.submit(SetValue(b"k", b"v"), fail)
    other, reader = world.write(SetValue(b"other", b"v")), world.ask(b"k")
    world.pass_s(0.01)
    assert (other, reader) == ([SET], [Found(b"v")])
    assert [str(error["exception"]) for error in world.loop.errors] == ["broken writer"]


def test_a_cancelled_writer_does_not_take_its_write_back():
    """What was submitted is applied and shown."""
    world = World()
    task = world.loop.create_task(world.writes.apply(SetValue(b"k", b"v")))
    world.loop.turn()
    task.cancel()
    world.pass_s(0.01)
    assert task.cancelled()
    assert world.memory(b"k") == Found(b"v")
    assert world.loop.run(world.writes.apply(SetValue(b"k", b"w"))) == SET


def test_an_exception_of_the_origin_leaves_the_outcome_unknown():
    """A bug in the origin is reported and not taken for a refusal."""
    world = World()
    world.origin.broken = RuntimeError("bug")
    answer = world.write(SetValue(b"k", b"v"))
    world.pass_s(0.01)
    assert answer == [UNKNOWN]
    assert [str(error["exception"]) for error in world.loop.errors] == ["bug"]


@pytest.mark.parametrize("answers_given", [0, 2])
def test_an_origin_with_too_few_or_many_answers_leaves_outcomes_unknown(answers_given):
    """One answer a write, or none can be believed."""
    world = World()

    async def miscount(writes, deadline):
        return [SET] * answers_given

    world.origin.write_many = miscount
    answer = world.write(SetValue(b"k", b"v"))
    world.pass_s(0.01)
    assert answer == [UNKNOWN]
    assert b"k" in world.quarantine


def test_older_writes_of_a_key_go_before_newer_ones_that_wait_for_a_place():
    """What waited behind the air is older than what is still queued."""
    world = World(limiter=BoundedLimiter(writes=2))
    world.origin.delay_s = None
    world.write(SetValue(b"k", b"1"))
    world.now()
    world.write(SetValue(b"k", b"2"))
    world.now()
    world.write(SetValue(b"k", b"3"))
    world.now()
    world.write(SetValue(b"other", b"x"))
    world.now()  # no place is left
    world.write(SetValue(b"k", b"4"))
    world.origin.delay_s = 0.001
    world.origin.answer_next()
    world.pass_s(0.1)
    assert [write.value for batch in world.origin.writes for write in batch] == [b"1", b"x", b"2", b"3", b"4"]


def test_places_to_wait_are_given_back():
    """By writes that were sent and by those that were not."""
    world = World(limiter=BoundedLimiter(writes=1), max_waiting=2)
    for _ in range(3):
        answers = [world.write(SetValue(b"k", b"v")) for _ in range(2)]
        world.pass_s(0.1)
        assert answers == [[SET], [SET]]
    world.origin.delay_s = None
    world.write(SetValue(b"k", b"v"))
    world.now()
    for _ in range(3):
        late = [world.write(SetValue(b"k", b"v"), deadline=Deadline.after(10, world.clock.now_ns())) for _ in range(2)]
        world.pass_s(0.1)
        assert late == [[Refused(Refusal.NOT_SENT, Cause.TIMEOUT)]] * 2


def test_a_reader_does_not_wait_for_a_write_that_waits_for_a_place():
    """It has not begun."""
    world = World(limiter=BoundedLimiter(writes=0))
    world.write(SetValue(b"k", b"v"))
    world.ask(b"k")
    world.now()
    assert len(world.origin.reads) == 1


def test_a_reader_that_waits_for_a_write_is_let_go_when_that_is_not_sent():
    """One that was told to begin, and never was sent: no need to wait for its own patience to end."""
    world = World(limiter=BoundedLimiter(writes=0))
    world.write(SetValue(b"k", b"v"), deadline=Deadline.after(10, world.clock.now_ns()))
    world.writes.begin((b"k",))
    world.ask(b"k")
    world.pass_s(0.009)
    assert world.origin.reads == []
    world.pass_s(0.003)
    assert len(world.origin.reads) == 1


def test_a_miss_gathered_before_a_write_of_its_turn_waits_for_the_write():
    """Its answer could not be kept; memory will have it."""
    world = World()
    answer = world.ask(b"k")
    world.write(SetValue(b"k", b"v"))
    world.pass_s(0.1)
    assert answer == [Found(b"v")]
    assert world.origin.reads == []


def test_a_fill_that_lands_after_a_write_gives_what_the_write_left():
    """The older answer is not given, so memory need not forget the newer one."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"old"))
    world.origin.delay_s, world.origin.reads_early = None, True
    reader = world.ask(b"k")
    world.now()
    world.write(SetValue(b"k", b"new"))
    world.now()
    world.origin.answer_next(1)
    world.now()
    world.origin.answer_next(0)
    world.now()
    assert reader == [Found(b"new")]
    assert world.memory(b"k") == Found(b"new")
    assert world.misses.fills_dropped["written"] == 1


def test_a_reader_past_memory_gets_the_origins_answer_though_a_write_came_between():
    """Then memory forgets what it covers."""
    world = World()
    world.behind_our_back(SetValue(b"k", b"old"))
    world.origin.delay_s, world.origin.reads_early = None, True
    reader = world.ask(b"k", bypass=True)
    world.now()
    world.write(SetValue(b"k", b"new"))
    world.now()
    world.origin.answer_next(1)
    world.now()
    world.origin.answer_next(0)
    world.now()
    assert reader == [Found(b"old")]
    assert world.memory(b"k") is None


def test_a_reader_waits_for_a_write_and_for_an_older_flight():
    """The end of the write alone would let fills cross."""
    world = World()
    world.origin.delay_s = None
    world.ask(b"k")
    world.now()
    world.write(HashSet(b"k", {b"a": b"1"}))
    world.now()
    late = world.ask(b"k", b"b")
    world.origin.answer_next(1)
    world.now()
    assert len(world.origin.reads) == 1
    world.origin.answer_next(0)
    world.now()
    world.origin.answer_next(0)
    world.now()
    assert late[0].value == {b"a": b"1"}
    assert len(world.origin.reads) == 2


def test_a_write_that_memory_chokes_on_is_still_answered():
    """A bug there is reported; the outcome stands, and the rest of the batch is as it should be."""
    world = World()
    install = world.store.install

    class Choking:
        def __getattr__(self, name):
            return getattr(world.store, name)

        def install(self, key, *rest):
            if key == b"k":
                raise MemoryError("no")
            return install(key, *rest)

    world.writes._store = Choking()
    answers = [world.write(SetValue(b"k", b"v")), world.write(SetValue(b"other", b"v"))]
    world.pass_s(0.01)
    assert answers == [[SET], [SET]]
    assert world.memory(b"k") is None
    assert world.memory(b"other") == Found(b"v")
    assert not world.coherence.marks
    assert [str(error["exception"]) for error in world.loop.errors] == ["no"]


def test_a_write_beside_another_closes_what_a_fill_brought_between_them():
    """The row is not in memory when the first begins, is when the second does: the hot path must hear of that one."""
    world = World(reads_whole=False)
    world.behind_our_back(HashSet(b"h", {b"a": b"1", b"b": b"2"}))
    world.origin.delay_s = 0.05
    world.write(HashSet(b"h", {b"a": b"9"}))
    world.now()
    world.origin.delay_s = 0.001
    world.fill(b"h", b"b")
    assert world.store.lookup(b"h", (b"b",)) == Found({b"b": b"2"}, False)
    world.write(Delete(b"h"))
    world.writes.begin((b"h",))
    assert world.store.lookup(b"h", (b"b",)) is None
