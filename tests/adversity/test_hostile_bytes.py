"""Whatever bytes come over a socket, however they are cut and whenever the peer vanishes (F10).

The process lives, says nothing of internal errors, and others are answered meanwhile.
"""

import contextlib
import os
import random
import selectors
import socket
import struct

from compat.wire import Wire, encode

from protocol import COMMANDS

CONNECTIONS = int(os.environ.get("HOSTILE_CONNECTIONS", "3000"))
SEED = int(os.environ.get("HOSTILE_SEED", "1"))
AT_ONCE = 30
RESET = struct.pack("ii", 1, 0)
POLICY = "version: 1\ndefaults: {deadline: 20s, write_deadline: 20s}\n"
WORDS = [
    b"", b"0", b"1", b"-1", b"2", b"10", b"9223372036854775807", b"9223372036854775808", b"1.5", b"nan", b"k", b"h",
    b"s", b"NX", b"XX", b"GT", b"EX", b"PX", b"KEEPTTL", b"GET", b"FIELDS", b"MATCH", b"COUNT", b"TYPE", b"*", b"[a-",
    b"\x00\xff", b"\r\n", b"x" * 300, b"help", b"HELP", b"SKIPME", b"no", b"ID", b"string", b"hash", b"AUTH", b"3",
]  # fmt: skip
LENGTHS = [
    b"-2", b"-1", b"0", b"1", b"4", b"999999999999999999999", b"2147483648", b"33554433", b"30000000", b"+1", b"x", b"",
]  # fmt: skip


class Attacker:
    """Makes what one hostile connection sends."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._names = [name for name in COMMANDS if name not in (b"quit", b"flushall", b"flushdb")]

    def stream(self) -> bytes:
        """Some commands, good, odd, broken or cut, one after the other."""
        parts = [self._piece() for _ in range(self._chance.randrange(1, 12))]
        data = b"".join(parts)
        if self._chance.random() < 0.3:
            data = data[: self._chance.randrange(len(data) + 1)]
        if self._chance.random() < 0.2:
            data = self._mutated(data)
        return data

    def _piece(self) -> bytes:
        chance = self._chance
        match chance.randrange(8):
            case 0:
                return chance.randbytes(chance.randrange(1, 200))
            case 1:
                return b" ".join(self._words()) + chance.choice([b"\r\n", b"\n", b""])
            case 2:
                return b"*%b\r\n$%b\r\n" % (chance.choice(LENGTHS), chance.choice(LENGTHS))
            case 3:
                return b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%b\r\n" % chance.choice(LENGTHS)
            case 4:
                return encode([b"SET", b"k", b"x" * chance.randrange(200_000)])
        return encode(self._words())

    def _words(self) -> list[bytes]:
        chance = self._chance
        words = [chance.choice(self._names)]
        subcommands = COMMANDS[words[0]].subcommands
        if subcommands and chance.random() < 0.8:
            words.append(chance.choice(list(subcommands)))
        return words + [chance.choice(WORDS) for _ in range(chance.randrange(7))]

    def _mutated(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._chance.randrange(1, 4)):
            if changed:
                changed[self._chance.randrange(len(changed))] = self._chance.randrange(256)
        return bytes(changed)


def test_hostile_connections_hurt_nobody(start):
    """Thousands of connections with random bytes, cut anywhere, half closed or reset: no crash, no hang.

    No error of our own, and a client beside them gets each reply.
    """
    sidecar = start(origin="sqlite:///./features.db", policy=POLICY)
    chance = random.Random(SEED)
    attacker = Attacker(chance)
    neighbour = Wire(sidecar.connect())
    for number in range(CONNECTIONS // AT_ONCE):
        replies = attack(sidecar, chance, [attacker.stream() for _ in range(AT_ONCE)])
        assert b"internal error" not in replies, f"seed {SEED}, round {number}"
        key, value = b"neighbour:%d" % number, b"%d" % number
        assert neighbour.exchange([[b"SET", key, value], [b"GET", key], [b"PING"]]) == [
            b"+OK\r\n",
            b"$%d\r\n%b\r\n" % (len(value), value),
            b"+PONG\r\n",
        ]
    assert sidecar.process.poll() is None
    for word in ("internal_error", "command_failed", "reply_failed", "Traceback"):
        assert word not in sidecar.log()


def attack(sidecar, chance: random.Random, streams: list[bytes]) -> bytes:
    """Send all streams at once, in random pieces; end each by half-closing and reading on, or by a reset.

    Returns what the server said; every half-closed connection must be closed by it.
    """
    said = []
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            by_tcp = chance.random() < 0.7
            client = socket.create_connection(("127.0.0.1", sidecar.port)) if by_tcp else sidecar.connect()
            client.setblocking(False)
            with contextlib.suppress(OSError):
                while stream:
                    piece = stream[: chance.randrange(1, len(stream) + 1)]
                    sent = client.send(piece)
                    stream = stream[sent:]
            if chance.random() < 0.3:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()
                continue
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            selector.register(client, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(20)
            assert ready, f"{len(selector.get_map())} connections hang"
            for key, _ in ready:
                try:
                    received = key.fileobj.recv(1 << 20)
                except OSError:
                    received = b""
                said.append(received)
                if not received:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
    return b"".join(said)
