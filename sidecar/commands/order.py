"""Order among commands: on one key as sent, on different keys as they come.

Every key has a queue. A ticket (one command) holds its place in the queues of all its keys from its arrival to its
reply, and runs when it stands first in all of them. Tickets enter all their queues at once, so the order of entry is
the same in every queue and no two can wait for each other.

A barrier (SCAN, DBSIZE, EXEC...) reads what every earlier command may change: it runs when nothing before it is
unresolved, and what comes after it waits for it.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from protocol.replies import Reply

BARRIER = None  # stands in `queues` while a barrier runs; no key is None


class Ticket:
    """One command from its arrival to its reply.

    Attributes:
        keys: no key twice.
        sink: has ``fill(slot, reply)``.
        waits: queues in which another ticket stands before it.
    """

    __slots__ = ("args", "barrier", "entry", "keys", "order", "session", "sink", "slot", "waits")

    def __init__(
        self, order: "Order", entry: Any, session: Any, args: list[bytes], keys: tuple[bytes, ...], sink: Any, slot: int
    ) -> None:
        self.order = order
        self.entry = entry
        self.session = session
        self.args = args
        self.keys = keys
        self.barrier: bool = entry.barrier
        self.sink = sink
        self.slot = slot
        self.waits = 0

    def finish(self, reply: Reply) -> None:
        """The command is done: hand over its reply and let the next ones run."""
        self.sink.fill(self.slot, reply)
        self.order.leave(self)


class Queues:
    """First come, first served, key by key. ``held`` has one item per key that someone holds."""

    __slots__ = ("held",)

    def __init__(self, held: dict[Any, deque[Any] | None]) -> None:
        self.held = held  # key -> those that wait behind the holder; None: nobody does

    def enter(self, waiter: Any, keys: Iterable[Hashable]) -> int:
        """Take a place behind each key's holder. Returns in how many queues someone stands before it."""
        held = self.held
        waits = 0
        for key in keys:
            if key not in held:
                held[key] = None
                continue
            waiting = held[key]
            if waiting is None:
                held[key] = deque((waiter,))
            else:
                waiting.append(waiter)
            waits += 1
        return waits

    def leave(self, keys: Iterable[Hashable]) -> list[Any]:
        """The holder gives the keys up. Returns who stands first everywhere now."""
        free = []
        for key in keys:
            waiting = self.held[key]
            if not waiting:
                del self.held[key]
                continue
            following = waiting.popleft()
            following.waits -= 1
            if following.waits == 0:
                free.append(following)
        return free


class Order:
    """The unresolved commands of one connection, or of one EXEC.

    Args:
        run: starts a ticket; the ticket calls ``leave`` when it is done, perhaps at once.
    """

    __slots__ = ("_behind", "_queues", "_ready", "_run", "_running", "held")

    def __init__(self, run: Callable[[Ticket], None]) -> None:
        self.held: dict[Any, deque[Ticket] | None] = {}  # empty: nothing is unresolved
        self._queues = Queues(self.held)
        self._behind: deque[Ticket] = deque()  # a barrier that waits, and all that came after a barrier
        self._ready: deque[Ticket] = deque()
        self._run = run
        self._running = False

    def may_run(self, keys: tuple[bytes, ...], barrier: bool) -> bool:
        """Whether nothing that came before is in the way of a command."""
        held = self.held
        if not held:
            return True
        if barrier or BARRIER in held or self._behind:
            return False
        return all(key not in held for key in keys)

    def hold(self, keys: tuple[bytes, ...], barrier: bool) -> None:
        """A command that may run is not done at once: what comes after it waits until ``leave``."""
        if barrier:
            self.held[BARRIER] = None
        for key in keys:
            self.held[key] = None

    def park(self, ticket: Ticket) -> None:
        """Let a command wait that may not run."""
        if self._behind or ticket.barrier or BARRIER in self.held:
            self._behind.append(ticket)
        else:
            ticket.waits = self._queues.enter(ticket, ticket.keys)

    def submit(self, ticket: Ticket) -> None:
        """Run a command as soon as it may."""
        if self.may_run(ticket.keys, ticket.barrier):
            self.hold(ticket.keys, ticket.barrier)
            self._ready.append(ticket)
            self._run_ready()
        else:
            self.park(ticket)

    def leave(self, ticket: Ticket) -> None:
        """A ticket is done."""
        self._ready += self._queues.leave((BARRIER,) if ticket.barrier else ticket.keys)
        behind = self._behind
        while behind:
            following = behind[0]
            if self.held and (following.barrier or BARRIER in self.held):
                break
            behind.popleft()
            if following.barrier:
                self.held[BARRIER] = None
                self._ready.append(following)
                break
            following.waits = self._queues.enter(following, following.keys)
            if following.waits == 0:
                self._ready.append(following)
        self._run_ready()

    def _run_ready(self) -> None:
        """Run what may; iterative, for a long queue on one key may be answered from memory in one go."""
        if self._running:
            return
        self._running = True
        try:
            while self._ready:
                self._run(self._ready.popleft())
        finally:
            self._running = False
