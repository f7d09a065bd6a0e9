"""Whatever happens in whatever order, the control loops keep their bounds."""

from enum import Enum
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sidecar.fetch.flight import Flight
from sidecar.fetch.flight_queue import FlightQueue
from sidecar.resilience.breaker import FAILING_NS, FAILURES, LONGEST_PAUSE_NS, Breaker, BreakerState
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.limiter import CALLS, MOST, AdaptiveLimiter, Kind
from sidecar.resilience.overload import INTERVAL_NS, TARGET_NS, Overload
from sidecar.resilience.priority import Priority
from sidecar.resilience.retry_budget import LIFE_NS, RATIO, RetryBudget

MS = 1_000_000
CALLS_MADE = st.tuples(
    st.sampled_from(Kind),
    st.sampled_from(Priority),
    st.integers(1, 1000),  # documents wanted
    st.integers(0, 3_000_000_000),  # how long it takes
    st.booleans(),  # answered
)


@given(calls=st.lists(CALLS_MADE, max_size=200), keep=st.integers(0, 70), first=st.integers(1, MOST))
def test_the_limiter_keeps_its_bounds(calls: list[tuple[Kind, Priority, int, int, bool]], keep: int, first: int):
    """1 <= limit <= MOST; what is let out is within the limit, or one of its kind; all is given back; and with nothing
    under way demand may always send.
    """
    limiter = AdaptiveLimiter(first)
    under_way: list[tuple[Kind, int, int, bool, int]] = []
    now_ns = 1

    def end_one() -> None:
        nonlocal now_ns
        kind, documents, then, answered, took_ns = under_way.pop(0)
        now_ns += took_ns
        limiter.release(kind, documents, then, answered, took_ns, now_ns)
        assert 1 <= limiter.limit <= MOST

    for kind, priority, wanted, took_ns, answered in calls:
        room = limiter.room(kind, priority)
        assert room >= 0
        documents = min(room, wanted)
        if documents:
            before = limiter.in_use
            under_way.append((kind, documents, limiter.acquire(kind, documents), answered, took_ns))
            assert limiter.in_use <= max(limiter.limit, before + 1)
        assert sum(each[0] is kind for each in under_way) <= CALLS
        while len(under_way) > keep:
            end_one()
    while under_way:
        end_one()
    assert limiter.in_use == 0
    assert all(limiter.room(kind, Priority.DEMAND) >= 1 for kind in Kind)


@given(
    steps=st.lists(st.tuples(st.integers(0, 4_000_000_000), st.integers(0, 300), st.integers(0, 300)), max_size=60),
)
def test_never_more_than_a_tenth_is_granted(steps: list[tuple[int, int, int]]):
    """Of all that was deposited in the life before it, and never more than was wanted."""
    budget = RetryBudget()
    now_ns = 1
    deposits: list[tuple[int, int]] = []
    grants: list[tuple[int, int]] = []
    for pause_ns, documents, wanted in steps:
        now_ns += pause_ns
        budget.deposit(documents, now_ns)
        deposits.append((now_ns, documents))
        granted = budget.withdraw(wanted, now_ns)
        assert 0 <= granted <= wanted
        assert budget.left(now_ns) >= 0
        grants.append((now_ns, granted))
        life_ns = LIFE_NS + 1_000_000_000
        earned = sum(documents for when, documents in deposits if when > now_ns - life_ns)
        spent = sum(granted for when, granted in grants if when > now_ns - life_ns)
        assert sum(granted for _, granted in grants) <= RATIO * sum(documents for _, documents in deposits) + 1e-6
        assert granted <= RATIO * earned + 1e-6
        assert spent <= RATIO * sum(documents for when, documents in deposits if when > now_ns - 2 * life_ns) + 1e-6


class Why(Enum):
    """Causes."""

    NONE = "none"
    LATE = "late"


