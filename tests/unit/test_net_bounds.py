"""What one client may cost: memory of what it asked and was answered, turns of the loop, time without progress."""

import asyncio
import contextlib
import socket
import time

from poller_side import Side, read_socket, turns, until

from sidecar.descriptors import raise_descriptor_limit


def ask(name: bytes, size: int) -> bytes:
    """A command with an argument of so many bytes."""
    return b"*2\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(name), name, size, b"a" * size)


async def send(client: socket.socket, data: bytes) -> None:
    """All of the data; the loop turns meanwhile."""
    async with asyncio.timeout(10):
        await asyncio.get_running_loop().sock_sendall(client, data)


async def test_input_is_run_once_though_its_client_is_paused_and_resumed_before_its_turn(side: Side):
    """A client that waits for the next turn waits once: its commands are neither lost nor run twice.

    Output that comes between two of its turns pauses and resumes it; listed twice, it would be parsed twice and run
    what the second parse found twice.
    """
    connection, client = side.connect_socket(4096)
    received = b""

    def come_between() -> None:
        nonlocal received
        side.poller.end_of_turn = side.count
        connection.reply(b"y" * 300_000)
        side.poller.flush_dirty()  # the socket is full: paused
        while connection.output_bytes > 100_000:
            received += client.recv(1 << 16)
            side.poller.mark_dirty(connection)
            side.poller.flush_dirty()  # it has drained: resumed

    side.poller.end_of_turn = come_between
    client.send(b"".join(b"ECHO %03d\r\n" % number for number in range(600)))
    first = b"".join(b"$3\r\n%03d\r\n" % number for number in range(256))
    expected = first + b"$300000\r\n" + b"y" * 300_000 + b"\r\n"
    expected += b"".join(b"$3\r\n%03d\r\n" % number for number in range(256, 600))
    await until(lambda: received)
    received += await read_socket(client, len(expected) - len(received))
    assert received == expected
    await turns(20)
    assert not connection.output_bytes


async def test_replies_behind_an_open_slot_are_counted(side: Side):
    """What waits for an earlier reply is memory of the client: over the bound it is aborted, though nothing is sent."""
    side.poller.client_memory_limit_bytes = 1_000_000
    connection, client = side.connect_socket()
    client.send(b"SLOW\r\nSLOW\r\n")
    await until(lambda: len(side.dispatcher.slots) == 2)
    connection.fill(side.dispatcher.slots[1][1], b"x" * 1_500_000)
    await until(lambda: connection.closed)
    assert side.poller.aborted_memory == 1 and side.poller.client_bytes == 0


async def test_arguments_of_unanswered_commands_are_counted_and_pause_the_client(side: Side):
    """A pipeline of large writes is read as fast as it is answered: what waits is about one of them, not all."""
    connection, client = side.connect_socket()
    sending = asyncio.create_task(send(client, ask(b"SLOW", 300_000) * 2))
    await until(lambda: side.dispatcher.slots)
    await turns(50)
    assert len(side.dispatcher.slots) == 1 and side.poller.client_bytes > 300_000
    connection.fill(side.dispatcher.slots[0][1], 0)
    await until(lambda: len(side.dispatcher.slots) == 2)
    connection.fill(side.dispatcher.slots[1][1], 1)
    assert await read_socket(client, 8) == b":0\r\n:1\r\n"
    assert side.poller.client_bytes < 10_000
    await sending


async def test_queued_commands_are_counted(side: Side):
    """What MULTI queued is memory of the client."""
    side.poller.client_memory_limit_bytes = 1_000_000

    def enqueue(connection, args):
        connection.session.queue_bytes += len(args[1])
        connection.reply(b"QUEUED")

    side.dispatcher.execute = enqueue
    connection, client = side.connect_socket()
    await send(client, ask(b"SET", 200_000) * 3)
    await until(lambda: connection.session.queue_bytes == 600_000)
    await turns(2)
    assert side.poller.client_bytes >= 600_000 and not connection.closed
    with contextlib.suppress(ConnectionError):  # it may be aborted while this is sent
        await send(client, ask(b"SET", 200_000) * 2)
    await until(lambda: connection.closed)
    assert side.poller.aborted_memory == 1 and side.poller.client_bytes == 0


async def test_a_client_that_can_take_nothing_yet_is_not_stalled(side: Side):
    """Much output behind an unanswered command is not the reader's fault, however long that takes."""
    connection, client = side.connect_socket()
    side.poller.output_limit_bytes = 100_000
    side.poller.stall_ns = 0
    client.send(b"SLOW\r\nBIG 150000\r\n")
    await until(lambda: connection.output_bytes > 150_000)
    side.poller.sweep()
    assert not connection.closed
    connection.fill(side.dispatcher.slots[0][1], 1)
    assert await read_socket(client, 4 + 150_000 + 11) == b":1\r\n$150000\r\n" + b"x" * 150_000 + b"\r\n"


async def test_an_incomplete_request_has_time_only_while_it_is_read(side: Side):
    """The rest of a request that we do not read does not time out; once we read again its time begins."""
    connection, client = side.connect_socket(4096)
    side.poller.incomplete_ns = 0
    client.send(b"BIG 600000\r\nECHO ")
    await until(lambda: connection.output_bytes > 500_000)
    side.poller.sweep()
    assert not connection.closed
    assert len(await read_socket(client, 600_000 + 11)) == 600_000 + 11
    await until(lambda: not connection.output_bytes)
    await turns(5)
    side.poller.sweep()
    assert connection.closed


async def test_finding_whom_to_abort_is_linear_in_the_clients(side: Side):
    """Each client is asked once whether its peer takes something: 25 ms for a thousand when the search began anew."""
    assert raise_descriptor_limit(2000) >= 2000, "the machine allows too few descriptors"
    side.poller.client_memory_limit_bytes = 1 << 30
    clients = [side.connect_socket(4096)[1] for _ in range(1000)]
    for client in clients:
        client.send(b"BIG 60000\r\n")
    await turns(60)
    for client in clients:
        client.recv(100_000)
    begun = time.process_time()
    side.poller.abort_biggest()
    assert side.poller.aborted_memory == 1 and time.process_time() - begun < 0.01
