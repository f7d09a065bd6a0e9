"""The client side over real sockets: order, bounds, half-close, abort; by epoll and by the loop's own readers."""

import asyncio
import socket

from poller_side import read, until

from protocol import Session


async def test_replies_leave_in_the_order_asked(side):
    """A pipeline of hot and dispatched commands is answered in its order."""
    _, reader, writer = await side.connect()
    writer.write(b"PING\r\nECHO a\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$1\r\nb\r\n")
    assert await read(reader, 28) == b"+PONG\r\n$1\r\na\r\n+PONG\r\n$1\r\nb\r\n"


async def test_a_request_may_come_byte_by_byte(side):
    """However the stream is cut, the same replies come."""
    _, reader, writer = await side.connect()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for byte in b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\nPING\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    assert await read(reader, 16) == b"$3\r\nabc\r\n+PONG\r\n"


async def test_a_slow_command_holds_back_only_replies(side):
    """Commands behind an unanswered one run; their replies wait for its."""
    _, reader, writer = await side.connect()
    writer.write(b"ECHO a\r\nSLOW\r\nECHO b\r\nSLOW\r\nPING\r\n")
    assert await read(reader, 7) == b"$1\r\na\r\n"
    await until(lambda: len(side.dispatcher.slots) == 2)
    for connection, slot in reversed(side.dispatcher.slots):
        connection.fill(slot, slot)
    assert await read(reader, 22) == b":1\r\n$1\r\nb\r\n:2\r\n+PONG\r\n"


async def test_what_the_next_step_of_the_loop_answers_leaves_in_the_same_send(side):
    """A write that a fast origin confirms at once costs its pipeline no second send."""

    def end_of_turn() -> None:
        (waiting,), side.dispatcher.slots = side.dispatcher.slots, []
        asyncio.get_running_loop().call_soon(waiting[0].fill, waiting[1], b"done")

    side.poller.end_of_turn = end_of_turn
    _, client = side.connect_by_messages()
    client.send(b"PING\r\nSLOW\r\nPING\r\n")
    assert await asyncio.get_running_loop().sock_recv(client, 100) == b"+PONG\r\n$4\r\ndone\r\n+PONG\r\n"


async def test_a_slow_answer_holds_the_replies_before_it_for_one_step_of_the_loop(side):
    """However long a command takes, what was asked before it is answered at once."""
    asked_at = answered_at = 0
    steps = 0
    _, client = side.connect_by_messages()
    client.send(b"PING\r\nSLOW\r\n")
    while not answered_at:
        asked_at = asked_at or (steps if side.dispatcher.slots else 0)
        try:
            assert client.recv(100) == b"+PONG\r\n"
            answered_at = steps
        except BlockingIOError:
            steps += 1
            assert steps < 100
            await asyncio.sleep(0)
    assert answered_at - asked_at <= 1
    assert len(side.dispatcher.slots) == 1


async def test_a_half_closed_client_gets_what_it_asked(side):
    """After the peer's FIN open commands are still answered, then the connection closes."""
    connection, reader, writer = await side.connect()
    writer.write(b"SLOW\r\nECHO x\r\n")
    writer.write_eof()
    await until(lambda: side.dispatcher.slots)
    connection.fill(side.dispatcher.slots[0][1], None)
    assert await asyncio.wait_for(reader.read(), 10) == b"$-1\r\n$1\r\nx\r\n"
    assert connection.closed and not side.poller.connections


