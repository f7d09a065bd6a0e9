"""Retry budget, backoff, the standing-queue rule, hedging delay, and the log of changing states."""

from random import Random

from virtual_loop import VirtualLoop

from sidecar.resilience.backoff import FIRST_NS, MOST_NS, full_jitter_ns
from sidecar.resilience.hedging import Hedging
from sidecar.resilience.overload import INTERVAL_NS, TARGET_NS, Overload
from sidecar.resilience.retry_budget import LIFE_NS, RetryBudget
from sidecar.resilience.state_log import LINES, PERIOD_S, StateLog

MS = 1_000_000
S = 1000 * MS


def test_a_tenth_may_be_asked_again():
    """Of what was asked the first time, no more, whoever asks."""
    budget = RetryBudget()
    budget.deposit(995, S)
    assert budget.left(S) == 99
    assert budget.withdraw(60, S) == 60
    assert budget.withdraw(60, S) == 39
    assert budget.withdraw(1, S) == 0


def test_one_who_asks_little_may_not_ask_again():
    """No grant beside the deposits."""
    budget = RetryBudget()
    assert budget.withdraw(1, S) == 0
    budget.deposit(9, S)
    assert budget.withdraw(1, S) == 0
    budget.deposit(1, S)
    assert budget.withdraw(1, S) == 1


def test_deposits_expire():
    """What was saved in good times is not spent at once in bad ones."""
    budget = RetryBudget()
    budget.deposit(1000, S)
    budget.deposit(1000, 6 * S)
    assert budget.left(6 * S) == 200
    assert budget.left(S + LIFE_NS + S) == 100
    assert budget.left(6 * S + LIFE_NS + S) == 0


def test_the_oldest_deposits_are_spent_first():
    """So what is left lives longest."""
    budget = RetryBudget()
    budget.deposit(1000, S)
    budget.deposit(1000, 6 * S)
    assert budget.withdraw(100, 6 * S) == 100
    assert budget.left(S + LIFE_NS + S) == 100


def test_pauses_are_random_within_a_bound_that_doubles():
    """Full jitter: from nothing to 10, 20, 40, 80, at most 100 ms."""
    random = Random(1)
    for attempts, bound in ((1, FIRST_NS), (2, 2 * FIRST_NS), (4, 8 * FIRST_NS), (9, MOST_NS)):
        pauses = [full_jitter_ns(attempts, random) for _ in range(1000)]
        assert max(pauses) < bound
        assert max(pauses) > 0.9 * bound
        assert min(pauses) < 0.1 * bound


def test_a_queue_that_empties_does_not_stand():
    """A burst may wait long, once."""
    overload = Overload()
    for number in range(100):
        overload.observe(50 * MS if number % 5 else 0, S + number * 20 * MS)
        assert not overload.is_on


def test_a_queue_that_everybody_waits_in_stands():
    """Longer than TARGET for as long as INTERVAL; over when it was empty, and not before."""
    overload = Overload()
    overload.observe(TARGET_NS + 1, S)
    overload.observe(TARGET_NS + 1, S + INTERVAL_NS - 1)
    assert not overload.is_on
    overload.observe(TARGET_NS + 1, S + INTERVAL_NS)
    assert overload.is_on
    overload.observe(1, S + 2 * INTERVAL_NS)
    assert overload.is_on
    overload.observe(0, S + 2 * INTERVAL_NS)
    assert not overload.is_on


def test_a_short_wait_starts_the_interval_anew():
    """CoDel looks at the least wait of an interval."""
    overload = Overload()
    overload.observe(TARGET_NS + 1, S)
    overload.observe(TARGET_NS, S + INTERVAL_NS - 1)
    overload.observe(TARGET_NS + 1, S + INTERVAL_NS)
    assert not overload.is_on


def test_the_hedging_delay_is_nearly_the_longest_of_late():
    """Of the last 200, only a few took longer; nothing is known before the first 20."""
    hedging = Hedging()
    for took_ms in range(19):
        hedging.observe(took_ms * MS)
    assert hedging.delay_ns is None
    for took_ms in range(1, 202):
        hedging.observe(took_ms * MS)
    assert hedging.delay_ns is not None
    assert 237 * MS <= hedging.delay_ns <= 248 * MS
    for _ in range(220):
        hedging.observe(100)
    assert hedging.delay_ns == MS


def test_a_state_that_flaps_is_told_a_few_times_and_then_now_and_then():
    """At most LINES in a period and one at its end, with how many were withheld; the last state is told in any case."""
    loop = VirtualLoop()
    lines: list[dict[str, object]] = []
    log = StateLog(loop, lines.append)
    for number in range(100):
        loop.call_later(number / 10, log.changed)
        log.changed(state=number)
    assert lines == [{"state": number} for number in range(LINES)]
    lines.clear()
    loop.settle(0.0)
    log.changed(state="last")
    loop.settle(PERIOD_S + 0.01)
    assert len(lines) == 1
    assert int(str(lines[0]["withheld"])) >= 195 - LINES
    lines.clear()
    loop.settle(3 * PERIOD_S)
    log.changed(state="calm")
    assert lines == [{"state": "calm"}]
