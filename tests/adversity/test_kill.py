"""kill -9 under pipelined writes, and a restart on the same file: what was acknowledged is there, once (F3)."""

import os
import random
import selectors
import signal
import socket

from compat.wire import Wire, encode, split_replies

KILLS = int(os.environ.get("SIDECAR_KILLS", "10"))  # CI: 200
SEED = int(os.environ.get("SIDECAR_KILL_SEED", "1"))
WRITERS = 4
PIPELINE = 20  # commands of a writer on their way at once
POLICY = (
    "version: 1\ndefaults: {write_deadline: 60s, deadline: 60s}\n"  # a busy machine's writes come late, not unknown
)


class Writer:
    """Sends numbered writes in pipelines: SETs of one string, or in turns with them HSETs of a new field of one hash.

    Attributes:
        sent, acknowledged: how many writes; the n-th is number n - 1.
    """

    def __init__(self, client: socket.socket, name: bytes, only_sets: bool) -> None:
        self.client = client
        self.string, self.hash = b"string:" + name, b"hash:" + name
        self.only_sets = only_sets
        self.sent = self.acknowledged = 0
        self._received = b""

    def is_set(self, number: int) -> bool:
        return self.only_sets or number % 2 == 1

    def command(self, number: int) -> bytes:
        if self.is_set(number):
            return encode([b"SET", self.string, b"%d" % number])
        return encode([b"HSET", self.hash, b"field:%d" % number, b"%d" % number])

    def refill(self) -> None:
        """Send until a whole pipeline is on its way."""
        numbers = range(self.sent, self.acknowledged + PIPELINE)
        self.client.sendall(b"".join(map(self.command, numbers)))
        self.sent = numbers.stop

    def take(self) -> bool:
        """Count the replies that came; False: the connection has ended.

        The reply to an HSET is 1, for its field is new: 0 would say that it has been applied before.
        """
        try:
            received = self.client.recv(65536)
        except ConnectionError:
            return False
        whole, end, rest = (self._received + received).rpartition(b"\r\n")
        for reply in split_replies(whole + end):
            assert reply == (b"+OK\r\n" if self.is_set(self.acknowledged) else b":1\r\n"), (self.acknowledged, reply)
            self.acknowledged += 1
        self._received = rest
        return bool(received)

    def check(self, wire: Wire) -> None:
        """After the restart: the writes up to some number are there, and all that were acknowledged among them."""
        fields = split_bulks(wire.one(b"HGETALL", self.hash))
        numbers = [number for number in range(self.sent) if not self.is_set(number)]
        acknowledged = [number for number in numbers if number < self.acknowledged]
        assert set(fields[::2]) >= {b"field:%d" % number for number in acknowledged}, "an acknowledged HSET was lost"
        there = numbers[: len(fields) // 2]
        assert dict(zip(fields[::2], fields[1::2], strict=True)) == {b"field:%d" % n: b"%d" % n for n in there}
        reply = wire.one(b"GET", self.string)
        held = -1 if reply == b"$-1\r\n" else int(reply.split(b"\r\n")[1])
        assert held >= max((number for number in range(self.acknowledged) if self.is_set(number)), default=-1), (
            "an acknowledged SET was lost"
        )
        assert held == -1 or (self.is_set(held) and held < self.sent)


def split_bulks(array: bytes) -> list[bytes]:
    """The values of a raw array of bulk strings that hold no line end."""
    return array.split(b"\r\n")[2::2]


def test_no_acknowledged_write_is_lost_and_none_applied_twice(start, tmp_path):
    """One file lives through all kills. After each, every key holds its acknowledged writes and a few later ones.

    In their order; and no reply ever said that a first write had been made before.
    """
    chance = random.Random(SEED)
    folder = tmp_path / "killed"
    folder.mkdir()
    origin = f"sqlite:///{folder / 'features.db'}"
    writers: list[Writer] = []
    total = 0
    for kill in range(KILLS):
        sidecar = start(folder=folder, origin=origin, policy=POLICY)
        wire = Wire(sidecar.connect())
        for writer in writers:
            writer.check(wire)
        writers = [Writer(sidecar.connect(), b"%d:%d" % (kill, number), number % 2 == 1) for number in range(WRITERS)]
        kill_after(sidecar, writers, acknowledged=chance.randrange(PIPELINE, 20 * PIPELINE))
        total += sum(writer.acknowledged for writer in writers)
        wire.close()
    sidecar = start(folder=folder, origin=origin, policy=POLICY)
    wire = Wire(sidecar.connect())
    for writer in writers:
        writer.check(wire)
    assert total > KILLS * PIPELINE


def kill_after(sidecar, writers: list[Writer], acknowledged: int) -> None:
    """Write until so many writes were acknowledged, kill the process, and read what it still managed to send."""
    with selectors.DefaultSelector() as selector:
        for writer in writers:
            writer.refill()
            selector.register(writer.client, selectors.EVENT_READ, writer)
        killed = False
        while selector.get_map():
            ready = selector.select(20)
            assert ready, "no reply came"
            for key, _ in ready:
                if not key.data.take():
                    selector.unregister(key.fileobj)
                    key.data.client.close()
                elif not killed:
                    key.data.refill()
            if not killed and sum(writer.acknowledged for writer in writers) >= acknowledged:
                sidecar.process.send_signal(signal.SIGKILL)
                killed = True
    assert sidecar.process.wait(20) == -signal.SIGKILL
