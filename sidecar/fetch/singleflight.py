"""One origin read per row and what it covers, however many wait for it.

A flight gathers readers until it is sent; readers that come later share it while it is current (coherence.py) and
covers what they ask. Whoever may not share it gathers in the row's next flight, which is held back until the one in
the air has landed, or the write under way has ended, or half of its deadline is over. So fills of one row do not
cross, and a stream of reads cannot keep a row out of memory by each overtaking the one before.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable

from sidecar.clock import Clock
from sidecar.fetch.alarms import Alarms
from sidecar.fetch.coherence import Coherence
from sidecar.fetch.flight import Flight, Waiter
from sidecar.fetch.turn_clock import TurnClock
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.priority import Priority


class Singleflight:
    """All flights that were not sent yet, one a row; those in the air are in ``coherence.fills``.

    Args:
        send: hands a flight to the batcher, which asks ``depart`` when it goes.
        promote: tells the batcher that a flight became more urgent.
        max_waiting: flights that may wait to be sent.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Clock,
        turn: TurnClock,
        coherence: Coherence,
        send: Callable[[Flight], None],
        promote: Callable[[Flight, Priority], None],
        max_waiting: int,
    ) -> None:
        self._turn = turn
        self._coherence = coherence
        self._send = send
        self._promote = promote
        self._max_waiting = max_waiting
        self._gathering: dict[bytes, Flight] = {}
        self._patience: Alarms = Alarms(loop, clock, self._on_patience, lambda flight: not flight.held)

    def is_full(self) -> bool:
        """Whether so many flights wait that no more may."""
        return len(self._gathering) >= self._max_waiting

    def is_tried(self, key: bytes) -> bool:
        """Whether a read of the row waits or is in the air."""
        return key in self._gathering or key in self._coherence.fills

    def is_demanded(self, key: bytes) -> bool:
        """Whether a read of the row waits to be sent because somebody asked."""
        flight = self._gathering.get(key)
        return flight is not None and not flight.is_guess

    def shared_by(self, waiter: Waiter) -> Flight | None:
        """The flight whose answer will do for ``waiter``; None: it needs one of its own."""
        key, fields = waiter.key, waiter.fields
        flight = self._gathering.get(key)
        if flight is not None:
            flight.widen(fields)
            if flight.priority is not Priority.DEMAND:
                self._promote(flight, Priority.DEMAND)
            return flight
        in_the_air = self._coherence.fills.get(key)
        if in_the_air is not None and not waiter.bypass:
            newest = in_the_air[-1]
            if isinstance(newest, Flight) and newest.covers(fields) and self._coherence.is_current(newest):
                return newest
        return None

    def begin(
        self,
        key: bytes,
        fields: tuple[bytes, ...] | None,
        deadline: Deadline,
        priority: Priority = Priority.DEMAND,
    ) -> Flight:
        """A new flight of a row that has none gathering."""
        flight = Flight(key, fields, deadline, priority)
        self._gathering[key] = flight
        if self._must_wait(flight):
            self._hold(flight)
        else:
            self._send(flight)
        return flight

    def refill(self, key: bytes, deadline: Deadline, priority: Priority) -> Flight:
        """Have the whole row read for memory's sake."""
        flight = self._gathering.get(key)
        if flight is None:
            in_the_air = self._coherence.fills.get(key)
            if in_the_air is not None:
                newest = in_the_air[-1]
                if isinstance(newest, Flight) and newest.covers(None) and self._coherence.is_current(newest):
                    newest.refill = True
                    newest.is_guess = False
                    return newest
            flight = self.begin(key, None, deadline, priority)
        elif flight.priority > priority:
            self._promote(flight, priority)
        flight.widen(None)
        flight.refill = True
        flight.is_guess = False
        return flight

    def depart(self, flight: Flight) -> bool:
        """The batcher asks whether to take ``flight`` along; if so it is sent now."""
        key = flight.key
        if not flight.is_wanted():
            del self._gathering[key]
            return False
        if not flight.urgent and self._must_wait(flight):  # a write began since it was gathered
            self._hold(flight)
            return False
        del self._gathering[key]
        flight.sent_ns = self._turn.now_ns()
        self._coherence.sent(flight)
        return True

    def held_for_write(self, key: bytes) -> Flight | None:
        """A write of ``key`` ended: the flight that was held back for it. Another write does not hold it longer."""
        flight = self._gathering.get(key)
        return flight if flight is not None and flight.held and key not in self._coherence.fills else None

    def held_for_landing(self, key: bytes) -> Flight | None:
        """A flight of ``key`` landed: the next one, if nothing else holds it back."""
        flight = self._gathering.get(key)
        return flight if flight is not None and flight.held and not self._must_wait(flight) else None

    def let_go(self, flight: Flight) -> None:
        """Send a flight that was held back, at once and whatever comes."""
        flight.held = False
        flight.urgent = True
        self._send(flight)

    def cancel(self, flight: Flight) -> None:
        """Nobody wants a flight that was held back."""
        flight.held = False
        del self._gathering[flight.key]

    def _must_wait(self, flight: Flight) -> bool:
        """Whether its answer could not be installed if it left now."""
        key, coherence = flight.key, self._coherence
        return key in coherence.fills or (key in coherence.marks and coherence.is_reserved(key, flight.fields))

    def _hold(self, flight: Flight) -> None:
        flight.held = True
        now_ns = self._turn.now_ns()
        self._patience.add(now_ns + max(0, flight.deadline.at_ns - now_ns) // 2, flight)

    def _on_patience(self, flight: Flight) -> None:
        if flight.held:
            self.let_go(flight)
