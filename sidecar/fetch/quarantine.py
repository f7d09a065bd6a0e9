"""Keys with a write whose outcome nobody knows: not cached until the write can no longer happen, then verified."""

from asyncio import AbstractEventLoop
from collections.abc import Callable

from sidecar.clock import Clock
from sidecar.fetch.alarms import Alarms

AFTER_TIMEOUT_MS = 1000  # how long past its own timeout a write may still reach the origin
MAX_KEYS = 65536  # beyond, all keys are in quarantine: an outage with that many writes in 3 s has other worries


class Quarantine:
    """Which keys may not be cached, and until when.

    Args:
        on_end: told of each key whose quarantine is over.
    """

    __slots__ = ("_alarms", "_all_until_ns", "_clock", "_keys", "_on_end")

    def __init__(self, loop: AbstractEventLoop, clock: Clock, on_end: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._on_end = on_end
        self._keys: dict[bytes, int] = {}  # -> when it ends
        self._all_until_ns = 0
        self._alarms: Alarms = Alarms(loop, clock, self._on_alarm)

    def __contains__(self, key: object) -> bool:
        return key in self._keys or (self._all_until_ns > 0 and self._clock.now_ns() < self._all_until_ns)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: bytes, timeout_ms: int) -> None:
        """The outcome of a write of ``key`` is unknown; the origin gives up on it within ``timeout_ms``."""
        until_ns = self._clock.now_ns() + (timeout_ms + AFTER_TIMEOUT_MS) * 1_000_000
        keys = self._keys
        if key not in keys and len(keys) >= MAX_KEYS:
            self._all_until_ns = max(self._all_until_ns, until_ns)
            return
        keys[key] = max(until_ns, keys.get(key, 0))
        self._alarms.add(until_ns, key)

    def _on_alarm(self, key: bytes) -> None:
        until_ns = self._keys.get(key)
        if until_ns is not None and self._clock.now_ns() >= until_ns:  # else it was added again since
            del self._keys[key]
            self._on_end(key)
