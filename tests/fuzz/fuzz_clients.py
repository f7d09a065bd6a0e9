"""Clients that send, read, stop reading and leave as chance has it, against the poller over real sockets.

    PYTHONPATH=tests python tests/fuzz/fuzz_clients.py [runs] [first seed]

Invariant: whatever the cuts, pauses and order of answers, each client receives exactly the replies to what it sent, in
order, and its end where it asked for one; when all is done no turn is taken any more and nothing is held.
"""

import asyncio
import random
import socket
import sys
from collections.abc import Callable
from typing import Any

from poller_side import Side, turns

from protocol import LazyArray, Status
from protocol.replies import Reply

UNUSED = (b"\r\n", b"*0\r\n", b"*-1\r\n")  # what asks nothing
VIOLATION = b"*1\r\nECHO\r\n"
VIOLATION_REPLY = b"-ERR Protocol error: expected '$', got 'E'\r\n"


def bulk(size: int) -> bytes:
    return b"$%d\r\n%b\r\n" % (size, b"x" * size)


class ChanceDispatcher:
    """Answers ECHO and BIG at once, LAZY element by element, SLOW when the run decides."""

    def __init__(self) -> None:
        self.slow: list[tuple[Any, int, Reply]] = []

    def execute(self, connection: Any, args: list[bytes]) -> None:
        name = args[0]
        if name == b"ECHO":
            connection.reply(args[1])
        elif name == b"BIG":
            connection.reply(b"x" * int(args[1]))
        elif name == b"LAZY":
            count, size = int(args[1]), int(args[2])
            connection.reply(LazyArray(count, iter([b"x" * size] * count)))
        elif name == b"SLOW":
            self.slow.append((connection, connection.open_slot(held=100), b"x" * int(args[1])))
        elif name == b"QUIT":
            connection.reply(Status(b"OK"))
            connection.close_after_replies()


class Client:
    """One client: what it sends, what it must receive, what it did receive."""

    def __init__(self, side: Side, chance: random.Random) -> None:
        self.chance = chance
        self.connection, self.socket = side.connect_socket(chance.choice((0, 4096, 30000)), tcp=chance.random() < 0.5)
        self.to_send, self.expected = self._script()
        self.received = bytearray()
        self.ended = False
        self.leaves = chance.random() < 0.3  # half-closes when all is sent
        self.reads = 1.0
        if self.closes:
            self.to_send += b"PING\r\n" * chance.choice((0, 1, 500))

    def _script(self) -> tuple[bytes, bytes]:
        chance = self.chance
        asked, replies = [], []
        for _ in range(chance.choice((1, 5, 40, 700))):
            command, reply = self._command(chance.random())
            asked.append(command)
            replies.append(reply)
        self.closes = chance.random() < 0.4
        if self.closes:
            command, reply = chance.choice(((b"QUIT\r\n", b"+OK\r\n"), (VIOLATION, VIOLATION_REPLY)))
            asked.append(command)
            replies.append(reply)
        return b"".join(asked), b"".join(replies)

    def _command(self, which: float) -> tuple[bytes, bytes]:
        chance = self.chance
        if which < 0.4:
            return b"PING\r\n", b"+PONG\r\n"
        if which < 0.6:
            word = b"%d" % chance.randrange(10**6)
            return b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\n" % (len(word), word), b"$%d\r\n%b\r\n" % (len(word), word)
        if which < 0.62:
            size = chance.choice((10, 20_000, 200_000))
            return b"*2\r\n$4\r\nECHO\r\n" + bulk(size), bulk(size)
        if which < 0.64:
            size = chance.choice((10, 3000, 3000, 100_000, 100_000, 3_000_000))
            return b"BIG %d\r\n" % size, bulk(size)
        if which < 0.66:
            count, size = chance.choice(((0, 0), (3, 10), (100, 3000), (5, 100_000)))
            return b"LAZY %d %d\r\n" % (count, size), b"*%d\r\n" % count + bulk(size) * count
        if which < 0.9:
            size = chance.choice((0, 1, 1, 1, 1000, 50_000))
            return b"SLOW %d\r\n" % size, bulk(size)
        return chance.choice(UNUSED), b""

    @property
    def done(self) -> bool:
        """It has all it asked for, and its end."""
        return (
            len(self.received) >= len(self.expected)
            and not (self.to_send and not self.closes)
            and (self.ended or not (self.closes or self.leaves))
        )

    def send_some(self) -> None:
        """Up to some bytes of what is left to send; then perhaps the end."""
        if not self.to_send:
            return
        size = self.chance.choice((1, 7, 100, 5000, 70_000, 10**6))
        try:
            sent = self.socket.send(self.to_send[:size])
        except BlockingIOError:
            return
        except ConnectionError:  # it closed, as was asked
            sent = len(self.to_send)
        self.to_send = self.to_send[sent:]
        if not self.to_send and self.leaves:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                assert self.closes

    def read_some(self) -> None:
        """Up to some bytes of what has come."""
        if self.ended:
            return
        try:
            part = self.socket.recv(self.chance.choice((1, 1000, 1 << 20)))
        except BlockingIOError:
            return
        except ConnectionError:  # input was unread at the close, or came after it
            assert self.closes
            part = b""
        self.received += part
        self.ended = not part


async def run(seed: int, use_epoll: bool) -> None:
    """One run, wholly determined by its seed but for the kernel's timing."""
    chance = random.Random(seed)
    side = Side(use_epoll)
    dispatcher = side.poller.dispatcher = ChanceDispatcher()
    clients = [Client(side, chance) for _ in range(chance.choice((1, 2, 5)))]
    try:
        async with asyncio.timeout(20):
            for _ in range(chance.choice((10, 200))):
                step(chance.choice(clients), chance, dispatcher)
                await turns(chance.choice((0, 0, 1, 3)))
                if chance.random() < 0.02:
                    await expect_rest(side)
            while not all(client.done for client in clients):
                for client in clients:
                    client.send_some()
                    client.read_some()
                while dispatcher.slow:
                    answer(dispatcher, chance)
                await turns(1)
        for client in clients:
            assert client.received == client.expected
        await expect_rest(side)
        for client in clients:
            client.socket.close()
        async with asyncio.timeout(5):
            while side.poller.connections or side.poller.still_sending():
                await turns(1)
        assert side.poller.client_bytes == 0 and not side.errors
    finally:
        side.close()


async def expect_rest(side: Side) -> None:
    """While clients and the origin do nothing, no turn is taken."""
    await turns(30)
    before = side.poller.turns
    await turns(30)
    assert side.poller.turns == before, "turns without work"


def step(client: Client, chance: random.Random, dispatcher: ChanceDispatcher) -> None:
    """One thing that one client, or the origin, does."""
    act: Callable[[], None] = chance.choice(
        (client.send_some, client.send_some, client.read_some, lambda: answer(dispatcher, chance))
    )
    act()


def answer(dispatcher: ChanceDispatcher, chance: random.Random) -> None:
    """Fill one of the slots that wait."""
    if dispatcher.slow:
        connection, slot, reply = dispatcher.slow.pop(chance.randrange(len(dispatcher.slow)))
        connection.fill(slot, reply)


def fuzz(count: int, first: int = 0) -> None:
    """So many runs, by turns with epoll and without; prints the seed of one that fails."""
    for seed in range(first, first + count):
        try:
            asyncio.run(run(seed, use_epoll=seed % 2 == 0))
        except BaseException:
            print(f"seed {seed}", file=sys.stderr)
            raise


if __name__ == "__main__":
    fuzz(*map(int, sys.argv[1:] or ("1000",)))
