"""Clients that keep pipelines of reads and writes on their way, and check every reply."""

import contextlib
import selectors
import socket
from collections.abc import Callable, Sequence

from compat.wire import Wire, encode, end_of_reply

KEYS = 50
VALUE = b"v" * 300
FIELDS = [b"field:%d" % number for number in range(20)]
PIPELINE = 30


def value_of(number: int) -> bytes:
    return b"%d:" % number + VALUE


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def fill(wire: Wire) -> None:
    """Put what the clients read into the origin."""
    for number in range(KEYS):
        assert wire.one(b"SET", b"key:%d" % number, value_of(number)) == b"+OK\r\n"
        pairs = [part for field in FIELDS for part in (field, b"%d" % number)]
        assert wire.one(b"HSET", b"row:%d" % number, *pairs) == b":%d\r\n" % len(FIELDS)


def exchange(number: int) -> tuple[bytes, bytes]:
    """The number-th command of a client, and its only right reply."""
    key = number % KEYS
    match number % 4:
        case 0:
            return encode([b"GET", b"key:%d" % key]), bulk(value_of(key))
        case 1:
            return encode([b"HMGET", b"row:%d" % key, *FIELDS]), b"*20\r\n" + bulk(b"%d" % key) * 20
        case 2:
            keys = [each % KEYS for each in range(key, key + 10)]
            request = encode([b"MGET", *(b"key:%d" % each for each in keys)])
            return request, b"*10\r\n" + b"".join(bulk(value_of(each)) for each in keys)
    return encode([b"SET", b"key:%d" % key, value_of(key)]), b"+OK\r\n"


class LoadClient:
    """One connection. ``answered``: commands whose reply came and was right; ``rest``: bytes of an incomplete reply."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.sent = self.answered = 0
        self.rest = b""

    def refill(self) -> None:
        """Send until a whole pipeline is on its way."""
        numbers = range(self.sent, self.answered + PIPELINE)
        self.client.sendall(b"".join(exchange(number)[0] for number in numbers))
        self.sent = max(self.sent, numbers.stop)

    def take(self) -> bool:
        """Receive once and check; False: the server has closed."""
        received = self.client.recv(1 << 18)
        data, at = self.rest + received, 0
        while at < len(data):
            try:
                end = end_of_reply(data, at)
            except IndexError:
                break
            assert data[at:end] == exchange(self.answered)[1], data[at:end][:200]
            self.answered += 1
            at = end
        self.rest = data[at:]
        return bool(received)


def run(clients: Sequence[LoadClient], goes_on: Callable[[], bool]) -> None:
    """Drive the clients while ``goes_on()``, asked after each step; what is on its way then stays unread."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.refill()
            selector.register(client.client, selectors.EVENT_READ, client)
        while goes_on():
            ready = selector.select(20)
            assert ready, "no reply came"
            for key, _ in ready:
                assert key.data.take(), "the server closed"
                key.data.refill()


def run_until_closed(clients: Sequence[LoadClient]) -> None:
    """Drive the clients, which go on asking, until the server has closed all their connections."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.client, selectors.EVENT_READ, client)
        while selector.get_map():
            ready = selector.select(20)
            assert ready, f"{len(selector.get_map())} connections stay open"
            for key, _ in ready:
                try:
                    open_ = key.data.take()
                except ConnectionError:  # what was asked after the end is answered by a reset
                    open_ = False
                if open_:
                    with contextlib.suppress(ConnectionError):
                        key.data.refill()
                else:
                    selector.unregister(key.fileobj)
