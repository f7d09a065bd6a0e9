"""The control loops at work in the miss path: breaker, retries, shedding, hedging, and what is answered meanwhile."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from bounded_limiter import BoundedLimiter
from miss_path_world import ScriptedOrigin, World

from sidecar.explain import in_trouble, judge
from sidecar.fetch.answers import Unavailable
from sidecar.origins.base import (
    ABSENT,
    Applied,
    Cause,
    Found,
    OriginTimeout,
    OriginUnavailable,
    Refusal,
    Refused,
    SetValue,
)
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.retry_budget import RetryBudget

DOWN = OriginUnavailable(Cause.CONNECTION_REFUSED)
REFUSED = Unavailable(b"UNAVAILABLE the origin is down: connection refused", Cause.CONNECTION_REFUSED)
OVERLOADED = Unavailable(b"OVERLOADED too many requests wait for the origin", Cause.OVERLOADED)


def world(**options: Any) -> World:
    """With jitter that is the same in each run."""
    return World(random=Random(1), **options)


def dead_world(**options: Any) -> World:
    """One whose breaker has opened."""
    subject = world(**options)
    kill(subject)
    return subject


def kill(subject: World) -> None:
    """The origin dies, and the breaker has just opened."""
    subject.origin.broken = DOWN
    for number in range(100):
        subject.ask(b"dead:%d" % number)
        subject.pass_s(0.01)
        if subject.misses.breaker_changes["open"]:
            return
    raise AssertionError("the breaker did not open within a second")


# The breaker


def test_while_the_breaker_is_open_readers_are_answered_at_once_and_the_origin_is_left_alone():
    """Thousands of misses a second become a probe now and then."""
    subject = dead_world()
    asked = len(subject.origin.reads)
    answers = []
    for number in range(3000):
        answers.append(subject.ask(b"key:%d" % number))
        subject.pass_s(0.001)
    assert all(answer == [REFUSED] for answer in answers)
    assert 2 <= len(subject.origin.reads) - asked <= 10
    assert all(len(batch) == 1 for batch in subject.origin.reads[asked:])
    assert subject.misses.shed["breaker_open"] > 2900


def test_only_one_read_of_a_turn_is_the_probe():
    """A crowd that comes when the probe is due: one goes, the others are answered."""
    subject = dead_world()
    subject.pass_s(2)
    asked = len(subject.origin.reads)
    answers = [subject.ask(b"key:%d" % number) for number in range(500)]
    subject.pass_s(0.1)
    assert [len(batch) for batch in subject.origin.reads[asked:]] == [1]
    assert answers == [[REFUSED]] * 500


def test_it_closes_soon_after_the_origin_is_back():
    """The first probe that is answered; within 5 s, and then everything is asked as usual."""
    subject = dead_world()
    subject.pass_s(60)
    subject.origin.broken = None
    began_s = subject.loop.time()
    while subject.ask(b"back:%d" % subject.loop.turns) == [REFUSED]:
        subject.pass_s(0.01)
        assert subject.loop.time() - began_s < 5
    subject.pass_s(0.01)
    answers = [subject.ask(b"new:%d" % number) for number in range(300)]
    subject.pass_s(0.01)
    assert answers == [[ABSENT]] * 300
    assert subject.misses.breaker_changes["closed"] == 1


def test_an_open_breaker_serves_what_is_allowed_and_counts_it():
    """A stale copy within its bound, nil by policy, else an error; each counted."""
    subject = world()
    subject.behind_our_back(SetValue(b"kept", b"v"))
    subject.fill(b"kept")
    subject.pass_s(16)
    kill(subject)
    before = dict(subject.misses.without_origin)
    assert subject.ask(b"kept") == [Found(b"v")]
    assert subject.ask(b"soft:1") == [ABSENT]
    assert subject.ask(b"other") == [REFUSED]
    counted = {name: count - before[name] for name, count in subject.misses.without_origin.items()}
    assert {name: count for name, count in counted.items() if count} == {
        ("stale", "unavailable"): 1,
        ("nil", "unavailable"): 1,
        ("error", "unavailable"): 1,
    }


def test_a_dead_origin_that_hangs_is_named_without_a_wait_that_nobody_had():
    """Who is answered at once is not told that the origin did not answer within 250 ms."""
    subject = world()
    subject.origin.broken = OriginTimeout()
    subject.origin.delay_s = 0.2
    for number in range(20):
        subject.ask(b"dead:%d" % number)
        subject.pass_s(0.05)
    assert subject.ask(b"k") == [Unavailable(b"UNAVAILABLE the origin is down: breaker open", Cause.BREAKER_OPEN)]


def test_rows_that_wait_when_it_opens_are_given_up():
    """In steps, and all of them, revalidation and speculation too."""
    subject = world(limiter=BoundedLimiter(reads=1))
    subject.origin.delay_s = 0.2
    subject.origin.broken = DOWN
    answers = [subject.ask(b"key:%d" % number) for number in range(2000)]
    subject.now()
    for number in range(4):
        answers.append(subject.ask(b"late:%d" % number))
        subject.pass_s(0.2)
    assert all(answer for answer in answers[:2000])
    assert subject.misses.waiting == 0


def test_revalidation_does_not_try_an_origin_that_is_down():
    """Stale hits go on; the origin is not asked for them, and memory asks again only after the backoff."""
    subject = world()
    subject.behind_our_back(SetValue(b"k", b"v"))
    subject.fill(b"k")
    subject.pass_s(11)
    kill(subject)
    asked = len(subject.origin.reads)
    assert subject.memory(b"k") == Found(b"v")
    subject.pass_s(0.05)
    assert len(subject.origin.reads) == asked
    assert subject.reads.speculate(b"x") is False


def test_writes_are_refused_at_once_while_it_is_open_and_may_be_the_probe():
    """They were certainly not applied. The first write after the origin's return closes the breaker."""
    subject = dead_world()
    subject.pass_s(2)
    subject.origin.broken = None
    subject.ask(b"the probe")
    subject.now()
    refused = subject.write(SetValue(b"a", b"1"))
    assert refused == [Refused(Refusal.NOT_SENT, Cause.CONNECTION_REFUSED)]
    subject = dead_world()
    subject.pass_s(2)
    subject.origin.broken = None
    applied = [subject.write(SetValue(b"a", b"1")), subject.write(SetValue(b"b", b"2"))]
    assert applied[1] == [Refused(Refusal.NOT_SENT, Cause.CONNECTION_REFUSED)]
    subject.pass_s(0.01)
    assert isinstance(applied[0][0], Applied)
    assert subject.misses.breaker_changes["closed"] == 1


