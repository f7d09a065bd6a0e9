"""Declared feature sets on the real miss path: what a request touches brings the other members along."""

import struct

import pytest
from miss_path_world import Holder, World
from prefetch_side import Side

from policies.feast import entity_key
from sidecar.origins.base import ABSENT, Found, HashSet, Read, SetValue
from sidecar.prefetch import Prefetcher
from sidecar.prefetch.set_state import FIRST_GUESSES

POLICY = """
version: 1
defaults: {ttl: 10s, jitter: 0%, stale_while_revalidate: 5s, stale_if_error: 60s, negative_ttl: 2s}
feature_views:
  - {name: user, keys: "user:{user_id}"}
  - {name: sessions, keys: "user:{user_id}:sessions", ttl: 2s, stale_while_revalidate: 0s}
feature_sets:
  - name: ranker
    members: ["user:{user_id}", "user:{user_id}:sessions", "user:{user_id}:context"]
prefetch: {learn: false}
"""


@pytest.fixture
def side() -> Side:
    return Side(POLICY)


def reads_of(side: Side) -> list[list[bytes]]:
    return [[read.key for read in reads] for reads in side.origin.reads]


def test_a_miss_brings_the_other_members_in_its_own_batch(side: Side) -> None:
    """One fetch_many with the asked key first; afterwards the others are hits."""
    side.behind_our_back(SetValue(b"user:1", b"ann"))
    side.behind_our_back(HashSet(b"user:1:sessions", {b"n": b"3"}))
    (answer,) = side.request(b"user:1")
    side.settle()
    assert answer == [Found(b"ann")]
    assert reads_of(side) == [[b"user:1", b"user:1:sessions", b"user:1:context"]]
    assert all(read.fields is None for read in side.origin.reads[0])
    assert side.memory(b"user:1:sessions", b"n") == Found({b"n": b"3"}, False)
    assert side.memory(b"user:1:context") == ABSENT
    assert len(side.origin.reads) == 1


def test_a_hit_brings_what_is_absent_or_about_to_expire(side: Side) -> None:
    """The sessions live 2 s, the others 10 s: a hit on the user fetches the sessions again just before they end."""
    for key in (b"user:1:sessions", b"user:1:context"):
        side.behind_our_back(SetValue(key, b"v"))
    side.request(b"user:1")
    side.settle()
    side.settle(1.0)
    side.request(b"user:1")
    side.settle()
    assert len(side.origin.reads) == 1
    side.settle(0.8)
    side.request(b"user:1")
    side.settle()
    assert reads_of(side)[1:] == [[b"user:1:sessions"]]
    side.settle(1.5)
    assert side.memory(b"user:1:sessions") is not None


def test_members_are_fetched_once_however_many_touch_them(side: Side) -> None:
    """Three connections touch three members of one user in one turn and in the turns while the read is in the air."""
    side.origin.delay_s = 0.05
    side.request(b"user:1", connection=1)
    side.request(b"user:1:sessions", connection=2)
    side.now()
    side.request(b"user:1:context", connection=3)
    side.request(b"user:1", connection=4)
    side.settle(0.2)
    assert sorted(read.key for reads in side.origin.reads for read in reads) == [
        b"user:1",
        b"user:1:context",
        b"user:1:sessions",
    ]


def test_used_and_wasted_are_counted(side: Side) -> None:
    """A member that is asked for while its read is in the air, or later, was used; one that runs out was not."""
    side.origin.delay_s = 0.05
    side.request(b"user:1")
    side.now()
    side.request(b"user:1:sessions")
    side.settle(0.2)
    state = side.state()
    assert (state.fetched, state.used, state.wasted) == (2, 1, 0)
    assert side.memory(b"user:1:context") == ABSENT
    side.settle()
    assert (state.fetched, state.used, state.wasted) == (2, 2, 0)
    side.request(b"user:2")
    side.settle()
    for _ in range(40):
        side.settle(1.0)
    assert (state.fetched, state.used, state.wasted) == (4, 2, 2)
    assert state.coverage() == 2 / 4