@given(
    events=st.lists(
        st.tuples(st.integers(0, 600 * MS), st.sampled_from(("fail", "succeed", "try")), st.integers(0, 300 * MS))
    )
)
def test_the_breaker_opens_only_on_failures_in_a_row_and_is_always_tried_again(events: list[tuple[int, str, int]]):
    """Closed means that fewer failed in a row, or not for long enough; open, that a probe is due within the longest
    pause; each change is told with the state before it."""
    told = [BreakerState.CLOSED]

    def changed(before: BreakerState, state: BreakerState, cause: Why) -> None:
        assert told[-1] is before is not state
        told.append(state)

    breaker = Breaker(Why.NONE, Random(1), changed)
    now_ns, in_a_row = 1_000 * MS, 0
    since_ns = 0
    for pause_ns, event, took_ns in events:
        now_ns += pause_ns
        before = breaker.state
        if event == "succeed":
            breaker.succeeded()
            in_a_row = 0
            assert breaker.is_closed
        elif event == "fail":
            since_ns = min(since_ns, now_ns - took_ns) if in_a_row else now_ns - took_ns
            in_a_row += 1
            breaker.failed(Why.LATE, now_ns - took_ns, now_ns)
            if before is BreakerState.CLOSED:
                assert breaker.is_closed == (in_a_row < FAILURES or now_ns - since_ns < FAILING_NS)
            if not breaker.is_closed:
                in_a_row = 0
        elif not breaker.is_closed and breaker.is_due(now_ns):
            breaker.probing(now_ns)
            assert breaker.state is BreakerState.HALF_OPEN
        assert breaker.is_closed == (breaker.state is BreakerState.CLOSED)
        assert told[-1] is breaker.state
        if breaker.state is BreakerState.OPEN:
            assert breaker.is_due(now_ns + LONGEST_PAUSE_NS)


@given(waits=st.lists(st.tuples(st.integers(1, 60 * MS), st.integers(0, 20 * MS)), max_size=80))
def test_a_queue_stands_only_after_an_interval_of_waiting(waits: list[tuple[int, int]]):
    """On: everybody waited too long for an interval, or it was on and was never empty. Off after every empty moment."""
    overload = Overload()
    now_ns = 1
    late_since: int | None = None
    expected = False
    for pause_ns, wait_ns in waits:
        now_ns += pause_ns
        overload.observe(wait_ns, now_ns)
        if not wait_ns:
            late_since, expected = None, False
        elif not expected:
            if wait_ns <= TARGET_NS:
                late_since = None
            elif late_since is None:
                late_since = now_ns
            expected = late_since is not None and now_ns - late_since >= INTERVAL_NS
        assert overload.is_on == expected


ADD, PROMOTE, TAKE, TAKE_NEWEST = range(4)


@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7), st.sampled_from(Priority)), max_size=200),
)
def test_the_queue_is_one_line_for_each_priority(steps: list[tuple[int, int, Priority]]):
    """Against three plain lists: whoever was promoted stands last in its new line, nobody twice, nobody is lost."""
    queue = FlightQueue()
    lines: dict[Priority, list[Flight]] = {priority: [] for priority in Priority}
    for number, (what, place, priority) in enumerate(steps):
        waiting = [flight for line in lines.values() for flight in line]
        if what == ADD:
            flight = Flight(b"%d" % number, None, Deadline(0, 0), priority)
            queue.add(flight, number)
            lines[priority].append(flight)
        elif what == PROMOTE and waiting:
            flight = waiting[place % len(waiting)]
            if priority < flight.priority:
                lines[flight.priority].remove(flight)
                lines[priority].append(flight)
                queue.promote(flight, priority)
        else:
            line = lines[priority]
            newest = what == TAKE_NEWEST
            expected = (line.pop() if newest else line.pop(0)) if line else None
            assert queue.take(priority, newest) is expected
        assert queue.lengths == [len(line) for line in lines.values()]
        assert queue.waiting == sum(queue.lengths)
        for each, line in lines.items():
            assert queue.longest_wait_ns(each, number) == (max(1, number - line[0].gathered_ns) if line else 0)
