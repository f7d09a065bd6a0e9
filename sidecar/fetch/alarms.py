"""Wakes many waiters at their deadlines with one timer for all whose deadlines share a millisecond."""

from asyncio import AbstractEventLoop, TimerHandle
from collections import deque
from collections.abc import Callable
from typing import Any

from sidecar.clock import Clock

_SLOT_NS = 1_000_000
YOUNG_SLOTS = 64  # at least so many milliseconds: most requests have been answered by then
PER_STEP = 100  # woken in one step of the loop: each is a few microseconds, no step is to take 1 ms


class Alarms:
    """Calls ``on_due`` with each item at, or up to 2 ms after, its time.

    An item cannot be taken out again: whoever is no longer interested says so in its own state. Most are answered
    long before their time, and held until then they would be the largest thing in memory: a minute's write deadline
    kept a minute's writes. So each slot is looked through once, when it is YOUNG_SLOTS old.

    Args:
        is_over: whether an item need not be woken any more; None: they are held until their time.
    """

    __slots__ = ("_clock", "_is_over", "_last_at_ns", "_last_items", "_loop", "_on_due", "_slots", "_timers", "_young")

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Clock,
        on_due: Callable[[Any], None],
        is_over: Callable[[Any], bool] | None = None,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._on_due = on_due
        self._is_over = is_over
        self._young: deque[int] = deque()
        self._slots: dict[int, list[Any]] = {}
        self._timers: dict[int, TimerHandle] = {}
        self._last_at_ns = -1  # requests of one turn come with one deadline
        self._last_items: list[Any] = []

    def add(self, at_ns: int, item: Any) -> None:
        """Wake ``item`` at ``at_ns`` on the clock's scale."""
        if at_ns == self._last_at_ns:
            self._last_items.append(item)
            return
        slot = -(-at_ns // _SLOT_NS)
        items = self._slots.get(slot)
        if items is None:
            items = self._slots[slot] = []
            self._arm(slot)
            self._young.append(slot)
            if len(self._young) > YOUNG_SLOTS:
                self._look_through(self._young.popleft())
        items.append(item)
        self._last_at_ns, self._last_items = at_ns, items

    def _look_through(self, slot: int) -> None:
        """Let go of items that are over, and of the timer where that leaves none."""
        items = self._slots.get(slot)
        if items is None or self._is_over is None:
            return
        items[:] = [item for item in items if not self._is_over(item)]
        if not items and items is not self._last_items:
            del self._slots[slot]
            self._timers.pop(slot).cancel()

    def _arm(self, slot: int) -> None:
        # whole milliseconds, rounded up: that is what uvloop's timers know, a shorter one would come early and spin
        delay_ms = max(0, -(-(slot * _SLOT_NS - self._clock.now_ns()) // _SLOT_NS))
        self._timers[slot] = self._loop.call_later(delay_ms / 1000, self._ring, slot)

    def _ring(self, slot: int) -> None:
        if self._clock.now_ns() < slot * _SLOT_NS:  # the loop's clock runs ahead of ours by its resolution
            self._arm(slot)
            return
        items = self._slots.pop(slot)
        del self._timers[slot]
        if items is self._last_items:
            self._last_at_ns = -1
        self._wake(items, 0)

    def _wake(self, items: list[Any], start: int) -> None:
        """Wake a crowd in several steps of the loop."""
        for item in items[start : start + PER_STEP]:
            self._on_due(item)
        if start + PER_STEP < len(items):
            self._loop.call_soon(self._wake, items, start + PER_STEP)
