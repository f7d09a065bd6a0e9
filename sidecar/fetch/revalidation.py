"""Refreshing behind what is stale, or fresh and near its end: one origin read of the row, that nobody waits for."""

from asyncio import AbstractEventLoop
from collections.abc import Iterable

from sidecar.clock import Clock
from sidecar.fetch.alarms import Alarms
from sidecar.fetch.failing_rows import FailingRows
from sidecar.fetch.memory_tier import MemoryTier
from sidecar.fetch.origin_guard import OriginGuard
from sidecar.fetch.policy_numbers import PolicyNumbers
from sidecar.fetch.singleflight import Singleflight
from sidecar.fetch.turn_clock import TurnClock
from sidecar.resilience.priority import Priority

PATIENCE = 8  # backoffs that the refresh of a row whose last read failed waits for the retry budget at most


class Revalidation:
    """Begins refills, and lets memory hand out the next one when one came to nothing."""

    __slots__ = ("_failing", "_guard", "_numbers", "_refreshable", "_singleflight", "_store", "_turn")

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Clock,
        turn: TurnClock,
        store: MemoryTier,
        numbers: PolicyNumbers,
        singleflight: Singleflight,
        failing: FailingRows,
        guard: OriginGuard,
    ) -> None:
        self._turn = turn
        self._store = store
        self._numbers = numbers
        self._singleflight = singleflight
        self._failing = failing
        self._guard = guard
        self._refreshable: Alarms = Alarms(loop, clock, store.clear_refreshing)

    def revalidate(self, keys: Iterable[bytes]) -> None:
        """A stale entry of each, or a fresh one near its end, was served."""
        now_ns = self._turn.now_ns()
        for key in keys:
            failing = self._failing.state(key)
            if failing is None:
                self.refill(key)
            elif now_ns < failing[0]:
                self.failed(key, failing[0])
            else:
                self._refill_again(key, failing[0], now_ns)

    def _refill_again(self, key: bytes, due_ns: int, now_ns: int) -> None:
        """The row's last read failed, its backoff is over since ``due_ns``: a retry, which the retry budget pays for.

        A row whose ttl is longer than its backoff would else be asked for more often than one that can be read: in a
        brownout in which half of the calls fail, all its refreshes were asked twice.
        """
        backoff_ns = self._numbers.row(key).read_error_backoff_ms * 1_000_000
        if self._guard.retries.is_used_up(now_ns) and now_ns - due_ns < PATIENCE * backoff_ns:
            self.failed(key, now_ns + backoff_ns)
            return
        self._guard.retries.withdraw(1, now_ns)
        self.refill(key)

    def refill(self, key: bytes) -> None:
        """Read the row for memory's sake. Where too much waits already it is left out."""
        if self._guard.is_down:
            numbers = self._numbers.row(key)
            self.failed(key, self._turn.now_ns() + numbers.read_error_backoff_ms * 1_000_000)
            return
        if self._singleflight.is_full():
            self.came_to_nothing(key)
            return
        deadline = self._turn.deadline(self._numbers.row(key).deadline_ms)
        self._singleflight.refill(key, deadline, Priority.REVALIDATION)

    def came_to_nothing(self, key: bytes) -> None:
        """The refill's answer was not kept: the next stale hit asks for another."""
        self._store.clear_refreshing(key)

    def failed(self, key: bytes, retry_at_ns: int) -> None:
        """The refill failed: stale hits ask for no other before ``retry_at_ns``."""
        self._refreshable.add(retry_at_ns, key)
