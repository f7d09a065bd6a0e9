"""Order among commands: on one key as sent, on different keys as they come.

Every key has a queue. A ticket (one command) holds its place in the queues of all its keys from its arrival to its
reply, and runs when it stands first in all of them. Tickets enter all their queues at once, so the order of entry is
the same in every queue and no two can wait for each other.

Writes of one key share it: a write that is submitted is applied after those submitted before it, so it need not wait
for their outcome, and a pipeline of 100 HSETs to one hash leaves as one batch. Only tickets of a single key share: one
of several keys may stand first for one key while it still waits for another, and must not be overtaken there.

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
        shares: a write of one key that runs by being submitted.
        waits: lines in which other tickets stand before it.
    """

    __slots__ = ("args", "barrier", "entry", "keys", "order", "session", "shares", "sink", "slot", "waits")

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
        self.shares: bool = entry.submits and entry.shares(args)
        self.waits = 0

    def finish(self, reply: Reply) -> None:
        """The command is done: hand over its reply and let the next ones run."""
        self.sink.fill(self.slot, reply)
        self.order.leave(self)


class Line:
    """Those who want one key: the holders, and who waits behind them.

    Attributes:
        holders: tickets that may run or are running; more than one only where all share.
        shares: another ticket that shares may join the holders.
    """

    __slots__ = ("holders", "shares", "waiting")

    def __init__(self, shares: bool) -> None:
        self.holders = 1
        self.shares = shares
        self.waiting: deque[Any] | None = None

    def admits(self, shares: bool) -> bool:
        """Whether a newcomer may join the holders."""
        return shares and self.shares and not self.waiting


class Queues:
    """First come, first served, key by key.

    A waiter has ``waits``, in how many lines others stand before it, and ``shares``.
    """

    __slots__ = ("held",)

    def __init__(self, held: dict[Any, Line]) -> None:
        self.held = held

    def enter(self, waiter: Any, keys: Iterable[Hashable]) -> int:
        """Take a place in each key's line. Returns in how many of them others stand before it."""
        held = self.held
        waits = 0
        for key in keys:
            line = held.get(key)
            if line is None:
                held[key] = Line(waiter.shares)
            elif line.admits(waiter.shares):
                line.holders += 1
            else:
                if line.waiting is None:
                    line.waiting = deque()
                line.waiting.append(waiter)
                waits += 1
        return waits

    def leave(self, keys: Iterable[Hashable]) -> list[Any]:
        """A holder gives its keys up. Returns who stands first everywhere now, in order."""
        free = []
        for key in keys:
            line = self.held[key]
            line.holders -= 1
            if line.holders:
                continue
            waiting = line.waiting
            if not waiting:
                del self.held[key]
                continue
            line.shares = waiting[0].shares
            while waiting and (line.holders == 0 or (line.shares and waiting[0].shares)):
                following = waiting.popleft()
                line.holders += 1
                following.waits -= 1
                if following.waits == 0:
                    free.append(following)
        return free


class Order:
    """The unresolved commands of one connection, or of one EXEC.

    Args:
        run: starts a ticket; the ticket calls ``leave`` when it is done, perhaps at once.
        pace: says by ``may_run(slot)`` whether a ticket that waited may run now, or too much output waits, and calls
            back what ``call_when_drained`` is given; None: all may.
    """

    __slots__ = ("_pace", "_queues", "_ready", "_run", "_running", "_stalled", "behind", "held")

    def __init__(self, run: Callable[[Ticket], None], pace: Any = None) -> None:
        self.held: dict[Any, Line] = {}  # empty: nothing is unresolved
        self._queues = Queues(self.held)
        self.behind: deque[Ticket] = deque()  # a barrier that waits, and all that came after a barrier
        self._ready: deque[Ticket] = deque()
        self._stalled: list[Ticket] = []  # they may run as far as their keys go, but their client must read first
        self._run = run
        self._pace = pace
        self._running = False

    def may_run(self, keys: tuple[bytes, ...], barrier: bool, shares: bool) -> bool:
        """Whether nothing that came before is in the way of a command."""
        held = self.held
        if not held:
            return True
        if barrier or BARRIER in held or self.behind:
            return False
        for key in keys:
            line = held.get(key)
            if line is not None and not line.admits(shares):
                return False
        return True

    def hold(self, ticket: Ticket) -> None:
        """A command that may run is not done at once: what comes after it waits until ``leave``."""
        keys = ticket.keys
        if ticket.barrier:
            self.held[BARRIER] = Line(shares=False)
        elif len(keys) == 1 and keys[0] not in self.held:  # nearly always
            self.held[keys[0]] = Line(ticket.shares)
        else:
            self._queues.enter(ticket, keys)

    def park(self, ticket: Ticket) -> None:
        """Let a command wait that may not run."""
        if self.behind or ticket.barrier or BARRIER in self.held:
            self.behind.append(ticket)
        else:
            ticket.waits = self._queues.enter(ticket, ticket.keys)

    def submit(self, ticket: Ticket) -> None:
        """Run a command as soon as it may."""
        if self.may_run(ticket.keys, ticket.barrier, ticket.shares):
            self.hold(ticket)
            self._ready.append(ticket)
            self._run_ready()
        else:
            self.park(ticket)

    def leave(self, ticket: Ticket) -> None:
        """A ticket is done."""
        keys = ticket.keys
        if len(keys) == 1 and not self.behind:  # nearly always, and then nobody waits: 0.5 us less than the rest
            line = self.held[keys[0]]
            if line.holders == 1 and not line.waiting:
                del self.held[keys[0]]
                return
        self._ready += self._queues.leave((BARRIER,) if ticket.barrier else ticket.keys)
        behind = self.behind
        while behind:
            following = behind[0]
            if self.held and (following.barrier or BARRIER in self.held):
                break
            behind.popleft()
            if following.barrier:
                self.held[BARRIER] = Line(shares=False)
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
        pace = self._pace
        was_stalled = bool(self._stalled)
        try:
            while self._ready:
                ticket = self._ready.popleft()
                if pace is None or pace.may_run(ticket.slot):
                    self._run(ticket)
                else:
                    self._stalled.append(ticket)
        finally:
            self._running = False
        if self._stalled and not was_stalled:
            pace.call_when_drained(self._go_on)

    def _go_on(self) -> None:
        """The client has read: those that stalled may try again."""
        self._ready.extendleft(reversed(self._stalled))
        self._stalled = []
        self._run_ready()
