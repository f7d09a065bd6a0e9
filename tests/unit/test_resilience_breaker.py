"""The breaker: opens when nothing comes any more, tries in small, closes on the first answer."""

from enum import Enum
from random import Random

from sidecar.resilience.breaker import (
    FAILING_NS,
    FAILURES,
    FIRST_PAUSE_NS,
    LONGEST_PAUSE_NS,
    PROBE_NS,
    Breaker,
    BreakerState,
)

MS = 1_000_000
S = 1000 * MS


class Why(Enum):
    """Causes of failure."""

    NONE = "none"
    REFUSED = "refused"
    LATE = "late"


class Changes(list[tuple[BreakerState, BreakerState, Why]]):
    """What the breaker told."""

    def __call__(self, before: BreakerState, state: BreakerState, cause: Why) -> None:
        self.append((before, state, cause))


def breaker(changes: Changes | None = None) -> Breaker[Why]:
    """A closed one."""
    return Breaker(Why.NONE, Random(1), changes if changes is not None else Changes())


def opened(changes: Changes | None = None) -> tuple[Breaker[Why], int]:
    """One that has just opened, and when."""
    subject, now_ns = breaker(changes), S
    while subject.is_closed:
        now_ns += 100 * MS
        subject.failed(Why.REFUSED, now_ns - MS, now_ns)
    return subject, now_ns


def test_it_opens_within_a_second_where_calls_are_refused():
    """Failures in a row for as long as FAILING_NS, and it tells why."""
    changes = Changes()
    subject, now_ns = opened(changes)
    assert now_ns - S <= S
    assert subject.cause is Why.REFUSED
    assert changes == [(BreakerState.CLOSED, BreakerState.OPEN, Why.REFUSED)]


def test_it_opens_within_a_second_where_calls_hang():
    """The origin stops at 0; calls sent since then end at their deadline of 250 ms, as many as there are places."""
    subject = breaker()
    for sent_ns in range(0, S, 5 * MS):
        subject.failed(Why.LATE, sent_ns, sent_ns + 250 * MS)
        if not subject.is_closed:
            break
    assert not subject.is_closed
    assert sent_ns + 250 * MS <= S


def test_a_burst_of_failures_does_not_open_it():
    """A connection that broke fails all calls on it at one moment: that is no outage."""
    subject = breaker()
    for _ in range(100 * FAILURES):
        subject.failed(Why.REFUSED, S - 10 * MS, S)
    assert subject.is_closed


def test_few_failures_do_not_open_it():
    """Two in a row, an hour apart."""
    subject = breaker()
    for number in range(FAILURES - 1):
        subject.failed(Why.LATE, number * 3600 * S, number * 3600 * S + MS)
    assert subject.is_closed


def test_an_answer_in_between_keeps_it_closed():
    """A brownout answers half of the calls: those are worth having."""
    subject = breaker()
    for number in range(10_000):
        now_ns = S + number * 10 * MS
        if number % 10:
            subject.failed(Why.LATE, now_ns - MS, now_ns)
        else:
            subject.succeeded()
    assert subject.is_closed


def test_it_is_not_tried_before_its_pause():
    """At least half of the pause, at most the whole."""
    subject, now_ns = opened()
    assert not subject.is_due(now_ns + FIRST_PAUSE_NS // 2 - 1)
    assert subject.is_due(now_ns + FIRST_PAUSE_NS)


def test_one_tries_at_a_time():
    """While a probe is in the air nobody else is due, until it is given up as lost."""
    subject, now_ns = opened()
    now_ns += FIRST_PAUSE_NS
    subject.probing(now_ns)
    assert subject.state is BreakerState.HALF_OPEN
    assert not subject.is_due(now_ns + PROBE_NS - 1)
    assert subject.is_due(now_ns + PROBE_NS)


def test_a_probe_that_succeeds_closes_it():
    """And the next outage finds it as it was at first."""
    changes = Changes()
    subject, now_ns = opened(changes)
    subject.probing(now_ns + FIRST_PAUSE_NS)
    subject.succeeded()
    assert subject.is_closed
    assert changes[-1][1] is BreakerState.CLOSED
    subject.failed(Why.LATE, now_ns, now_ns + S)
    assert subject.is_closed


def test_a_probe_that_fails_opens_it_for_longer():
    """Pauses double, up to LONGEST_PAUSE_NS: five seconds after an outage of any length it is closed."""
    subject, now_ns = opened()
    pauses = []
    for _ in range(20):
        began_ns = now_ns
        while not subject.is_due(now_ns):
            now_ns += MS
        pauses.append(now_ns - began_ns)
        subject.probing(now_ns)
        subject.failed(Why.LATE, now_ns, now_ns + MS)
        now_ns += MS
        assert subject.state is BreakerState.OPEN
    assert pauses[0] <= FIRST_PAUSE_NS + MS
    assert all(LONGEST_PAUSE_NS // 2 <= pause <= LONGEST_PAUSE_NS + MS for pause in pauses[6:])


def test_what_fails_late_does_not_lengthen_the_pause():
    """Calls that were in the air when it opened end one after the other."""
    subject, now_ns = opened()
    for number in range(100):
        subject.failed(Why.LATE, now_ns - S, now_ns + number)
    assert subject.is_due(now_ns + FIRST_PAUSE_NS)


def test_constants_keep_the_promise():
    """F6: open within a second of the origin's end with the default deadline, closed within five of its return."""
    assert FAILING_NS + 250 * MS < S
    assert LONGEST_PAUSE_NS + 250 * MS < 5 * S
