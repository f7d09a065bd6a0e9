"""SCAN's cursors: small numbers for clients, positions of the origin behind them."""

import random
from collections import OrderedDict

CAPACITY = 4096  # walks under way at once; each costs ~200 B plus the key it stands at
CURSOR_BITS = 52  # exact in a double: some clients read cursors as JavaScript numbers


class Cursors:
    """One bounded table per process, for pools switch connections between pages.

    A cursor stays valid until CAPACITY others were handed out or used after it; asking twice with one cursor
    gives the same page twice, as in Redis.
    """

    __slots__ = ("_positions", "_random")

    def __init__(self, seed: int | None = None) -> None:
        self._positions: OrderedDict[int, bytes] = OrderedDict()
        self._random = random.Random(seed)

    def __len__(self) -> int:
        return len(self._positions)

    def remember(self, position: bytes) -> int:
        """A new cursor, never 0, for a position."""
        cursor = self._random.getrandbits(CURSOR_BITS)
        while cursor == 0 or cursor in self._positions:
            cursor = self._random.getrandbits(CURSOR_BITS)
        self._positions[cursor] = position
        if len(self._positions) > CAPACITY:
            self._positions.popitem(last=False)
        return cursor

    def position(self, cursor: int) -> bytes | None:
        """Where a cursor stands; None: unknown or forgotten."""
        position = self._positions.get(cursor)
        if position is not None:
            self._positions.move_to_end(cursor)
        return position