async def test_a_violation_is_the_last_reply(side):
    """Commands before a protocol error are answered, then the error, then the connection closes."""
    connection, reader, writer = await side.connect()
    writer.write(b"PING\r\n*1\r\nPING\r\nPING\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == b"+PONG\r\n-ERR Protocol error: expected '$', got 'P'\r\n"
    assert connection.closed


async def test_nothing_is_run_after_close_after_replies(side):
    """Commands behind QUIT are dropped."""
    _, reader, writer = await side.connect()
    writer.write(b"ECHO a\r\nQUIT\r\nECHO b\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == b"$1\r\na\r\n+OK\r\n"


async def test_a_bug_answers_and_the_connection_lives(side):
    """An exception in a command is reported and answered; the client goes on."""
    _, reader, writer = await side.connect()
    writer.write(b"BUG\r\nPING\r\n")
    assert await read(reader, 28) == b"-ERR internal error\r\n+PONG\r\n"
    assert [type(error) for error in side.errors] == [RuntimeError]


async def test_a_long_pipeline_yields_and_is_answered_whole(side):
    """More commands than a turn runs are carried over turns; none is lost."""
    _, reader, writer = await side.connect()
    writer.write(b"PING\r\n" * 5000)
    assert await read(reader, 7 * 5000) == b"+PONG\r\n" * 5000
    assert side.poller.turns >= 5000 / 256


async def test_a_large_bulk_comes_through(side):
    """A value many times a turn's slice is read and echoed whole."""
    _, reader, writer = await side.connect()
    value = bytes(range(256)) * 8192
    writer.write(b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\nPING\r\n" % (len(value), value))
    assert await read(reader, len(value) + 19) == b"$%d\r\n%b\r\n+PONG\r\n" % (len(value), value)


async def test_a_slow_reader_gets_every_byte_and_little_is_held(side):
    """Once its socket is full little more is run for a client; all of it arrives as the reader reads."""
    connection, reader, writer = await side.connect(buffer=4096)
    reader._transport.pause_reading()
    count, size = 200, 20000
    writer.write(b"BIG %d\r\n" % size * count)
    await until(lambda: connection.output_bytes > 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert 0 < connection.output_bytes <= 64 * 1024 + 2 * size
    reader._transport.resume_reading()
    expected = b"$%d\r\n%b\r\n" % (size, b"x" * size) * count
    assert await read(reader, len(expected)) == expected


async def test_one_huge_reply_does_not_occupy_the_output(side):
    """A large value leaves in pieces: what is encoded of it stays near the limit."""
    connection, reader, writer = await side.connect(buffer=4096)
    reader._transport.pause_reading()
    writer.write(b"BIG 9000000\r\nPING\r\n")
    await until(lambda: connection.output_bytes)
    reader._transport.resume_reading()
    reply = await read(reader, 9000000 + 12 + 2 + 7 - 2)
    assert reply.startswith(b"$9000000\r\nxxx")


async def test_a_client_that_takes_nothing_is_aborted(side):
    """Over the output limit and no byte taken for the stall time: reset, and its memory is free."""
    connection, reader, writer = await side.connect(buffer=4096)
    reader._transport.pause_reading()
    side.poller.output_limit_bytes = 100_000
    writer.write(b"BIG 500000\r\n")
    await until(lambda: connection.output_bytes > 100_000)
    side.poller.sweep()
    assert not connection.closed
    side.poller.stall_ns = 0
    side.poller.sweep()
    assert connection.closed and side.poller.aborted_output == 1 and side.poller.client_bytes == 0


async def test_the_biggest_client_pays_for_all(side):
    """Over the bound of all clients together the biggest is aborted, the others stay."""
    side.poller.client_memory_limit_bytes = 1_500_000
    small, small_reader, small_writer = await side.connect(buffer=4096)
    big, big_reader, big_writer = await side.connect(buffer=4096)
    for reader in (small_reader, big_reader):
        reader._transport.pause_reading()
    small_writer.write(b"BIG 400000\r\n")
    await until(lambda: small.output_bytes)
    big_writer.write(b"BIG 1400000\r\n")
    await until(lambda: big.closed)
    assert not small.closed and side.poller.aborted_memory == 1


async def test_requests_before_authentication_are_capped(side):
    """Without AUTH an eleventh argument is refused before it is read."""
    _, reader, writer = await side.connect(needs_password=True)
    writer.write(b"*11\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == b"-ERR Protocol error: unauthenticated multibulk length\r\n"


async def test_an_incomplete_request_costs_little(side):
    """A declared bulk of which nothing came holds at most 16 KiB."""
    connection, _reader, writer = await side.connect()
    writer.write(b"*2\r\n$4\r\nECHO\r\n$30000000\r\n")
    await until(lambda: connection.input_bytes)
    assert connection.input_bytes <= 16 * 1024
    writer.close()
    await until(lambda: connection.closed)


async def test_many_unanswered_commands_pause_the_client(side):
    """A pipeline of misses without end is not read without end."""
    connection, reader, writer = await side.connect()
    writer.write(b"SLOW\r\n" * 5000)
    await until(lambda: len(side.dispatcher.slots) > 1024)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(side.dispatcher.slots) < 1400
    answered = 0
    async with asyncio.timeout(10):
        while answered < 5000:
            while answered < len(side.dispatcher.slots):
                connection.fill(side.dispatcher.slots[answered][1], 1)
                answered += 1
            await asyncio.sleep(0)
    assert await read(reader, 5000 * 4) == b":1\r\n" * 5000


async def test_draining_answers_and_closes(side):
    """A drain lets open commands finish and takes no more."""
    connection, reader, writer = await side.connect()
    writer.write(b"SLOW\r\n")
    await until(lambda: side.dispatcher.slots)
    side.poller.drain()
    await asyncio.sleep(0)
    assert not connection.closed
    connection.fill(side.dispatcher.slots[0][1], 7)
    assert await asyncio.wait_for(reader.read(), 10) == b":7\r\n"


async def test_listening_accepts_and_refuses(side):
    """A listener's clients are admitted by on_connect; None closes the socket."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    admitted = []

    def admit(listener, fd):
        admitted.append(fd)
        return Session(1, lists=side.lists) if len(admitted) == 1 else None

    side.poller.on_connect = admit
    side.poller.listen(listening.fileno())
    port = listening.getsockname()[1]
    first = await asyncio.open_connection("127.0.0.1", port)
    first[1].write(b"PING\r\n")
    assert await read(first[0], 7) == b"+PONG\r\n"
    second = await asyncio.open_connection("127.0.0.1", port)
    assert await asyncio.wait_for(second[0].read(), 10) == b""
    for _, writer in (first, second):
        writer.close()
    side.poller.unlisten(listening.fileno())
    listening.close()