def test_writes_that_wait_when_it_opens_are_refused():
    """All of them, once, and readers of their keys are let go."""
    subject = world(limiter=BoundedLimiter(writes=0))
    answers = [subject.write(SetValue(b"key:%d" % number, b"v")) for number in range(300)]
    subject.now()
    kill(subject)
    assert answers == [[Refused(Refusal.NOT_SENT, Cause.CONNECTION_REFUSED)]] * 300
    assert not subject.coherence.marks


def test_what_goes_past_the_miss_path_is_not_asked_either():
    """TTL and SCAN go to the origin themselves: while it is down they fail as reads do."""
    world().reads.ask_at_all()
    with pytest.raises(OriginUnavailable) as raised:
        dead_world().reads.ask_at_all()
    assert raised.value.cause is Cause.CONNECTION_REFUSED


# Retries


def test_a_read_that_failed_is_asked_again_within_its_deadline_and_the_budget():
    """A blip of 5 ms is not seen by those who wait; nobody is told twice, nor is the row marked as failing."""
    subject = world(retries=RetryBudget(1.0))
    subject.behind_our_back(SetValue(b"k", b"v"))
    subject.origin.broken = OriginUnavailable(Cause.CONNECTION_LOST)
    answer = subject.ask(b"k")
    subject.now()
    subject.origin.broken = None
    subject.pass_s(0.1)
    assert answer == [Found(b"v")]
    assert len(subject.origin.reads) == 2
    assert subject.misses.retries["read"] == 1


def test_what_a_retry_brought_is_as_old_as_the_first_attempt():
    """And a write in between makes it useless for memory: the flight is the same."""
    subject = world(retries=RetryBudget(1.0))
    subject.origin.broken = OriginUnavailable(Cause.BUSY)
    answer = subject.ask(b"k")
    subject.pass_s(0.0015)
    subject.origin.broken = None
    subject.write(SetValue(b"k", b"new"))
    subject.pass_s(0.1)
    assert answer
    assert subject.memory(b"k") == Found(b"new")
    assert not subject.coherence.fills


def test_without_budget_nothing_is_asked_again():
    """Who asked for nine documents has no tenth."""
    subject = world()
    subject.origin.broken = OriginUnavailable(Cause.BUSY)
    answers = [subject.ask(b"key:%d" % number) for number in range(9)]
    subject.pass_s(0.2)
    assert [len(batch) for batch in subject.origin.reads] == [9]
    assert all(answer[0].cause is Cause.BUSY for answer in answers)


def test_some_of_a_batch_are_asked_again():
    """A tenth of it, those that failed; what was answered lands at once."""
    subject = world()
    subject.origin.failing_keys = {b"key:%d" % number for number in range(0, 100, 10)}
    answers = [subject.ask(b"key:%d" % number) for number in range(100)]
    subject.pass_s(0.0012)
    assert sum(map(len, answers)) == 90
    subject.origin.failing_keys = set()
    subject.pass_s(0.1)
    assert answers == [[ABSENT]] * 100
    assert [len(batch) for batch in subject.origin.reads] == [100, 10]