def test_a_failed_guess_does_not_spoil_the_first_demand(side: Side) -> None:
    """The prefetched row could not be read; whoever asks for it is not answered by that failure but tries."""
    side.behind_our_back(SetValue(b"user:1:context", b"late"))
    side.origin.failing_keys = {b"user:1:context"}
    side.request(b"user:1")
    side.settle()
    side.origin.failing_keys = set()
    (answer,) = side.request(b"user:1:context")
    side.settle()
    assert answer == [Found(b"late")]
    assert side.state().wasted == 1


def test_a_refused_refresh_may_be_asked_for_again(side: Side) -> None:
    """What was about to expire and could not be read is wanted again when the key says something new again."""
    for key in (b"user:1:sessions", b"user:1:context"):
        side.behind_our_back(SetValue(key, b"v"))
    side.request(b"user:1")
    side.settle()
    side.settle(1.75)
    side.origin.failing_keys = {b"user:1:sessions"}
    side.request(b"user:1")
    side.settle(0.15)
    assert reads_of(side)[1:] == [[b"user:1:sessions"]]
    side.origin.failing_keys = set()
    side.request(b"user:1")
    side.settle()
    assert reads_of(side)[2:] == [[b"user:1:sessions"]]


def test_a_set_that_guesses_wrong_begins_slowly_turns_off_and_on_again(side: Side) -> None:
    """Nobody asks for the other members: after the first guesses and their verdict there are hardly any more. Then
    everybody does, and the set is on again; one log line for each change.
    """
    for number in range(3000):
        side.request(b"user:%d" % number)
        side.settle()
    state = side.state()
    assert FIRST_GUESSES <= state.fetched <= 3 * FIRST_GUESSES
    assert not state.is_on
    precision = state.precision()
    assert precision is not None and precision < 0.1
    before = state.fetched
    for number in range(10_000, 25_000):
        side.request(b"user:%d" % number)
        side.settle(0.002)
        side.request(b"user:%d:sessions" % number, b"user:%d:context" % number)
        side.settle(0.002)
        if state.is_on:
            break
    assert state.is_on
    assert state.fetched - before > 20


def test_a_changed_policy_is_followed_at_once(side: Side) -> None:
    """A set that is gone prefetches no more."""
    holder = Holder(side.policy)
    side.prefetcher = Prefetcher(side.clock, side.store, side.reads, holder, side.touches, side.misses)
    plain = World(POLICY.split("feature_sets")[0] + "prefetch: {learn: false}")
    holder.current = plain.policy
    side.prefetcher.policy_changed()
    assert not side.touches.active
    side.request(b"user:1")
    side.settle()
    assert reads_of(side) == [[b"user:1"]]
    assert side.origin.reads == [[Read(b"user:1", None)]]


FEAST = """
version: 1
defaults: {ttl: 10s, jitter: 0%}
feature_views:
  - {name: driver, feast: {project: p, join_keys: [driver_id]}, features: {rate: {ttl: 2s}}}
  - {name: trip, feast: {project: p, join_keys: [driver_id, trip_id]}}
feature_sets: [{name: ride, members: [{view: driver}, {view: trip}, "shifts:{driver_id}"]}]
prefetch: {learn: false}
"""


def test_feast_rows_named_by_view_bring_each_other() -> None:
    """A trip's row is asked for by Feast's binary key: the driver's row and his shifts come with it."""
    side = Side(FEAST)
    driver = entity_key("p", [("driver_id", 4, struct.pack("<q", 1001))])
    trip = entity_key("p", [("driver_id", 4, struct.pack("<q", 1001)), ("trip_id", 2, b"t1")])
    side.request(driver)  # its type is known from here on
    side.settle()
    side.reads.invalidate([driver, b"shifts:1001"])
    side.request(trip)
    side.settle()
    assert [set(keys) for keys in reads_of(side)] == [{driver, b"shifts:1001"}, {trip, driver, b"shifts:1001"}]
