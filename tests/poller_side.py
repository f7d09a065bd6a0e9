"""The client side over real sockets with a dispatcher that tests steer: what the poller's tests share."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from policies import DEFAULT_POLICY
from protocol import FieldLists, Session, Status
from sidecar.commands._hot import HotCommands
from sidecar.memory import Store
from sidecar.metrics import Counters
from sidecar.net._connection import Connection
from sidecar.net._poller import Poller


class EchoDispatcher:
    """Answers ECHO at once, SLOW in a slot that the test fills, BIG with bytes, BUG with an exception."""

    def __init__(self):
        self.slots: list[tuple[Connection, int]] = []

    def execute(self, connection: Connection, args: list[bytes]) -> None:
        name = args[0].upper()
        if name == b"ECHO":
            connection.reply(args[1])
        elif name == b"SLOW":
            self.slots.append((connection, connection.open_slot(held=sum(map(len, args)))))
        elif name == b"BIG":
            connection.reply(b"x" * int(args[1]))
        elif name == b"QUIT":
            connection.reply(Status(b"OK"))
            connection.close_after_replies()
        else:
            raise RuntimeError("a bug")


class Side:
    """A poller with an echo dispatcher, and clients connected to it."""

    def __init__(self, use_epoll: bool) -> None:
        loop = asyncio.get_running_loop()
        counters = Counters()
        store = Store(8 << 20, DEFAULT_POLICY.compile(None).table, counters)
        self.lists = FieldLists()
        self.poller = Poller(loop, HotCommands(store, counters), self.lists, use_epoll=use_epoll)
        self.dispatcher = self.poller.dispatcher = EchoDispatcher()
        self.errors: list[BaseException] = []
        self.turns_with_slow = 0
        self.poller.on_error = self.errors.append
        self.poller.end_of_turn = self.count
        self.poller.revalidate = lambda keys: None
        self.clients: list[Any] = []

    def count(self) -> None:
        self.turns_with_slow += 1

    async def connect(
        self, buffer: int = 0, **session: Any
    ) -> tuple[Connection, asyncio.StreamReader, asyncio.StreamWriter]:
        """A client as asyncio's streams."""
        connection, client = self.connect_socket(buffer, **session)
        reader, writer = await asyncio.open_connection(sock=client, limit=1 << 26)
        self.clients.append(writer)
        return connection, reader, writer

    def connect_socket(self, buffer: int = 0, tcp: bool = False, **session: Any) -> tuple[Connection, socket.socket]:
        """A client as a bare socket, which reads only when the test does. buffer: the kernel's; 0: as it is."""
        ours, theirs = _tcp_pair(buffer) if tcp else socket.socketpair()
        if buffer:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        for each in (ours, theirs):
            each.setblocking(False)
        self.clients.append(theirs)
        return self.poller.adopt(ours.detach(), Session(1, lists=self.lists, **session)), theirs

    def connect_by_messages(self) -> tuple[Connection, socket.socket]:
        """A client for whom each of our sends stays a message of its own."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for each in (ours, theirs):
            each.setblocking(False)
        self.clients.append(theirs)
        return self.poller.adopt(ours.detach(), Session(1, lists=self.lists)), theirs

    def close(self) -> None:
        self.poller.close()
        for writer in self.clients:
            writer.close()


def _tcp_pair(buffer: int) -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.socket()
        if buffer:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)  # before the window is told
        theirs.connect(listening.getsockname())
        return listening.accept()[0], theirs


async def read(reader: asyncio.StreamReader, size: int) -> bytes:
    """Exactly so many bytes, soon."""
    return await asyncio.wait_for(reader.readexactly(size), 10)


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop turn until something is true, soon."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def turns(count: int) -> None:
    """Let the loop turn so often: whatever has to be done at once is done by then."""
    for _ in range(count):
        await asyncio.sleep(0)


async def read_socket(client: socket.socket, size: int | None = None) -> bytes:
    """So many bytes of a bare socket, None: all up to its end. The loop turns meanwhile."""
    received = b""
    async with asyncio.timeout(10):
        while size is None or len(received) < size:
            part = await asyncio.get_running_loop().sock_recv(client, 1 << 20 if size is None else size - len(received))
            if not part:
                break
            received += part
    return received
