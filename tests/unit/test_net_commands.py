"""The poller with the real dispatcher: what neither of them shows alone."""

import asyncio

import pytest
from command_client import Bench
from poller_side import Side, read_socket, turns, until

from sidecar.origins.base import Found

LARGE = b"x" * 200_000


@pytest.fixture
async def bench(side: Side) -> Bench:
    """The command layer of the poller; a test decides when the origin answers."""
    bench = Bench(asyncio.get_running_loop())
    side.poller.dispatcher = bench.dispatcher
    side.poller.locks = bench.services.locks
    return bench


async def test_a_write_waits_for_a_large_mget_that_is_not_sent_yet(side: Side, bench: Bench):
    """MGET looks its values up when they are sent: a SET behind it waits for that, though the MGET itself stands
    behind an unanswered command of another key."""
    connection, client = side.connect_socket()
    client.send(b"GET slow\r\nGET a\r\nMGET a b\r\nSET a new\r\n")
    await until(lambda: len(bench.reads.waiting) == 2)
    (_, _, slow), (_, _, of_a) = bench.reads.waiting
    for key in (b"a", b"b"):
        bench.reads.memory[key] = Found(LARGE)
    of_a(Found(LARGE))
    client.send(b"PING\r\n")
    await turns(20)
    assert not bench.writes.submitted
    slow(Found(b"1"))
    bulk = b"$200000\r\n" + LARGE + b"\r\n"
    expected = b"$1\r\n1\r\n" + bulk + b"*2\r\n" + bulk * 2
    assert await read_socket(client, len(expected)) == expected
    await until(lambda: bench.writes.submitted)
    bench.writes.complete()
    assert await read_socket(client, 12) == b"+OK\r\n+PONG\r\n"
    assert connection.in_order
