"""What clients and tools send first: one reply a command, each exact, however the bytes arrive."""

import re
import socket
import urllib.request

import pytest
from compat.connect_batches import BATCHES, STACK_EXCHANGE, Batch, words
from compat.wire import end_of_reply
from servers.redis_server import RedisServer
from servers.server_process import ServerProcess
from servers.sidecar_process import SidecarProcess

BATCH = pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: batch.name)


def read_replies(client: socket.socket, count: int) -> list[bytes]:
    """So many whole replies, and nothing after them."""
    data, replies = b"", []
    while len(replies) < count:
        try:
            end = end_of_reply(data)
        except IndexError:
            received = client.recv(65536)
            assert received, f"closed after {replies[-1:]!r} and {data!r}"
            data += received
            continue
        replies.append(data[:end])
        data = data[end:]
    assert data == b""
    return replies


def is_reply(expected: bytes | re.Pattern[bytes], reply: bytes) -> bool:
    """Whether a reply is the expected one."""
    return reply == expected if isinstance(expected, bytes) else expected.fullmatch(reply) is not None


def check(server: ServerProcess, batch: Batch, pieces: list[bytes], leave_out: frozenset[int] = frozenset()) -> None:
    """Send a batch in pieces and compare every reply."""
    ready = words("SET connect:batch v")  # so that there is a keyspace
    with server.connect() as client:
        client.sendall(ready)
        assert read_replies(client, 1) == [b"+OK\r\n"]
        for piece in pieces:
            client.sendall(piece)
        replies = read_replies(client, len(batch.steps))
    for number, ((request, expected), reply) in enumerate(zip(batch.steps, replies, strict=True)):
        if number not in leave_out:
            assert is_reply(expected, reply), (request, reply)


@BATCH
def test_we_answer_so(sidecar: SidecarProcess, batch: Batch) -> None:
    """Sent in one go, as clients do."""
    check(sidecar, batch, [batch.request])


@BATCH
def test_we_answer_so_when_every_byte_comes_alone(sidecar: SidecarProcess, batch: Batch) -> None:
    """The network may cut anywhere."""
    check(sidecar, batch, [batch.request[at : at + 1] for at in range(len(batch.request))])


@BATCH
def test_redis_answers_so(redis_server: RedisServer, batch: Batch) -> None:
    """The vectors are what clients are used to, but for what is named."""
    if redis_server.version < (7, 4):
        pytest.skip("Redis before 7.4 knows no CLIENT SETINFO; `python tests/servers/redis_server.py` prepares 7.4.1")
    check(redis_server, batch, [batch.request], leave_out=batch.ours_alone)


def test_connecting_costs_the_origin_no_read_each(sidecar: SidecarProcess) -> None:
    """The tie-break key of StackExchange is absent, and known to be: 40 connections, far fewer reads."""
    before = origin_reads(sidecar)
    for _ in range(40):
        check(sidecar, STACK_EXCHANGE, [STACK_EXCHANGE.request])
    after = origin_reads(sidecar)
    assert after >= 1 and after - before <= 20  # one each 2 s, the default negative_ttl


def origin_reads(sidecar: SidecarProcess) -> float:
    """Documents that the origin was asked for."""
    with urllib.request.urlopen(f"http://127.0.0.1:{sidecar.admin_port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    reads = re.findall(r'^feature_sidecar_origin_requests_total\{operation="read",.*\} (\S+)$', text, re.MULTILINE)
    assert reads
    return sum(map(float, reads))
