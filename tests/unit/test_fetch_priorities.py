"""Who leaves first: reads that somebody waits for, then revalidation, then speculation."""

from bounded_limiter import BoundedLimiter
from miss_path_world import World

from sidecar.origins.base import ABSENT, Cause, Found, OriginUnavailable, Read, SetValue


def full_world() -> World:
    """A world whose one place at the origin is taken by a call that hangs."""
    world = World(limiter=BoundedLimiter(1))
    world.origin.max_reads_per_fetch = 2
    world.origin.delay_s = None
    world.ask(b"hangs")
    world.now()
    return world


def test_demand_leaves_before_revalidation():
    """Whatever waited first, a reader's row is asked for before one that is only refreshed."""
    world = full_world()
    world.reads.refill(b"refreshed")
    world.ask(b"wanted:1")
    world.ask(b"wanted:2")
    world.origin.answer_next()
    world.now()
    assert world.origin.reads[1:] == [[Read(b"wanted:1"), Read(b"wanted:2")]]
    world.origin.answer_next()
    world.now()
    assert world.origin.reads[2:] == [[Read(b"refreshed")]]


def test_a_reader_makes_a_refresh_urgent():
    """Who joins a refresh that waits does not wait behind other readers for it: it is demand from then on."""
    world = full_world()
    world.reads.refill(b"joined")
    answer = world.ask(b"joined")
    world.ask(b"later:1")
    world.ask(b"later:2")
    for _ in range(3):
        world.origin.answer_next()
        world.now()
    assert world.origin.reads[1:] == [[Read(b"joined"), Read(b"later:1")], [Read(b"later:2")]]
    assert answer == [ABSENT]


def test_speculation_reads_the_whole_row_and_tells_whether_it_was_kept():
    """What was speculated is a hit, read once; told in its own step of the loop."""
    world = World(reads_whole=False)
    world.behind_our_back(SetValue(b"k", b"v"))
    kept: list[bool] = []
    assert world.reads.speculate(b"k", kept.append) is True
    assert kept == []
    world.pass_s(0.01)
    assert kept == [True]
    assert world.memory(b"k") == Found(b"v")
    assert world.origin.reads == [[Read(b"k", None)]]


def test_speculation_on_a_row_under_way_rides_along():
    """A row that is already asked for is not asked for twice."""
    world = World()
    kept: list[bool] = []
    world.ask(b"gathering")
    assert world.reads.speculate(b"gathering", kept.append) is True
    world.now()
    assert world.reads.speculate(b"gathering", kept.append) is True
    world.pass_s(0.01)
    assert kept == [True, True]
    assert world.origin.reads == [[Read(b"gathering")]]


def test_speculation_is_turned_away_where_there_is_no_room_to_spare():
    """While reads wait for a place nothing is read on a guess, and ``then`` is not called."""
    world = full_world()
    kept: list[bool] = []
    assert world.reads.speculate(b"k", kept.append) is False
    world.pass_s(1)
    assert kept == []
    assert world.origin.reads == [[Read(b"hangs")]]


def test_speculation_that_failed_says_so_and_is_not_repeated_at_once():
    """A failing row is left alone for read_error_backoff, by speculation too."""
    world = World()
    world.origin.broken = OriginUnavailable(Cause.CONNECTION_REFUSED)
    kept: list[bool] = []
    assert world.reads.speculate(b"k", kept.append) is True
    world.pass_s(0.01)
    assert kept == [False]
    assert world.reads.speculate(b"k", kept.append) is False
    world.pass_s(1)
    assert world.reads.speculate(b"k", kept.append) is True


def test_an_answer_that_may_not_be_kept_is_told():
    """The row was invalidated while its speculative read was in the air."""
    world = World()
    kept: list[bool] = []
    world.reads.speculate(b"k", kept.append)
    world.now()
    world.reads.invalidate([b"k"])
    world.pass_s(0.01)
    assert kept == [False]
