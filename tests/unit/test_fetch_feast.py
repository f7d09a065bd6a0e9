"""Feast's layout: fills are whole rows, ``_ts:`` fields alone always ask the origin, views follow from the field."""

from miss_path_world import World

from policies.feast import entity_key, feature_field, timestamp_field
from sidecar.origins.base import HashSet, Read

POLICY = """
version: 1
defaults: {ttl: 10s, jitter: 0%}
feature_views:
  - name: hourly
    feast: {project: check, join_keys: [driver]}
    features: {rate: {ttl: 2s}}
  - name: daily
    feast: {project: check, join_keys: [driver]}
    features: {trips: {ttl: 1d}}
"""
RATE, TRIPS, TIMESTAMP = feature_field("hourly", "rate"), feature_field("daily", "trips"), timestamp_field("hourly")
KEY = entity_key("check", [("driver", 4, (7).to_bytes(8, "little"))])


def feast_world() -> World:
    """One driver at the origin, where a read of some fields would be cheaper."""
    world = World(POLICY, reads_whole=False)
    world.behind_our_back(HashSet(KEY, {RATE: b"r1", TRIPS: b"t1", TIMESTAMP: b"10"}))
    return world


def test_a_fill_is_the_whole_row():
    """A timestamp never pairs with a value of another fill."""
    world = feast_world()
    world.fill(KEY, RATE, TIMESTAMP)
    assert world.origin.reads == [[Read(KEY, None)]]
    assert world.memory(KEY, TRIPS).value == {TRIPS: b"t1"}


def test_timestamps_alone_always_ask_the_origin():
    """Feast's late-data check must not be answered by what another writer has made old."""
    world = feast_world()
    world.fill(KEY, RATE, TIMESTAMP)
    world.behind_our_back(HashSet(KEY, {RATE: b"r2", TIMESTAMP: b"20"}))
    assert world.memory(KEY, RATE, TIMESTAMP).value[TIMESTAMP] == b"10"
    assert world.memory(KEY, TIMESTAMP) is None
    assert world.fill(KEY, TIMESTAMP).value[TIMESTAMP] == b"20"
    assert len(world.origin.reads) == 2
    assert world.memory(KEY, RATE).value == {RATE: b"r2"}


def test_timestamps_alone_share_no_flight_in_the_air():
    """The read begins after it was asked for."""
    world = feast_world()
    world.origin.reads_early = True
    world.ask(KEY, RATE)
    world.now()
    world.behind_our_back(HashSet(KEY, {TIMESTAMP: b"20"}))
    answer = world.ask(KEY, TIMESTAMP)
    world.pass_s(0.01)
    assert answer[0].value[TIMESTAMP] == b"20"


def test_misses_are_counted_for_the_view_of_each_field():
    """Several views share the hash."""
    world = feast_world()
    world.fill(KEY, RATE, TRIPS, TIMESTAMP)
    misses = {name: world.counters.lookups_of(view)["miss"] for view, name in enumerate(world.policy.view_names)}
    assert misses == {"_default": 0, "hourly": 2, "daily": 1}
