"""Reads that nobody waits for yet: rows that will probably be asked for, read with what the origin has to spare."""

from collections.abc import Callable

from sidecar.fetch.batcher import Batcher
from sidecar.fetch.failing_rows import FailingRows
from sidecar.fetch.flight import Flight
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

    def prefetch(self, key: bytes, then: Callable[[bool], None], priority: Priority) -> Flight | None:
        """Have the whole row read because what was asked for says that it will be asked for too.

        Args:
            then: told once, later, whether memory kept the answer.
            priority: DEMAND rides in the batch of what is asked for; SPECULATIVE only where there is room to spare.

        Returns:
            Its flight, ``is_guess`` for as long as nobody asks. None: the row is being read already, or too much
            waits, or its last read failed just now.
        """
        if self._singleflight.is_tried(key) or not self._has_room(priority) or self._is_failing(key):
            return None
        deadline = self._turn.deadline(self._numbers.row(key).deadline_ms)
        flight = self._singleflight.refill(key, deadline, priority)
        flight.is_guess = True
        flight.watch(then)
        return flight

    def _has_room(self, priority: Priority) -> bool:
        if self._singleflight.is_full():
            return False
        return priority is not Priority.SPECULATIVE or self._batcher.has_room_to_spare()

    def _is_failing(self, key: bytes) -> bool:
        failing = self._failing.state(key)
        return failing is not None and self._turn.now_ns() < failing[0]

    def speculate(self, key: bytes, then: Callable[[bool], None] | None = None) -> bool:
        """Have the whole row read; it leaves after all reads that somebody waits for, and is the first to be shed.

        Args:
            then: told once, later, whether memory kept the answer.

        Returns:
            False: there is no room to spare now, or the row's last read failed just now. Ask again later; ``then``
            is not called.
        """
        if not self._has_room(Priority.SPECULATIVE) or self._is_failing(key):
            return False
        deadline = self._turn.deadline(self._numbers.row(key).deadline_ms)
        flight = self._singleflight.refill(key, deadline, Priority.SPECULATIVE)
        if then is not None:
            flight.watch(then)
        return True
