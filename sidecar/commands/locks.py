"""Keys that an EXEC holds against all other commands of this sidecar."""

from collections import deque
from collections.abc import Callable
from typing import Any

from sidecar.commands.order import Queues


class Waiter:
    """Someone who waits for keys. ``stays``: it holds them until ``release``, else it only waits for its turn."""

    __slots__ = ("keys", "shares", "stays", "then", "waits")

    def __init__(self, keys: tuple[bytes, ...], then: Callable[[], None], stays: bool) -> None:
        self.keys = keys
        self.then = then
        self.stays = stays
        self.shares = False
        self.waits = 0


class Locks:
    """First come, first served on every key; all keys of one taker are asked for at once, so none can deadlock.

    Args:
        held: shared with the hot path, which is closed while it is not empty.
    """

    __slots__ = ("_granting", "_queues", "_ready", "held")

    def __init__(self, held: dict[bytes, Any]) -> None:
        self.held = held
        self._queues = Queues(held)
        self._ready: deque[Waiter] = deque()
        self._granting = False

    def take(self, keys: tuple[bytes, ...], then: Callable[[], None]) -> None:
        """Call back when all keys (no key twice) are held; ``release`` must follow."""
        self._enter(Waiter(keys, then, stays=True))

    def wait(self, keys: tuple[bytes, ...], then: Callable[[], None]) -> None:
        """Call back when those who hold these keys now, or asked for them before, have released them."""
        self._enter(Waiter(keys, then, stays=False))

    def release(self, keys: tuple[bytes, ...]) -> None:
        """Give keys up; those who may go on are called back."""
        self._ready += self._queues.leave(keys)
        self._grant()

    def _enter(self, waiter: Waiter) -> None:
        waiter.waits = self._queues.enter(waiter, waiter.keys)
        if waiter.waits == 0:
            self._ready.append(waiter)
            self._grant()

    def _grant(self) -> None:
        """Iterative: thousands may wait for one key and each lets the next one go."""
        if self._granting:
            return
        self._granting = True
        try:
            while self._ready:
                waiter = self._ready.popleft()
                if not waiter.stays:
                    self._ready += self._queues.leave(waiter.keys)
                waiter.then()
        finally:
            self._granting = False
