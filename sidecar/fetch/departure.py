"""When what was gathered leaves for the origin: at the end of the turn, all of it together."""

from asyncio import AbstractEventLoop
from collections.abc import Callable


class Departure:
    """Sends writes before reads: a read that a write of its own turn would make useless then waits for that write.

    The poller ends its turns by ``now``; what is gathered outside of them leaves in the loop's next step.
    """

    __slots__ = ("_flushes", "_is_due", "_loop")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._is_due = False
        self._flushes: tuple[Callable[[], None], ...] = ()

    def of(self, writes: Callable[[], None], reads: Callable[[], None]) -> None:
        """What sends the writes, and the reads, that were gathered."""
        self._flushes = (writes, reads)

    def soon(self) -> None:
        """Something was gathered."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.now)

    def now(self) -> None:
        """The turn is over."""
        self._is_due = False
        for flush in self._flushes:
            flush()
