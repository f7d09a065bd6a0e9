"""The data of every benchmark: 1 M keys of 24 bytes with 64-byte values and 20,000 rows of 100 fields, about 130 MB."""

import socket
from collections.abc import Callable, Iterator
from typing import NamedTuple

import hiredis

KEYS, ROWS, FIELDS = 1_000_000, 20_000, 100
KEYS_A_BATCH, ROWS_A_BATCH = 500, 50


class DataSet(NamedTuple):
    """Items that can be stored and read over RESP.

    Attributes:
        items: how many keys or rows.
        entries: how many values an item has: 1, or the fields of a row.
        write, read: the request that stores item number n, and the one that reads it whole.
        batch: items a pipeline.
    """

    items: int
    entries: int
    write: Callable[[int], bytes]
    read: Callable[[int], bytes]
    batch: int

    def writes(self, first: int, end: int) -> Iterator[list[bytes]]:
        """Pipelines that store the items from ``first`` up to ``end``."""
        return self._pipelines(self.write, first, end)

    def reads(self, first: int, end: int) -> Iterator[list[bytes]]:
        """Pipelines that read them."""
        return self._pipelines(self.read, first, end)

    def _pipelines(self, request: Callable[[int], bytes], first: int, end: int) -> Iterator[list[bytes]]:
        for start in range(first, end, self.batch):
            yield [request(n) for n in range(start, min(end, start + self.batch))]


def command(*arguments: bytes) -> bytes:
    """A request in RESP."""
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%b\r\n" % (len(a), a) for a in arguments)


def key(number: int) -> bytes:
    """A string key of 24 bytes."""
    return b"key:%020d" % number


def row(number: int) -> bytes:
    """A hash key of 24 bytes."""
    return b"row:%020d" % number


def write_key(number: int) -> bytes:
    """A 64-byte value."""
    return command(b"SET", key(number), b"%064d" % number)


def read_key(number: int) -> bytes:
    """One key's value."""
    return command(b"GET", key(number))


def write_row(number: int, first_value: bytes | None = None, values: Callable[[int], bytes] | None = None) -> bytes:
    """A row of FIELDS fields, 5-byte names and 8-byte values unless ``values`` gives others by number.

    Args:
        first_value: takes the place of the first field's.
    """
    values = values or (lambda n: b"v%07d" % n)
    fields = [part for f in range(FIELDS) for part in (b"f%04d" % f, values(number + f))]
    if first_value is not None:
        fields[1] = first_value
    return command(b"HSET", row(number), *fields)


def read_row(number: int) -> bytes:
    """A row, whole."""
    return command(b"HGETALL", row(number))


STRINGS = DataSet(KEYS, 1, write_key, read_key, KEYS_A_BATCH)
HASHES = DataSet(ROWS, FIELDS, write_row, read_row, ROWS_A_BATCH)


class Data(NamedTuple):
    """What the servers of a run hold."""

    strings: DataSet
    hashes: DataSet


def data_of(share: float) -> Data:
    """So much of all data, at least what one pipeline of each takes."""
    strings, hashes = (data._replace(items=max(data.batch, int(data.items * share))) for data in (STRINGS, HASHES))
    return Data(strings, hashes)


class Client:
    """A blocking client that keeps a pipeline's order; error replies end the benchmark."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def ask(self, requests: list[bytes]) -> list[object]:
        """Send requests in one go and read a reply to each."""
        self._socket.sendall(b"".join(requests))
        replies: list[object] = []
        while len(replies) < len(requests):
            reply = self._reader.gets()
            if reply is False:
                received = self._socket.recv(1 << 20)
                if not received:
                    raise RuntimeError("the server closed the connection")
                self._reader.feed(received)
            elif isinstance(reply, hiredis.ReplyError):
                raise RuntimeError(f"{requests[len(replies)][:80]!r}: {reply}")
            else:
                replies.append(reply)
        return replies

    def info(self, section: str, field: str) -> int:
        """A number that INFO tells."""
        (text,) = self.ask([command(b"INFO", section.encode())])
        assert isinstance(text, bytes)
        lines = dict(line.partition(b":")[::2] for line in text.splitlines())
        return int(lines[field.encode()])

    def store(self, data: DataSet, first: int = 0, end: int | None = None) -> None:
        """Write items."""
        for pipeline in data.writes(first, data.items if end is None else end):
            self.ask(pipeline)

    def read(self, data: DataSet, first: int = 0, end: int | None = None) -> None:
        """Read items; each must be there."""
        for pipeline in data.reads(first, data.items if end is None else end):
            replies = self.ask(pipeline)
            if None in replies or [] in replies:
                raise RuntimeError(f"nothing is stored for {pipeline[replies.index(None)][:80]!r}")
