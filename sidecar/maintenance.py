"""What must happen whether or not requests come: expiry, compaction, stalled clients, changed files.

Each step is bounded in CPU time by its own cap, so that none shows in a hit's latency; what one leaves, the next
takes.
"""

import asyncio
from collections.abc import Callable

from sidecar.clock import Clock, ceil_tick
from sidecar.memory import Store

# Small steps often: 1000 items every 50 ms took 0.4 ms when all of them had expired, and a hit in a hundred waited for
# it; 200 every 10 ms take 0.08. Without work a step takes 15 us.
MEMORY_INTERVAL_S = 0.01
EXPIRY_ITEMS = 200  # looked at per step
RESOLVE_BUCKETS, RESOLVE_KEYS = 64, 10  # after a change of patterns: 50,000 items looked at and 1000 resolved a second
COMPACTION_BYTES = 48 * 1024  # moved per step
PREFETCH_INTERVAL_S = 0.05
CLIENTS_INTERVAL_S = 0.5
FILES_INTERVAL_S = 0.25  # a changed policy applies within a second


def maintain_memory(store: Store, clock: Clock) -> None:
    """One step of expiry, compaction and finding rules, at the time it is: without requests nobody else tells it."""
    store.set_time(ceil_tick(clock.now_ns()), clock.wall_ms())
    store.expire_step(EXPIRY_ITEMS)
    store.compact_step(COMPACTION_BYTES)
    store.resolve_step(RESOLVE_BUCKETS, RESOLVE_KEYS)


class Periodic:
    """Calls a function every so often until it is closed; an exception is reported and does not end it."""

    __slots__ = ("_call", "_handle", "_interval_s", "_loop", "_on_error")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interval_s: float,
        call: Callable[[], object],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._loop = loop
        self._interval_s = interval_s
        self._call = call
        self._on_error = on_error
        self._handle: asyncio.TimerHandle | None = loop.call_later(interval_s, self._run)

    def _run(self) -> None:
        try:
            self._call()
        except Exception as exc:
            self._on_error(exc)
        if self._handle is not None:
            self._handle = self._loop.call_later(self._interval_s, self._run)

    def close(self) -> None:
        """Call no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
