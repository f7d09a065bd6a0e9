"""A log line for each change of a state that may flap: a few at once, then one a PERIOD that tells where it is now."""

from asyncio import AbstractEventLoop
from collections.abc import Callable

PERIOD_S = 10.0
LINES = 4  # in one period: an outage has two


class StateLog:
    """Passes on at most LINES changes a period; what was withheld is counted in the line that follows.

    Args:
        write: (fields of the latest change, with ``withheld`` where there were others) -> a log line.
    """

    __slots__ = ("_latest", "_left", "_loop", "_waits", "_withheld", "_write")

    def __init__(self, loop: AbstractEventLoop, write: Callable[[dict[str, object]], None]) -> None:
        self._loop = loop
        self._write = write
        self._left = LINES
        self._latest: dict[str, object] = {}
        self._withheld = 0
        self._waits = False

    def changed(self, **fields: object) -> None:
        """The state is another now."""
        if not self._waits:
            self._waits = True
            self._loop.call_later(PERIOD_S, self._end_period)
        if self._left:
            self._left -= 1
            self._write(fields)
        else:
            self._withheld += 1
            self._latest = fields

    def _end_period(self) -> None:
        self._left = LINES
        self._waits = False
        if self._withheld:
            withheld, self._withheld = self._withheld - 1, 0
            self.changed(**self._latest, withheld=withheld)
