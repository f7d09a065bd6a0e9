"""Reads that nobody waits for yet: rows that will probably be asked for, read with what the origin has to spare."""

from collections.abc import Callable

from sidecar.fetch.batcher import Batcher
from sidecar.fetch.failing_rows import FailingRows
from sidecar.fetch.policy_numbers import PolicyNumbers
from sidecar.fetch.singleflight import Singleflight
from sidecar.fetch.turn_clock import TurnClock
from sidecar.resilience.priority import Priority


class Speculation:
    """Takes rows to be read for memory's sake, as long as there is room to spare."""

    __slots__ = ("_batcher", "_failing", "_numbers", "_singleflight", "_turn")

    def __init__(
        self,
        turn: TurnClock,
        numbers: PolicyNumbers,
        singleflight: Singleflight,
        batcher: Batcher,
        failing: FailingRows,
    ) -> None:
        self._turn = turn
        self._numbers = numbers
        self._singleflight = singleflight
        self._batcher = batcher
        self._failing = failing

    def speculate(self, key: bytes, then: Callable[[bool], None] | None = None) -> bool:
        """Have the whole row read; it leaves after all reads that somebody waits for, and is the first to be shed.

        Args:
            then: told once, later, whether memory kept the answer.

        Returns:
            False: there is no room to spare now, or the row's last read failed just now. Ask again later; ``then``
            is not called.
        """
        if not self._batcher.has_room_to_spare() or self._singleflight.is_full():
            return False
        failing = self._failing.state(key)
        if failing is not None and self._turn.now_ns() < failing[0]:
            return False
        deadline = self._turn.deadline(self._numbers.row(key).deadline_ms)
        flight = self._singleflight.refill(key, deadline, Priority.SPECULATIVE)
        if then is not None:
            flight.watch(then)
        return True
