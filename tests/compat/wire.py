"""Raw RESP over a socket: bytes out, bytes in, replies cut apart but not interpreted."""

import itertools
import select
import socket
from collections.abc import Iterable, Sequence

TIMEOUT_S = 30
_marks = itertools.count(1)


def encode(args: Iterable[bytes]) -> bytes:
    """A command as clients send it."""
    parts = list(args)
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def end_of_reply(data: bytes, at: int = 0) -> int:
    """One past the last byte of the reply that begins at ``at``.

    Raises:
        IndexError: it is not all there.
    """
    line_end = data.find(b"\r\n", at)
    if line_end < 0:
        raise IndexError
    kind, after = data[at : at + 1], line_end + 2
    if kind in b"+-:_,#(":
        return after
    length = int(data[at + 1 : line_end])
    if length < 0:
        return after
    if kind in b"$=":
        if len(data) < after + length + 2:
            raise IndexError
        return after + length + 2
    for _ in range(2 * length if kind == b"%" else length):
        after = end_of_reply(data, after)
    return after


def split_replies(data: bytes) -> list[bytes]:
    """Whole replies, one after the other."""
    replies, at = [], 0
    while at < len(data):
        end = end_of_reply(data, at)
        replies.append(data[at:end])
        at = end
    return replies


class Wire:
    """One connection to a server."""

    def __init__(self, client: socket.socket, resp3: bool = False) -> None:
        self.client = client
        self.resp3 = resp3
        if resp3:
            assert self.exchange([[b"HELLO", b"3"]])[0][:1] == b"%"

    def send(self, data: bytes) -> None:
        """Raw bytes."""
        self.client.sendall(data)

    def read_reply(self) -> bytes:
        """One raw reply; b"" when the server closed."""
        data = b""
        while True:
            try:
                end = end_of_reply(data)
            except IndexError:
                try:
                    received = self.client.recv(65536)
                except ConnectionResetError:
                    return b""
                if not received:
                    return b""
                data += received
                continue
            assert end == len(data), f"more than one reply: {data!r}"
            return data

    def exchange_raw(self, request: bytes) -> bytes:
        """All the replies to some commands, as they came.

        The request is sent as fast as it is taken, and replies are read meanwhile: a server that bounds what waits for
        a client takes no more of a client that only sends.
        """
        mark = b"mark:%d" % next(_marks)
        end = b"$%d\r\n%b\r\n" % (len(mark), mark)
        unsent = memoryview(request + encode([b"ECHO", mark]))
        parts: list[bytes] = []
        tail = b""
        while not tail.endswith(end):
            readable, writable, _ = select.select([self.client], [self.client] if unsent else [], [], TIMEOUT_S)
            if writable:
                unsent = unsent[self.client.send(unsent[:65536], socket.MSG_DONTWAIT) :]
            if not readable:
                if not writable:
                    raise TimeoutError(f"no reply after {b''.join(parts)[-200:]!r}")
                continue
            received = self.client.recv(1 << 20)
            if not received:
                raise ConnectionError(f"closed after {b''.join(parts)[-200:]!r}")
            parts.append(received)
            tail = (tail + received)[-len(end) :]
        return b"".join(parts)[: -len(end)]

    def exchange(self, commands: Sequence[Sequence[bytes]]) -> list[bytes]:
        """The raw reply of each command of one pipeline."""
        return split_replies(self.exchange_raw(b"".join(map(encode, commands))))

    def one(self, *args: bytes) -> bytes:
        """The raw reply of one command."""
        self.send(encode(args))
        return self.read_reply()

    def close(self) -> None:
        """Let go of the socket."""
        self.client.close()
