"""The touch log: which hits are handed over to prefetching, how often, and what is sampled for learning."""

from collections.abc import Iterable

import pytest

from sidecar.prefetch import TouchLog

ALONE, JOINT = 1, 2
PAUSE = 10


@pytest.fixture
def log() -> TouchLog:
    made = TouchLog()
    made.watch({1: (ALONE, PAUSE), 2: (JOINT, PAUSE)})
    return made


def part(
    log: TouchLog, now: int, *touched: tuple[bytes, int], added: Iterable[bytes] = (), connection: int = 1
) -> None:
    """One connection's part of a turn."""
    log.begin(connection, now)
    for key, rule in touched:
        log.touch(key, rule)
    if added:
        log.add(list(added))
    log.end()


def test_a_hit_is_handed_over_once_in_a_pause(log: TouchLog) -> None:
    """Whichever connections touch it; keys of rules that are not watched never are."""
    for now in range(100, 120):
        part(log, now, (b"a", 1), (b"b", 0), connection=now % 3)
    assert log.take() == ([[b"a"], [b"a"]], [])
    assert log.take() == ([], [])


def test_misses_are_always_handed_over(log: TouchLog) -> None:
    """In one group with the hits of the same request."""
    for now in (100, 101):
        part(log, now, (b"a", 1), added=[b"m"])
    assert log.take()[0] == [[b"m", b"a"], [b"m"]]


def test_what_needs_several_keys_is_handed_over_when_the_combination_is_new(log: TouchLog) -> None:
    """All of the joint keys then, however lately each of them was seen."""
    part(log, 100, (b"u1", 2), (b"i1", 2))
    part(log, 101, (b"u1", 2), (b"i2", 2))
    part(log, 102, (b"i1", 2), (b"u1", 2))
    part(log, 103, (b"u1", 2), added=[b"i3"])
    assert log.take()[0] == [[b"u1", b"i1"], [b"u1", b"i2"], [b"i3", b"u1"]]


def test_hits_are_handed_over_no_more_often_than_allowed(log: TouchLog) -> None:
    """A second of new keys, a thousand a tick: what the allowance lets, and as much again in the next second."""
    log.allowance_per_tick = 10
    for now in range(1000, 1100):
        for number in range(100):
            part(log, now, *((b"%d:%d:%d" % (now, number, key), 1) for key in range(10)))
    handed = sum(len(keys) for keys in log.take()[0])
    assert 900 <= handed <= 1100


def test_a_group_of_a_flood_is_bounded(log: TouchLog) -> None:
    """Keys past the log's room are left out, not written past its end."""
    part(log, 100, *((b"%d" % key, 1) for key in range(5000)), added=(b"m%d" % key for key in range(10)))
    (group,) = log.take()[0]
    assert 10 < len(group) <= 1100


def test_a_sample_is_what_one_connection_asks_for_in_a_while(log: TouchLog) -> None:
    """Hits and misses in order with their ticks, of that connection alone; then a pause."""
    log.watch({})
    log.take_samples(window=10, pause=20)
    part(log, 100, (b"a", 0), (b"b", 5))
    part(log, 101, (b"x", 0), connection=2)
    part(log, 105, (b"c", 0), added=[b"d"])
    part(log, 110, (b"late", 0))
    part(log, 120, (b"pause", 0))
    assert log.take() == ([], [[(0, 1, b"a"), (0, 1, b"b"), (5, 2, b"c"), (5, 2, b"d")]])
    part(log, 131, (b"e", 0), (b"f", 0), connection=2)
    part(log, 145, (b"g", 0), connection=2)
    assert log.take()[1] == [[(0, 1, b"e"), (0, 1, b"f")]]


def test_a_sample_is_bounded() -> None:
    """A busy connection fills one of some two hundred keys."""
    log = TouchLog()
    log.take_samples(window=10, pause=0)
    for now in range(100, 111):
        part(log, now, *((b"%d:%d" % (now, key), 0) for key in range(500)))
    ((sample,),) = (log.take()[1],)
    assert len(sample) <= 200


def test_a_log_that_has_nothing_to_do_is_not_active() -> None:
    """The poller then passes it by; a log told to stop forgets what it had begun."""
    log = TouchLog()
    assert not log.active
    part(log, 100, (b"a", 1))
    log.watch({1: (ALONE, PAUSE)})
    assert log.active
    log.begin(1, 100)
    log.touch(b"a", 1)
    log.watch({})
    log.end()
    assert not log.active
    assert log.take() == ([], [])
    log.watch({}, misses=True)
    part(log, 100, (b"a", 1), added=[b"m"])
    assert log.take()[0] == [[b"m"]]
