"""Refreshing behind stale answers."""

from bounded_limiter import BoundedLimiter
from miss_path_world import POLICY, World

from sidecar.origins.base import Cause, Found, HashSet, OriginUnavailable, Read, SetValue
from sidecar.resilience.retry_budget import RetryBudget


def stale_world(**options):
    """A key in its stale window, changed at the origin since."""
    world = World(**options)
    world.behind_our_back(SetValue(b"k", b"old"))
    world.fill(b"k")
    world.behind_our_back(SetValue(b"k", b"new"))
    world.pass_s(11)
    return world


def test_a_stale_answer_is_served_and_refreshed_behind():
    """stale-while-revalidate: nobody waits, the next reader sees the new value."""
    world = stale_world()
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.01)
    assert world.memory(b"k") == Found(b"new")
    assert len(world.origin.reads) == 2


def test_many_stale_hits_are_one_refresh():
    """While one is under way no other is begun."""
    world = stale_world()
    for _ in range(5):
        assert world.memory(b"k") == Found(b"old")
    world.reads.revalidate([b"k", b"k"])
    world.now()
    world.reads.revalidate([b"k"])
    world.pass_s(0.01)
    assert len(world.origin.reads) == 2


def test_a_refresh_reads_the_whole_row():
    """Whatever field was stale, whatever the origin finds cheaper."""
    world = World(reads_whole=False)
    world.reads.revalidate([b"h"])
    world.pass_s(0.01)
    assert world.origin.reads == [[Read(b"h", None)]]


def test_a_failed_refresh_is_not_tried_again_before_the_backoff_is_over():
    """Stale hits of a row whose origin fails cost nothing but themselves."""
    world = stale_world()
    world.origin.broken = OriginUnavailable(Cause.CONNECTION_REFUSED)
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.9)
    for _ in range(3):
        assert world.memory(b"k") == Found(b"old")
        world.reads.revalidate([b"k"])
        world.pass_s(0.01)
    assert len(world.origin.reads) == 2
    world.pass_s(0.2)
    world.origin.broken = None
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.01)
    assert world.memory(b"k") == Found(b"new")


def test_a_refresh_that_was_not_kept_is_handed_out_again():
    """An invalidated refill leaves the next stale hit to ask for another."""
    world = stale_world()
    world.behind_our_back(HashSet(b"h", {b"a": b"1"}))
    assert world.memory(b"k") == Found(b"old")
    world.now()
    world.coherence.begin_epoch()
    world.pass_s(0.01)
    assert world.misses.fills_dropped["invalidated"] == 1
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.01)
    assert world.memory(b"k") == Found(b"new")


def test_a_reader_shares_the_refresh():
    """Whoever needs the row meanwhile waits for the same read."""
    world = stale_world()
    world.reads.revalidate([b"k"])
    world.now()
    answer = world.ask(b"k")
    world.pass_s(0.01)
    assert answer == [Found(b"new")]
    assert len(world.origin.reads) == 2


def test_after_a_failed_refresh_the_next_stale_hit_tries_again():
    """Once the backoff is over memory hands the key out again by itself."""
    world = stale_world()
    world.origin.broken = OriginUnavailable(Cause.CONNECTION_REFUSED)
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(1.1)
    world.origin.broken = None
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.01)
    assert world.memory(b"k") == Found(b"new")


def test_a_refresh_widens_a_read_that_was_not_sent_yet():
    """One read for both, of the whole row."""
    world = World(reads_whole=False)
    world.ask(b"h", b"a")
    world.reads.revalidate([b"h"])
    world.pass_s(0.01)
    assert world.origin.reads == [[Read(b"h", None)]]


def test_a_read_in_the_air_is_the_refresh():
    """No second read; where it fails, the next stale hit after the backoff tries again."""
    world = stale_world()
    world.origin.broken = OriginUnavailable(Cause.CONNECTION_REFUSED)
    world.ask(b"k", bypass=True)
    world.now()
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.01)
    assert len(world.origin.reads) == 2
    world.pass_s(1.1)
    world.origin.broken = None
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.01)
    assert world.memory(b"k") == Found(b"new")


def test_a_refresh_is_left_out_where_too_much_waits():
    """It is the first thing to go; the next stale hit asks again."""
    limiter = BoundedLimiter(9)
    world = stale_world(limiter=limiter, max_waiting=2)
    limiter.calls[0] = 0
    world.ask(b"a")
    world.ask(b"b")
    assert world.memory(b"k") == Found(b"old")
    limiter.calls[0] = 9
    world.reads.flush()
    world.pass_s(0.01)
    assert [read.key for batch in world.origin.reads[1:] for read in batch] == [b"a", b"b"]
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.01)
    assert world.memory(b"k") == Found(b"new")


def test_a_refresh_after_a_failed_one_is_paid_from_the_retry_budget():
    """While that is used up stale hits go on and ask for none, for eight backoffs at most."""
    budget = RetryBudget()
    policy = POLICY.replace("stale_while_revalidate: 5s", "stale_while_revalidate: 60s")
    world = stale_world(policy=policy, retries=budget)
    world.origin.broken = OriginUnavailable(Cause.CONNECTION_REFUSED)
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.01)
    reads, began_s = len(world.origin.reads), world.loop.time()
    world.origin.broken = None
    while len(world.origin.reads) == reads:
        now_ns = world.clock.now_ns()
        budget.deposit(10, now_ns)
        budget.withdraw(budget.left(now_ns), now_ns)
        world.pass_s(0.1)
        assert world.memory(b"k") == Found(b"old")
        world.now()
    assert 8 < world.loop.time() - began_s < 10.5


def test_a_budget_that_was_never_earned_keeps_nobody_waiting():
    """A quiet sidecar asks again after the backoff, whatever its budget; and a retry takes from one that is there."""
    for earned in (0, 30):
        budget = RetryBudget()
        world = stale_world(retries=budget)
        world.origin.broken = OriginUnavailable(Cause.CONNECTION_REFUSED)
        assert world.memory(b"k") == Found(b"old")
        world.pass_s(0.01)
        budget.deposit(earned, world.clock.now_ns())
        before = budget.left(world.clock.now_ns())
        world.pass_s(1.1)
        world.origin.broken = None
        assert world.memory(b"k") == Found(b"old")
        world.pass_s(0.01)
        assert world.memory(b"k") == Found(b"new")
        assert budget.left(world.clock.now_ns()) == max(0, before - 1)


def test_a_refresh_that_waited_past_its_deadline_is_not_sent():
    """The origin would be asked for what has no time left; after the backoff the next stale hit asks anew."""
    limiter = BoundedLimiter(9)
    world = stale_world(limiter=limiter)
    limiter.calls[0] = 0
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.3)
    limiter.calls[0] = 9
    world.reads.flush()
    world.pass_s(0.01)
    assert len(world.origin.reads) == 1 and world.misses.shed["deadline"] == 1
    world.pass_s(1.1)
    assert world.memory(b"k") == Found(b"old")
    world.pass_s(0.01)
    assert world.memory(b"k") == Found(b"new")
