"""Broken and odd framing against a real redis-server: the same commands are understood, the same errors come back.

Every command here has a name that neither server knows, so the answer shows how the request was taken apart: it quotes
the arguments. FRAMING_STREAMS in the environment sets how many streams; a failure prints its number, which is its seed.
"""

import os
import random
import re
import socket

from resp_requests import request
from servers.redis_server import RedisServer

from protocol import ProtocolViolation, Session, errors

LENGTHS = (b"01", b"+1", b"1 ", b" 1", b"", b"-0", b"-1", b"1x", b"99999999999999999999", b"2147483648", b"536870913")

OUR_CAP = re.compile(rb"\*\d{7,10}\r")  # we refuse more than 2**20 arguments, Redis 2**31


def word(rng: random.Random) -> bytes:
    return bytes(rng.choice(b"ab\"'\\ \t\x01\xff\r\nx4$*1-") for _ in range(rng.randrange(8)))


def piece(rng: random.Random) -> bytes:
    """One request: an array, a line, nothing, or one with a wrong length."""
    kind = rng.randrange(6)
    if kind == 0:
        return b"zz" + b" ".join(word(rng) for _ in range(rng.randrange(5))) + rng.choice([b"\r\n", b"\n"])
    if kind == 1:
        return rng.choice([b"\r\n", b"\n", b"*0\r\n", b"*-1\r\n", b"   \r\n"])
    if kind == 2:
        return request(b"zz" * rng.choice([1, 63, 65]), b"x" * rng.choice([100, 126, 127, 128, 129, 300]), b"y" * 200)
    if kind == 3:
        return rng.choice([b"*%b\r\n$2\r\nzz\r\n", b"*1\r\n$%b\r\nzz\r\n"]) % rng.choice(LENGTHS)
    return request(b"zz" + word(rng), *(word(rng) for _ in range(rng.randrange(5))))


def stream(seed: int) -> bytes:
    """A few requests, most with bytes changed, taken out or put in."""
    rng = random.Random(seed)
    data = bytearray(b"".join(piece(rng) for _ in range(rng.randrange(1, 4))))
    for _ in range(rng.choice([0, 1, 2])):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.randrange(2)] = rng.choice(
            [b"", b"*", b"$", b"1", b"0", b"-", b"\r", b"\n", b'"', b"'", b" "]
        )
    return bytes(data)


def answered_by_us(data: bytes) -> bytes:
    session = Session(max_bulk_bytes=512 * 1024 * 1024)  # Redis's own limit
    session.feed(data)
    try:
        for args in iter(session.next_command, None):
            session.slots.reply(errors.unknown_command(args), 2)
    except ProtocolViolation:
        pass
    return session.take_output()


def answered_by_redis(server: RedisServer, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(server.unix_socket))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_framing_is_understood_as_redis_understands_it(redis_server):
    """Arrays, lines, quotes, odd lengths and mutations of them: byte for byte the replies and errors of Redis."""
    violations = 0
    for seed in range(int(os.environ.get("FRAMING_STREAMS", "1500"))):
        data = stream(seed)
        if OUR_CAP.search(data):
            continue
        ours = answered_by_us(data)
        assert ours == answered_by_redis(redis_server, data), (seed, data)
        violations += b"-ERR Protocol error" in ours
    assert violations > 100
