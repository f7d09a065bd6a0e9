"""The time of this turn of the loop: read once, told to the memory tier, forgotten when the turn is over."""

from asyncio import AbstractEventLoop

from sidecar.clock import Clock, ceil_tick
from sidecar.fetch.memory_tier import MemoryTier
from sidecar.resilience.deadline import Deadline


class TurnClock:
    """One clock read and one Deadline a budget for all requests of a turn.

    Requests of one turn so share their deadlines, and look-ups of the Python side see the time of their own turn,
    not that of the poller's last one.

    Attributes:
        number: of the turn: another one, another number.
    """

    __slots__ = ("_clock", "_deadlines", "_loop", "_now_ns", "_store", "number")

    def __init__(self, loop: AbstractEventLoop, clock: Clock, store: MemoryTier) -> None:
        self._loop = loop
        self._clock = clock
        self._store = store
        self.number = 0
        self._now_ns = 0  # 0: not read in this turn
        self._deadlines: dict[int, Deadline] = {}

    def now_ns(self) -> int:
        """Nanoseconds on the clock's scale."""
        if not self._now_ns:
            self._now_ns = self._clock.now_ns()
            self._store.now = ceil_tick(self._now_ns)
            self._store.wall_ms = self._clock.wall_ms()
            self._loop.call_soon(self._forget)
        return self._now_ns

    def deadline(self, budget_ms: int) -> Deadline:
        """The deadline of a request that begins now."""
        now_ns = self.now_ns()
        deadline = self._deadlines.get(budget_ms)
        if deadline is None:
            deadline = self._deadlines[budget_ms] = Deadline.after(budget_ms, now_ns)
        return deadline

    def _forget(self) -> None:
        self._now_ns = 0
        self.number += 1
        self._deadlines.clear()