@pytest.mark.parametrize("cause", [Cause.AUTHENTICATION, Cause.STORAGE, Cause.TIMEOUT])
def test_what_another_attempt_cannot_mend_is_not_repeated(cause: Cause):
    """Wrong credentials stay wrong, and after a timeout nothing is left of the deadline."""
    subject = world(retries=RetryBudget(1.0))
    subject.origin.broken = OriginTimeout() if cause is Cause.TIMEOUT else OriginUnavailable(cause)
    subject.ask(b"k")
    subject.pass_s(0.2)
    assert len(subject.origin.reads) == 1


def test_nothing_is_asked_again_that_nobody_waits_for():
    """Revalidation has time: the next stale hit asks."""
    subject = world(retries=RetryBudget(1.0))
    subject.origin.broken = OriginUnavailable(Cause.BUSY)
    subject.reads.refill(b"k")
    subject.pass_s(0.2)
    assert len(subject.origin.reads) == 1


def test_a_deadline_that_is_nearly_over_is_not_spent_on_another_attempt():
    """One deadline per request, never restarted."""
    subject = world(retries=RetryBudget(1.0))
    subject.origin.delay_s = 0.009
    subject.origin.broken = OriginUnavailable(Cause.BUSY)
    answer = subject.ask(b"k", deadline=Deadline.after(10, subject.clock.now_ns()))
    subject.pass_s(0.5)
    assert len(subject.origin.reads) == 1
    assert len(answer) == 1


def test_writes_that_were_not_sent_are_sent_again():
    """Certain that nothing was applied: within the deadline and the budget, once more, in order."""
    subject = world(retries=RetryBudget(1.0))
    calls = 0
    write_many = subject.origin.write_many

    async def refuses_first(writes: Any, deadline: Deadline) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            subject.origin.writes.append(list(writes))
            return [Refused(Refusal.NOT_SENT, Cause.CONNECTION_LOST)] * len(writes)
        return await write_many(writes, deadline)

    subject.origin.write_many = refuses_first  # type: ignore[method-assign]
    answers = [subject.write(SetValue(b"k", b"1")), subject.write(SetValue(b"k", b"2"))]
    subject.pass_s(0.2)
    assert [isinstance(answer[0], Applied) for answer in answers] == [True, True]
    assert len(subject.origin.writes) == 2
    assert subject.origin.writes[0] == subject.origin.writes[1]
    assert subject.memory(b"k") == Found(b"2")
    assert subject.misses.retries["write"] == 2


def test_writes_of_which_one_was_applied_are_not_sent_again():
    """An earlier write of the key would come after a later one; and an unknown one is never repeated."""
    for others in (Applied((True, None)), Refused(Refusal.LOCKED)):
        subject = world(retries=RetryBudget(1.0))
        calls: list[int] = []

        async def partly(writes: Any, deadline: Deadline, calls: list[int] = calls, others: Any = others) -> Any:
            calls.append(len(writes))
            return [Refused(Refusal.NOT_SENT, Cause.CONNECTION_LOST), others]

        subject.origin.write_many = partly  # type: ignore[method-assign]
        answers = [subject.write(SetValue(b"k", b"1")), subject.write(SetValue(b"k", b"2"))]
        subject.pass_s(0.5)
        assert calls == [2]
        assert answers == [[Refused(Refusal.NOT_SENT, Cause.CONNECTION_LOST)], [others]]


# Overload


def test_a_standing_queue_is_served_newest_first_and_its_oldest_are_shed():
    """A reader each millisecond, of an origin that takes one row every 20: some get it, the others are soon told."""
    subject = world(limiter=BoundedLimiter(reads=1))
    subject.origin.max_reads_per_fetch = 1
    subject.origin.delay_s = 0.02
    answered: list[tuple[float, float, Any]] = []
    for number in range(1000):
        began_s = subject.loop.time()
        subject.reads.read(
            b"key:%d" % number,
            None,
            lambda answer, began_s=began_s: answered.append((began_s, subject.loop.time() - began_s, answer)),  # type: ignore[misc]
        )
        subject.pass_s(0.001)
    subject.pass_s(0.5)
    assert len(answered) == 1000
    late = [each for each in answered if each[0] > 0.3]  # once the queue is known to stand
    outcomes = Counter("answered" if answer == ABSENT else answer.cause.value for _, _, answer in late)
    assert outcomes["answered"] >= 30
    assert set(outcomes) == {"answered", "overloaded"}
    assert max(waited for _, waited, _ in late) < 0.1
    assert subject.misses.shed["overload"] > 500
    assert subject.misses.overloads == 1
    assert subject.misses.waiting == 0


