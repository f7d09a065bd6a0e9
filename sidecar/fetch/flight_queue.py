"""Flights that wait to be sent: one line for each priority."""

from collections import deque
from collections.abc import Iterator

from sidecar.fetch.flight import Flight
from sidecar.resilience.priority import Priority


class FlightQueue:
    """Lines of flights. All methods take O(1), amortized.

    A flight that became more urgent stands in a second line; where it stood before it is passed over.

    Attributes:
        lengths: flights that wait, by priority.
    """

    __slots__ = ("_lines", "lengths")

    def __init__(self) -> None:
        self._lines: tuple[deque[Flight], ...] = tuple(deque() for _ in Priority)
        self.lengths = [0] * len(Priority)

    def __len__(self) -> int:
        return sum(self.lengths)

    def add(self, flight: Flight) -> None:
        """``flight`` waits from now on."""
        flight.queued = True
        self._lines[flight.priority].append(flight)
        self.lengths[flight.priority] += 1

    def promote(self, flight: Flight, priority: Priority) -> None:
        """``flight`` became more urgent."""
        if flight.queued:
            self.lengths[flight.priority] -= 1
            self._lines[priority].append(flight)
            self.lengths[priority] += 1
        flight.priority = priority

    def take(self, priority: Priority) -> Flight | None:
        """The first of a line; None: it is empty."""
        line = self._lines[priority]
        while line:
            flight = line.popleft()
            if flight.queued and flight.priority == priority:
                flight.queued = False
                self.lengths[priority] -= 1
                return flight
        return None

    def in_order(self) -> Iterator[Flight]:
        """Take flights, the most urgent first."""
        for priority in Priority:
            while self.lengths[priority]:
                flight = self.take(priority)
                if flight is not None:
                    yield flight
