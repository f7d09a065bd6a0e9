"""Flights that wait to be sent: one line for each priority."""

from collections import deque

from sidecar.fetch.flight import Flight
from sidecar.resilience.priority import Priority


class FlightQueue:
    """Lines of flights. All methods take O(1), amortized.

    A flight that became more urgent stands in a second line; where it stood before it is passed over.

    Attributes:
        waiting: flights that wait.
        lengths: the same by priority.
    """

    __slots__ = ("_lines", "lengths", "waiting")

    def __init__(self) -> None:
        self._lines: tuple[deque[Flight], ...] = tuple(deque() for _ in Priority)
        self.lengths = [0] * len(Priority)
        self.waiting = 0

    def add(self, flight: Flight, now_ns: int) -> None:
        """``flight`` waits from now on."""
        flight.queued = True
        flight.gathered_ns = now_ns
        self._lines[flight.priority].append(flight)
        self.lengths[flight.priority] += 1
        self.waiting += 1

    def promote(self, flight: Flight, priority: Priority) -> None:
        """``flight`` became more urgent."""
        if flight.queued:
            self.lengths[flight.priority] -= 1
            self._lines[priority].append(flight)
            self.lengths[priority] += 1
        flight.priority = priority

    def take(self, priority: Priority, newest: bool = False) -> Flight | None:
        """The first of a line, or the ``newest``; None: it is empty."""
        line = self._lines[priority]
        while line:
            flight = line.pop() if newest else line.popleft()
            if flight.queued and flight.priority == priority:
                flight.queued = False
                self.lengths[priority] -= 1
                self.waiting -= 1
                return flight
        return None

    def longest_wait_ns(self, priority: Priority, now_ns: int) -> int:
        """How long the first of a line has waited, at least 1; 0: it is empty."""
        line = self._lines[priority]
        while line:
            flight = line[0]
            if flight.queued and flight.priority == priority:
                return max(1, now_ns - flight.gathered_ns)
            line.popleft()
        return 0
