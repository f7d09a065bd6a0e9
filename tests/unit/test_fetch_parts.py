"""The small parts of the miss path: error texts, alarms, the turn's clock, failing rows, quarantine, limiter."""

import pytest
from virtual_loop import VirtualLoop

from sidecar.clock import ManualClock, ceil_tick
from sidecar.fetch.alarms import YOUNG_SLOTS, Alarms
from sidecar.fetch.errors import unavailable_error, write_error
from sidecar.fetch.failing_rows import MAX_ROWS, FailingRows
from sidecar.fetch.quarantine import MAX_KEYS, Quarantine
from sidecar.fetch.turn_clock import TurnClock
from sidecar.origins.base import UNKNOWN, Cause, Refusal, Refused

RETRIED_BY_CLIENTS = (
    b"LOADING", b"BUSY", b"TRYAGAIN", b"CLUSTERDOWN", b"MASTERDOWN", b"READONLY", b"MOVED", b"ASK",
)  # fmt: skip


def test_error_texts():
    """Word for word as documented."""
    assert unavailable_error(Cause.TIMEOUT, 250) == b"TIMEOUT the origin did not answer within 250ms"
    assert unavailable_error(Cause.OVERLOADED, 250) == b"OVERLOADED too many requests wait for the origin"
    assert unavailable_error(Cause.DNS, 250) == b"UNAVAILABLE the origin is down: host not found"
    assert write_error(UNKNOWN) == b"UNKNOWN the write may or may not have been applied"
    assert write_error(Refused(Refusal.NOT_SENT, Cause.BREAKER_OPEN)) == (
        b"UNAVAILABLE the origin is down: breaker open"
    )
    assert write_error(Refused(Refusal.DOCUMENT_TOO_LARGE)) == (
        b"ERR the origin refused the write: document larger than 20 MiB"
    )
    assert write_error(Refused(Refusal.WRONG_TYPE)).startswith(b"WRONGTYPE ")


@pytest.mark.parametrize("cause", Cause)
def test_no_error_makes_clients_retry(cause):
    """Certain first words would multiply the load."""
    texts = [unavailable_error(cause, 1), write_error(Refused(Refusal.NOT_SENT, cause)), write_error(UNKNOWN)]
    texts += [write_error(Refused(reason)) for reason in Refusal]
    assert not any(text.startswith(RETRIED_BY_CLIENTS) for text in texts)


def test_alarms_share_a_timer_and_ring_in_time():
    """Never early, at most two milliseconds late, whatever the order they were set in."""
    loop = VirtualLoop()
    rung: list[tuple[int, int]] = []
    alarms = Alarms(loop, loop.clock, lambda at_ns: rung.append((at_ns, loop.clock.now_ns())))
    start = loop.clock.now_ns()
    wanted = [start + offset for offset in (5_000_000, 1, 5_000_000, 4_200_000, 4_900_000, 0, 700)]
    for at_ns in wanted:
        alarms.add(at_ns, at_ns)
    assert len(loop._timers) == 3
    loop.settle()
    assert sorted(at_ns for at_ns, _ in rung) == sorted(wanted)
    assert all(0 <= now_ns - at_ns <= 2_000_000 for at_ns, now_ns in rung)


def test_an_alarm_waits_for_its_own_clock():
    """Where the loop's clock runs ahead, nobody is woken before time."""
    clock = ManualClock()
    loop = VirtualLoop(ManualClock())
    rung: list[str] = []
    alarms = Alarms(loop, clock, rung.append)
    alarms.add(clock.now_ns() + 2_000_000, "a")
    loop.settle(0.0021)
    assert rung == []
    clock.advance(0.002)
    loop.settle(0.1)
    assert rung == ["a"]


def test_an_alarm_may_be_set_while_it_rings():
    """Even for the same moment."""
    loop = VirtualLoop()
    rung: list[int] = []

    def again(left: int) -> None:
        rung.append(left)
        if left:
            alarms.add(at_ns, left - 1)

    alarms = Alarms(loop, loop.clock, again)
    at_ns = loop.clock.now_ns() + 1_000_000
    alarms.add(at_ns, 2)
    loop.settle()
    assert rung == [2, 1, 0]
    alarms.add(at_ns, 0)
    loop.settle()
    assert rung == [2, 1, 0, 0]


def test_alarms_let_go_of_what_is_over():
    """An answered request is not held until a deadline that may be a minute away; the others still ring."""
    loop = VirtualLoop()
    rung: list[bytearray] = []
    alarms = Alarms(loop, loop.clock, rung.append, is_over=lambda item: bool(item))
    items = [bytearray() for _ in range(1000)]
    for number, item in enumerate(items):
        alarms.add(loop.clock.now_ns() + 60_000_000_000 + number * 1_000_000, item)
        if number % 10:
            item += b"over"
    held = sum(map(len, alarms._slots.values()))
    assert 100 <= held <= 100 + 2 * YOUNG_SLOTS
    assert len(alarms._slots) <= held
    loop.settle(61)
    assert [item for item in rung if not item] == items[::10]


class CountingClock(ManualClock):
    """Counts how often it is read."""

    reads = 0

    def now_ns(self) -> int:
        self.reads += 1
        return super().now_ns()


class Told:
    """A memory tier that is only told the time."""

    now = 0
    wall_ms = 0


def test_the_clock_is_read_once_a_turn_and_told_to_memory():
    """Requests of a turn share deadlines; the next turn has its own time."""
    clock, store = CountingClock(), Told()
    loop = VirtualLoop(clock)
    turn = TurnClock(loop, clock, store)  # type: ignore[arg-type]
    first = turn.deadline(250)
    assert turn.deadline(250) is first
    assert turn.deadline(40).at_ns == clock.ns + 40_000_000
    assert (clock.reads, store.now, store.wall_ms) == (1, ceil_tick(clock.ns), clock.wall)
    loop.settle(0)
    clock.advance(1)
    assert turn.deadline(250).at_ns == first.at_ns + 10**9
    assert store.now == ceil_tick(clock.ns)


def test_failing_rows_are_bounded():
    """The longest known are forgotten first; a row that fails again counts as new."""
    rows = FailingRows()
    assert not rows
    for number in range(MAX_ROWS):
        rows.failed(b"%d" % number, number, Cause.TIMEOUT)
    rows.failed(b"5", 1, Cause.DNS)
    assert rows.state(b"0") == (0, Cause.TIMEOUT)
    rows.failed(b"one more", 2, Cause.DNS)
    assert rows.state(b"0") is None
    assert rows.state(b"5") == (1, Cause.DNS)
    assert rows.state(b"one more") == (2, Cause.DNS)
    rows.recovered(b"5")
    assert rows.state(b"5") is None


def test_quarantine_is_bounded_by_taking_in_everything():
    """More keys than are kept one by one: none may be cached until the last can no longer happen."""
    loop = VirtualLoop()
    ended: list[bytes] = []
    quarantine = Quarantine(loop, loop.clock, ended.append)
    for number in range(MAX_KEYS):
        quarantine.add(b"%d" % number, 100)
    assert b"never written" not in quarantine
    quarantine.add(b"one more", 2000)
    assert b"never written" in quarantine
    loop.settle(1.2)
    assert len(ended) == MAX_KEYS
    assert b"never written" in quarantine
    loop.settle(3.001)
    assert b"never written" not in quarantine
