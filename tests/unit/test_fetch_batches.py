"""All misses of one turn, over all clients, leave as one ``fetch_many``; rows, not fields, are the unit (F5)."""

from collections import Counter

from bounded_limiter import BoundedLimiter
from miss_path_world import World

from sidecar.fetch.answers import Unavailable
from sidecar.origins.base import ABSENT, Cause, HashSet, Read


def test_all_misses_of_a_turn_leave_as_one_batch():
    """Hundreds of keys asked for in one turn are one call."""
    world = World()
    answers = [world.ask(b"key:%d" % number) for number in range(500)]
    world.reads.flush()
    world.pass_s(0.1)
    assert [len(batch) for batch in world.origin.reads] == [500]
    assert all(answer == [ABSENT] for answer in answers)
    assert world.misses.batches["read"] == 1
    assert world.misses.requests["read", "absent"] == 500


def test_fields_of_one_row_are_one_read():
    """Readers of one row in one turn ask for it once, for all their fields."""
    world = World(reads_whole=False)
    for fields in ((b"a",), (b"b", b"a"), (b"c",)):
        world.ask(b"h", *fields)
    world.ask(b"other", b"a")
    world.pass_s(0.1)
    assert world.origin.reads == [[Read(b"h", (b"a", b"b", b"c")), Read(b"other", (b"a",))]]


def test_a_reader_of_the_whole_row_widens_the_read():
    """HGETALL beside HMGET: the row is read whole, once."""
    world = World(reads_whole=False)
    world.behind_our_back(HashSet(b"h", {b"a": b"1", b"b": b"2"}))
    some, whole = world.ask(b"h", b"a"), world.ask(b"h")
    world.pass_s(0.1)
    assert world.origin.reads == [[Read(b"h", None)]]
    assert some == whole


def test_a_batch_is_cut_at_what_the_origin_takes():
    """More rows than max_reads_per_fetch are several calls, each within it."""
    world = World()
    world.origin.max_reads_per_fetch = 100
    for number in range(250):
        world.ask(b"key:%d" % number)
    world.pass_s(0.1)
    assert [len(batch) for batch in world.origin.reads] == [100, 100, 50]


def test_what_finds_no_place_leaves_with_later_misses():
    """With one place, the misses of many turns gather into the next batch."""
    world = World(limiter=BoundedLimiter(1))
    answers = []
    for number in range(20):
        answers.append(world.ask(b"key:%d" % number))
        world.now()
    assert world.misses.waiting == 19
    world.pass_s(0.1)
    assert [len(batch) for batch in world.origin.reads] == [1, 19]
    assert all(answer == [ABSENT] for answer in answers)
    assert world.misses.waiting == 0


def test_a_row_that_nobody_waits_for_any_more_is_not_asked_for():
    """A queue that is longer than deadlines are does not burden the origin with what nobody wants."""
    world = World(limiter=BoundedLimiter(1))
    world.origin.delay_s = None
    world.ask(b"slow")
    world.now()
    late = world.ask(b"quick:1")
    world.pass_s(0.05)
    assert late[0].error == b"TIMEOUT the origin did not answer within 40ms"
    world.origin.answer_next()
    world.pass_s(0.1)
    assert world.origin.reads == [[Read(b"slow", None)]]


def test_too_many_waiting_rows_are_refused_at_once():
    """The queue has a cap, whoever joins a row that waits is still welcome."""
    world = World(limiter=BoundedLimiter(0), max_waiting=3)
    for number in range(3):
        world.ask(b"key:%d" % number)
    refused, joined = world.ask(b"key:3"), world.ask(b"key:1")
    assert refused == [Unavailable(b"OVERLOADED too many requests wait for the origin", Cause.OVERLOADED)]
    assert joined == []


def test_a_long_batch_lands_in_several_steps():
    """Answers to many rows do not hold the loop for long."""
    world = World()
    turns: list[int] = []
    for number in range(250):
        world.reads.read(b"key:%d" % number, None, lambda answer: turns.append(world.loop.turns))
    world.pass_s(0.1)
    assert sorted(Counter(turns).values()) == [50] * 5


def test_an_origin_that_breaks_its_contract_fails_its_readers_only():
    """Too few answers, or an exception of no known kind: reported, and answered as a storage failure."""
    world = World()
    world.origin.broken = RuntimeError("bug")
    answer = world.ask(b"k")
    world.pass_s(0.1)
    assert answer == [Unavailable(b"UNAVAILABLE the origin is down: storage failure", Cause.STORAGE)]
    assert [str(error["exception"]) for error in world.loop.errors] == ["bug"]
    world.origin.broken = None
    world.pass_s(2)
    assert world.fill(b"k") == ABSENT

    async def miscount(reads: object, deadline: object) -> list[object]:
        return []

    world.origin.fetch_many = miscount
    assert world.fill(b"other") == answer[0]


def test_an_answer_that_memory_chokes_on_costs_the_batch_nothing():
    """A bug there is reported; its reader runs into its deadline, the others are answered."""
    world = World()
    install = world.store.install

    class Choking:
        def __getattr__(self, name: str) -> object:
            return getattr(world.store, name)

        def install(self, key: bytes, *rest: object, **named: object) -> object:
            if key == b"bad":
                raise MemoryError("no")
            return install(key, *rest, **named)

    world.reads._landing._store = Choking()
    bad, good = world.ask(b"bad"), world.ask(b"good")
    world.pass_s(0.01)
    assert (bad, good) == ([], [ABSENT])
    world.pass_s(0.25)
    assert bad[0].cause is Cause.TIMEOUT
    assert not world.coherence.fills
    assert [str(error["exception"]) for error in world.loop.errors] == ["no"]
