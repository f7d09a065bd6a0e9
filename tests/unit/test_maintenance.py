"""What happens without requests."""

from policies import DEFAULT_POLICY
from sidecar.clock import ManualClock, ceil_tick
from sidecar.maintenance import maintain_memory
from sidecar.memory import Store
from sidecar.metrics import Counters
from sidecar.origins.base import Found


def test_what_expires_goes_though_nobody_asks() -> None:
    """The store is told the time by its upkeep, not only by requests: else an idle process would keep all it has."""
    clock = ManualClock()
    store = Store(8 << 20, DEFAULT_POLICY.compile(None).table, Counters())
    store.set_time(ceil_tick(clock.now_ns()), clock.wall_ms())
    store.install(b"k", Found(b"v", True, clock.wall_ms() + 100), store.now, 0)
    maintain_memory(store, clock)
    assert b"k" in store
    clock.advance(0.2)
    maintain_memory(store, clock)
    assert len(store) == 0 and store.expired == 1
