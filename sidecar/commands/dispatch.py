"""From a command's words to its handler and from the handler's reply to the client.

Called for every command that the hot path does not answer. The way of one command:

    execute: known? enough arguments? authenticated? in MULTI?  -> an error or QUEUED at once
    Order:   an earlier command of this connection is unresolved on one of its keys -> wait
    Locks:   another connection's EXEC holds one of its keys                        -> wait
    handler: a reply at once -> connection.reply; a Later or a coroutine -> a slot, filled when it comes

The usual case (nothing unresolved, no EXEC under way) goes straight to the handler and makes a ticket only when the
reply is not there at once.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from types import CoroutineType
from typing import Any

from protocol import errors
from protocol.errors import CommandRejected
from protocol.replies import ErrorReply, LazyArray, Reply
from sidecar.commands import transactions
from sidecar.commands.arguments import weight
from sidecar.commands.entries import INSIDE_EXEC, find_entries
from sidecar.commands.entry import Entry
from sidecar.commands.later import PENDING, Later
from sidecar.commands.order import Order, Ticket
from sidecar.commands.services import Services
from sidecar.logs import logger

TICKET_BYTES = 400  # a command that waits: its ticket, its callbacks, its place in the queues
log = logger("commands")


class ClientState:
    """What the command layer keeps for one client, at ``session.extra``."""

    __slots__ = ("order",)

    def __init__(self, order: Order) -> None:
        self.order = order


class Dispatcher:
    """Runs commands in the order that their keys ask for.

    A connection has ``session``, ``reply(reply)``, ``open_slot(family, held)``, ``fill(slot, reply)``,
    ``may_run(slot)``, ``call_when_drained(callback)`` and ``in_order``, which the dispatcher turns off while a command
    of it is unresolved: then all its commands must come here.
    """

    __slots__ = (
        "_add_command",
        "_entries",
        "_exec",
        "_held_by_exec",
        "_inside_exec",
        "_locks",
        "_services",
        "_touches",
        "tasks",
    )

    def __init__(self, services: Services) -> None:
        self._services = services
        self._add_command = services.counters.add_command
        self._entries = find_entries({b"exec": self._run_exec})
        self._exec = self._entries[b"exec"]
        self._inside_exec = {
            self._entries[name]: Entry(self._entries[name].spec, handler) for name, handler in INSIDE_EXEC.items()
        }
        self._held_by_exec = services.locks
        self._locks = services.exec_locks
        self._touches = services.touches
        self.tasks: set[asyncio.Task[None]] = set()

    def execute(self, connection: Any, args: list[bytes]) -> None:
        """Run one command: ``connection.reply`` now, or ``open_slot`` now and ``fill`` later."""
        session = connection.session
        entry = self._entries.get(args[0]) or self._entries.get(args[0].lower())
        if entry is not None and entry.subcommands is not None and len(args) > 1:
            entry = entry.subcommands.get(args[1].lower())
        if entry is None or not entry.takes(len(args)):
            connection.reply(self._refuse(session, entry, args))
            return
        state = session.extra
        if state is None:
            state = session.extra = ClientState(Order(self._run_ticket, connection))
            connection.held, connection.behind = state.order.held, state.order.behind
        if not session.authenticated and not entry.before_auth:
            connection.reply(self._reject(session, entry, errors.NOT_AUTHENTICATED))
            return
        if session.queue is not None and not entry.inside_multi:
            connection.reply(transactions.enqueue(session, args))
            return
        session.last_command = entry.name
        self._add_command(entry.family, 1)
        if entry is self._exec:
            try:
                args = transactions.take_queue(session)  # type: ignore[assignment]  # EXEC's arguments are its commands
            except CommandRejected as rejected:
                connection.reply(rejected.reply)
                return
        keys = (args[1],) if entry.key_is_first else entry.keys_of(args)
        if entry.asks_values and self._touches.active:
            self._touches.add(keys)
        if connection.in_order and not self._held_by_exec:
            self._run(connection, state.order, entry, args, keys)
        else:
            self._run_or_wait(connection, state.order, entry, args, keys)

    def _run(self, connection: Any, order: Order, entry: Entry, args: list[bytes], keys: tuple[bytes, ...]) -> None:
        """Nothing is in the way."""
        reply = self._call(entry, connection.session, args)
        if not isinstance(reply, Later):
            connection.reply(reply)
        elif reply.reply is not PENDING:
            connection.reply(reply.reply)
        else:
            slot = connection.open_slot(entry.family, self._held(entry, args))
            ticket = _ConnectionTicket(order, entry, connection.session, args, keys, connection, slot)
            if keys or entry.barrier:
                order.hold(ticket)
                connection.in_order = False
            reply.then(ticket.finish)

    def _run_or_wait(
        self, connection: Any, order: Order, entry: Entry, args: list[bytes], keys: tuple[bytes, ...]
    ) -> None:
        """Something is unresolved: on this connection, or an EXEC of another one."""
        if not keys and not entry.barrier:
            self._run(connection, order, entry, args, keys)
            return
        if order.may_run(keys, entry.barrier, entry.submits and entry.shares(args)):
            if not self._locked(keys):
                self._run(connection, order, entry, args, keys)
                return
            submit = order.submit
        else:
            submit = order.park
        slot = connection.open_slot(entry.family, self._held(entry, args))
        connection.in_order = False
        submit(_ConnectionTicket(order, entry, connection.session, args, keys, connection, slot))

    def _held(self, entry: Entry, args: list[Any]) -> int:
        """About what a command holds until it is answered."""
        return TICKET_BYTES + (sum(map(weight, args)) if entry is self._exec else weight(args))

    def _locked(self, keys: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Those of the keys that an EXEC holds."""
        held = self._held_by_exec
        return tuple(key for key in keys if key in held) if held else ()

    def _run_ticket(self, ticket: Ticket) -> None:
        """A command's turn has come on its connection."""
        locked = self._locked(ticket.keys)
        if locked:
            self._locks.wait(locked, partial(self._perform, ticket))
        else:
            self._perform(ticket)

    def _perform(self, ticket: Ticket) -> None:
        reply = self._call(ticket.entry, ticket.session, ticket.args)
        if isinstance(reply, Later):
            reply.then(ticket.finish)
        else:
            ticket.finish(reply)

    def _call(self, entry: Entry, session: Any, args: list[bytes]) -> Reply | Later:
        """Run a handler; what it raises becomes the reply."""
        try:
            reply = entry.handler(self._services, session, args)
        except CommandRejected as rejected:
            return rejected.reply
        except Exception:
            log.error("command_failed", exc_info=True, command=entry.name.decode())
            return errors.INTERNAL
        return self._spawn(entry, reply) if isinstance(reply, CoroutineType) else reply  # type: ignore[return-value]

    def _spawn(self, entry: Entry, coroutine: Coroutine[Any, Any, Reply]) -> Later:
        later = Later()
        task = self._services.loop.create_task(self._complete(entry, coroutine, later))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return later

    @staticmethod
    async def _complete(entry: Entry, coroutine: Coroutine[Any, Any, Reply], later: Later) -> None:
        """Await a handler; its reply comes whatever happens, or the commands behind it would wait for ever."""
        reply: Reply = errors.INTERNAL
        try:
            reply = await coroutine
        except CommandRejected as rejected:
            reply = rejected.reply
        except Exception:
            log.error("command_failed", exc_info=True, command=entry.name.decode())
        finally:
            later.set(reply)

    def _run_exec(self, services: Services, session: Any, commands: list[Any]) -> Reply | Later:
        """EXEC"""
        calls = []
        for args in commands:
            entry = self._entries[args[0].lower()]
            if entry.subcommands is not None:
                entry = entry.subcommands[args[1].lower()]
            self._add_command(entry.family, 1)
            entry = self._inside_exec.get(entry, entry)
            keys = (args[1],) if entry.key_is_first else entry.keys_of(args)
            calls.append((entry, args, keys))
            if entry.asks_values and self._touches.active:
                self._touches.add(keys)
        return transactions.Transaction(session, calls, self._locks, services.writes, self._perform).begin()

    def _refuse(self, session: Any, entry: Entry | None, args: list[bytes]) -> ErrorReply:
        """A command that is unknown or has the wrong number of arguments."""
        if entry is not None:
            return self._reject(session, entry, errors.wrong_arity(entry.name))
        container = self._entries.get(args[0].lower())
        if container is not None:
            return self._reject(session, None, errors.unknown_subcommand(args))
        return self._reject(session, None, errors.unknown_command(args))

    def _reject(self, session: Any, entry: Entry | None, error: ErrorReply) -> ErrorReply:
        """A command refused before it ran spoils the transaction that it stands in."""
        self._add_command(0 if entry is None else entry.family, 1)
        if session.queue is not None:
            session.queue_failed = True
        if entry is not self._exec:
            return error
        if session.queue is not None:
            transactions.leave(session)
        return transactions.aborted_by(error)


class _ConnectionTicket(Ticket):
    """A ticket that opens the hot path again when it was the connection's last one."""

    __slots__ = ()

    def finish(self, reply: Reply) -> None:
        self.sink.fill(self.slot, reply)
        if self.keys or self.barrier:
            if reply.__class__ is LazyArray:
                self.sink.call_when_drained(self._leave)  # it still reads its keys
            else:
                self._leave()

    def _leave(self) -> None:
        order = self.order
        order.leave(self)
        if not order.held:
            self.sink.in_order = True
