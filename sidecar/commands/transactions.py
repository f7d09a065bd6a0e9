"""MULTI, EXEC and DISCARD.

Commands are queued as they come and checked as Redis checks them. EXEC takes all its keys at once, so two cannot wait
for each other; then its commands run: those on one key in order, neighbours on different keys together, so that
their reads leave in one batch. It is not atomic at the origin: a command that fails, or whose outcome is unknown, says
so in its place and the rest goes on.
"""

from collections.abc import Callable
from typing import Any

from protocol import errors
from protocol.errors import CommandRejected
from protocol.replies import OK, QUEUED, ErrorReply, Reply
from sidecar.commands.arguments import weight
from sidecar.commands.later import PENDING, Later
from sidecar.commands.locks import Locks
from sidecar.commands.order import Order, Ticket
from sidecar.commands.services import Handler, Services
from sidecar.fetch import Writes

QUEUE_MAX_BYTES = 64 * 1024 * 1024  # one client's queue; the default of --max-client-memory

REPLIES_MAX_BYTES = 64 * 1024 * 1024  # of one EXEC: they are held until the last one is known
SMALL_REPLY_BYTES = 1024

REPLY_TOO_LARGE = ErrorReply(b"ERR the replies of the transaction are larger than 64 MiB")
QUEUE_FULL = ErrorReply(b"ERR the transaction is larger than 64 MiB")


def multi(services: Services, session: Any, args: list[bytes]) -> Reply:
    """MULTI"""
    if session.queue is not None:
        return errors.NESTED_MULTI
    session.queue = []
    session.queue_failed = False
    session.queue_bytes = 0
    return OK


def discard(services: Services, session: Any, args: list[bytes]) -> Reply:
    """DISCARD"""
    if session.queue is None:
        return errors.DISCARD_WITHOUT_MULTI
    leave(session)
    return OK


def leave(session: Any) -> None:
    """Out of MULTI: what was queued is forgotten."""
    session.queue = None
    session.queue_failed = False
    session.queue_bytes = 0


def enqueue(session: Any, args: list[bytes]) -> Reply:
    """Keep a command for EXEC."""
    session.queue_bytes += weight(args)
    if session.queue_bytes > QUEUE_MAX_BYTES:
        session.queue_failed = True
        session.queue.clear()
        return QUEUE_FULL
    if not session.queue_failed:
        session.queue.append(args)
    return QUEUED


def take_queue(session: Any) -> list[list[bytes]]:
    """The commands that EXEC is to run, at its arrival.

    Raises:
        CommandRejected: there is no MULTI, or one of its commands was refused.
    """
    commands = session.queue
    failed = session.queue_failed
    if commands is None:
        raise CommandRejected(errors.EXEC_WITHOUT_MULTI)
    leave(session)
    if failed:
        raise CommandRejected(errors.EXEC_ABORTED)
    return commands


def aborted_by(error: ErrorReply) -> ErrorReply:
    """EXEC itself was refused; its queue is gone."""
    return ErrorReply(b"EXECABORT Transaction discarded because of: " + error.text.removeprefix(b"ERR "))


class Transaction:
    """One EXEC under way.

    Args:
        commands: entry, arguments and keys of each.
        writes: begins those that were submitted before.
        perform: starts one command.
    """

    __slots__ = (
        "_commands",
        "_keys",
        "_left",
        "_locks",
        "_order",
        "_replies_bytes",
        "_results",
        "_session",
        "_writes",
        "later",
    )

    def __init__(
        self,
        session: Any,
        commands: list[tuple[Any, list[bytes], tuple[bytes, ...]]],
        locks: Locks,
        writes: Writes,
        perform: Callable[[Ticket], None],
    ) -> None:
        self._session = session
        self._commands = commands
        self._locks = locks
        self._writes = writes
        self._order = Order(perform)
        self._keys = tuple(dict.fromkeys(key for _, _, keys in commands for key in keys))
        self._results: list[Reply] = [None] * len(commands)
        self._replies_bytes = 0
        self._left = len(commands)
        self.later = Later()

    def begin(self) -> Reply | Later:
        """Take the keys and start. Returns the replies when all are there at once."""
        if not self._commands:
            return []
        self._locks.take(self._keys, self._run)
        return self.later if self.later.reply is PENDING else self.later.reply

    def _run(self) -> None:
        self._writes.begin(self._keys)  # others' writes come before ours: our reads must not be from before those
        for slot, (entry, args, keys) in enumerate(self._commands):
            self._order.submit(Ticket(self._order, entry, self._session, args, keys, self, slot))

    def fill(self, slot: int, reply: Reply) -> None:
        """One command's reply; past the bound large ones are not kept. The replies of writes are small."""
        size = size_of(reply)
        if size > SMALL_REPLY_BYTES:
            self._replies_bytes += size
            if self._replies_bytes > REPLIES_MAX_BYTES:
                reply = REPLY_TOO_LARGE
        self._results[slot] = reply
        self._left -= 1
        if self._left == 0:
            self._locks.release(self._keys)
            self.later.set(self._results)


def size_of(reply: Reply) -> int:
    """About what a reply holds, elements of elements left out."""
    if isinstance(reply, bytes):
        return len(reply)
    if isinstance(reply, dict):
        reply = [*reply, *reply.values()]
    if isinstance(reply, list):
        return sum(len(element) for element in reply if isinstance(element, bytes)) + 8 * len(reply)
    return 0


HANDLERS: dict[bytes, Handler] = {b"multi": multi, b"discard": discard}