def test_what_is_shed_gets_its_stale_copy_where_it_has_one():
    """Overload is a failure of the origin too: stale-if-error applies."""
    subject = world(limiter=BoundedLimiter(reads=1))
    subject.behind_our_back(SetValue(b"kept", b"v"))
    subject.fill(b"kept")
    subject.pass_s(16)
    subject.origin.max_reads_per_fetch = 1
    subject.origin.delay_s = 0.02
    shed = []
    for number in range(400):
        subject.ask(b"key:%d" % number)
        if number == 250:
            shed = subject.ask(b"kept")
            subject.ask(b"next")
        subject.pass_s(0.001)
    assert shed == [Found(b"v")]
    assert subject.misses.without_origin["stale", "overloaded"] == 1


# Hedging


def hedged_world(delays_s: list[float]) -> World:
    """An origin for which asking twice may help; each call takes the next of these times, then 1 ms."""
    ScriptedOrigin.supports_hedging = True
    try:
        subject = world(retries=RetryBudget(1.0))
    finally:
        del ScriptedOrigin.supports_hedging
    for number in range(40):
        subject.fill(b"warm:%d" % number)
    times = iter(delays_s)
    pass_time = subject.origin._pass_time

    async def pass_next(documents: int) -> None:
        subject.origin.delay_s = next(times, 0.001)
        await pass_time(documents)

    subject.origin._pass_time = pass_next  # type: ignore[method-assign]
    subject.origin.reads.clear()
    return subject


def test_a_late_read_is_asked_twice_and_the_first_answer_wins():
    """The second comes; the first, ignored, still holds its place until it ends."""
    subject = hedged_world([0.1])
    answer = subject.ask(b"k")
    subject.pass_s(0.01)
    assert answer == [ABSENT]
    assert len(subject.origin.reads) == 2
    assert subject.misses.hedges == {"won": 1, "lost": 0}
    assert subject.reads._guard.limiter.in_use == 1
    subject.pass_s(0.2)
    assert subject.reads._guard.limiter.in_use == 0


def test_a_hedge_may_lose():
    """The first answer comes after all, before the second."""
    subject = hedged_world([0.003, 0.1])
    answer = subject.ask(b"k")
    subject.pass_s(0.01)
    assert answer == [ABSENT]
    assert subject.misses.hedges == {"won": 0, "lost": 1}
    subject.pass_s(0.2)
    assert subject.reads._guard.limiter.in_use == 0


def test_reads_in_time_and_large_ones_are_not_asked_twice():
    """And without hedging no read is."""
    subject = hedged_world([])
    subject.fill(b"k")
    assert len(subject.origin.reads) == 1
    subject = hedged_world([0.1])
    for number in range(20):
        subject.ask(b"key:%d" % number)
    subject.pass_s(0.2)
    assert len(subject.origin.reads) == 1
    assert sum(subject.misses.hedges.values()) == 0


# What is told


def test_explain_tells_what_is_answered_while_the_origin_is_down():
    """Stale where that is allowed, else the text of the error; nothing is counted for it."""
    subject = world()
    subject.behind_our_back(SetValue(b"kept", b"v"))
    subject.fill(b"kept")
    assert subject.reads.trouble(b"kept", None) is None
    subject.pass_s(16)
    kill(subject)
    before = dict(subject.misses.without_origin)
    stale, error = subject.reads.trouble(b"kept", None), subject.reads.trouble(b"other", None)
    assert stale == (Cause.CONNECTION_REFUSED, "stale")
    assert error == (Cause.CONNECTION_REFUSED, "UNAVAILABLE the origin is down: connection refused")
    assert subject.reads.trouble(b"soft:1", None) == (Cause.CONNECTION_REFUSED, "nil")
    assert subject.misses.without_origin == before
    verdict = in_trouble(judge({"kind": None}, None, None), error)
    assert verdict.outcome == "miss"
    assert verdict.why.endswith(
        "(connection refused): answered with UNAVAILABLE the origin is down: connection refused"
    )
    assert in_trouble(verdict, stale).outcome == "stale"
    assert subject.misses.breaker == "open"


@pytest.mark.parametrize("keys", [1, 10_000])
def test_ten_thousand_readers_are_told_of_a_failure_in_small_steps(keys: int):
    """No step of the loop tells more than a few hundred, whether they share a row, or have one each."""
    subject = world()
    subject.origin.broken = DOWN
    turns: Counter[int] = Counter()
    for number in range(10_000):
        subject.reads.read(b"key:%d" % (number % keys), None, lambda answer: turns.update((subject.loop.turns,)))
    subject.pass_s(1)
    assert sum(turns.values()) == 10_000
    assert max(turns.values()) <= 300
