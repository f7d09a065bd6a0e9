"""Hot entries are filled again before they end: nobody waits for what many ask for."""

import pytest
from miss_path_world import World

from sidecar.fetch.fill_costs import FillCosts
from sidecar.origins.base import Cause, Found, HashSet, OriginUnavailable, SetValue

POLICY = """
version: 1
defaults: {ttl: 1s, jitter: 20%, stale_while_revalidate: 0s, stale_if_error: 5s, read_error_backoff: 1s}
feature_views:
  - name: never
    keys: "never:{id}"
    ttl: 0s
"""
HITS_PER_S = 500


def hot_world(delay_s: float) -> World:
    """A string and a hash, filled once, whose fills take as long as is said."""
    world = World(POLICY)
    world.origin.delay_s = delay_s
    for write in (SetValue(b"k", b"v"), HashSet(b"h", {b"a": b"1", b"b": b"2"})):
        world.behind_our_back(write)
        world.ask(write.key)
        world.pass_s(delay_s + 0.001)
    return world


def misses_of(world: World, asked: tuple[bytes, ...], seconds: float) -> int:
    """Ask so often for so long; how many answers memory did not have. Whoever misses reads, as the server does."""
    missed = 0
    for _ in range(int(HITS_PER_S * seconds)):
        if world.memory(*asked) is None:
            missed += 1
            world.ask(*asked)
        world.pass_s(1 / HITS_PER_S)
    return missed


@pytest.mark.parametrize("asked", [(b"k",), (b"h", b"a"), (b"h",)], ids=["string", "field", "whole-row"])
@pytest.mark.parametrize("delay_s", [0.0002, 0.01, 0.05])
def test_a_hot_entry_never_expires_in_a_readers_face(asked, delay_s):
    """Without any stale window: in 30 lives no reader waits for a fill; fills are at most half as many again."""
    world = hot_world(delay_s)
    fills = len(world.origin.reads)
    assert misses_of(world, asked, 30) == 0
    assert 30 <= len(world.origin.reads) - fills <= 30 / 0.8 * 1.5
    assert world.store.early_refreshes == len(world.origin.reads) - fills


def test_without_early_refresh_readers_wait(monkeypatch):
    """What the test above would see: at each end of a life all readers wait for the length of a fill."""
    monkeypatch.setattr(FillCosts, "filled", lambda *_: None)
    world = hot_world(0.05)
    assert misses_of(world, (b"k",), 30) > 25 * HITS_PER_S * 0.05


def test_what_is_read_now_and_then_is_not_refreshed():
    """A read in the middle of its life asks for nothing."""
    world = hot_world(0.01)
    for _ in range(10):
        world.pass_s(0.3)
        assert world.memory(b"k") == Found(b"v")
        world.pass_s(1.0)
        assert world.memory(b"k") is None
        world.fill(b"k")
        world.pass_s(0.01)
    assert world.store.early_refreshes == 0


def test_a_ttl_of_nothing_is_always_read():
    """No life, no early end of it."""
    world = World(POLICY)
    world.behind_our_back(SetValue(b"never:1", b"v"))
    for _ in range(5):
        assert world.memory(b"never:1") is None
        assert world.fill(b"never:1") == Found(b"v")
    assert len(world.origin.reads) == 5 and world.store.early_refreshes == 0


def test_an_early_refresh_that_fails_costs_no_reader_anything_before_the_end():
    """The value is served to its end as before, then while the origin fails; one try a backoff."""
    world = hot_world(0.01)
    world.origin.broken = OriginUnavailable(Cause.CONNECTION_REFUSED)
    asked = len(world.origin.reads)
    answers = []
    end_s = world.loop.time() + 3
    while world.loop.time() < end_s:
        answer = world.memory(b"k")
        if answer is None:
            got = world.ask(b"k")
            world.pass_s(0.011)
            (answer,) = got
        answers.append(answer)
        world.pass_s(1 / HITS_PER_S)
    assert set(answers) == {Found(b"v")}
    assert len(world.origin.reads) - asked <= 6


def test_costs_err_to_the_slow_side():
    """A slow fill is believed at once, fast ones slowly; memory is told what changed by more than an eighth."""
    told = []

    class Memory:
        def set_fill_cost(self, view: int, cost_us: int) -> None:
            told.append((view, cost_us))

    costs = FillCosts(Memory())
    for took_ms in [8] * 50 + [40] * 8:
        costs.filled(3, took_ms * 1_000_000)
    assert told[0] == (3, 8000) and 34_000 < told[-1][1] <= 40_000 and len(told) < 9
    before = len(told)
    for _ in range(8):
        costs.filled(3, 8_000_000)
    assert told[-1][1] > 30_000 and len(told) == before
    for _ in range(500):
        costs.filled(3, 8_000_000)
    assert 8000 <= told[-1][1] < 10_000
    costs.filled(4, 1)
    assert told[-1] == (4, 1)
