"""How connections end: what was answered arrives, whatever the peer still sends."""

import socket

from poller_side import Side, read_socket, turns, until


async def test_a_closing_client_with_input_left_costs_no_turns(side: Side):
    """Commands behind QUIT that were not parsed are forgotten: no turn looks at them until the replies are out."""
    connection, client = side.connect_socket()
    client.send(b"SLOW\r\nQUIT\r\n" + b"PING\r\n" * 400)
    await until(lambda: connection.session.closing)
    await turns(5)
    before = side.poller.turns
    await turns(50)
    assert side.poller.turns == before
    connection.fill(side.dispatcher.slots[0][1], 1)
    assert await read_socket(client) == b":1\r\n+OK\r\n"


async def test_a_drained_client_with_input_left_costs_no_turns(side: Side):
    """So does a drain in the middle of a long pipeline."""
    connection, client = side.connect_socket()
    client.send(b"SLOW\r\n" + b"PING\r\n" * 600)
    await until(lambda: side.dispatcher.slots)
    side.poller.drain()
    await turns(5)
    before = side.poller.turns
    await turns(50)
    assert side.poller.turns == before
    connection.fill(side.dispatcher.slots[0][1], 1)
    assert (await read_socket(client)).startswith(b":1\r\n+PONG\r\n")


async def test_replies_arrive_though_the_peer_sends_on(side: Side):
    """After the last reply the peer's further commands are read and forgotten: a close with input unread would reset
    the connection and discard what the peer's system has not yet."""
    connection, client = side.connect_socket(32768, tcp=True)
    client.send(b"BIG 100000\r\nQUIT\r\n")
    expected = b"$100000\r\n" + b"x" * 100_000 + b"\r\n+OK\r\n"
    received = b""
    while not connection.closed:  # all is with the system, most of it not with the peer
        await turns(1)
        if connection.output_bytes:
            received += await read_socket(client, 1000)
    client.send(b"PING\r\n")
    await turns(5)
    assert side.poller.still_sending() == 1 and not side.poller.connections
    assert received + await read_socket(client) == expected
    client.close()
    await until(lambda: side.poller.still_sending() == 0)


async def test_a_peer_that_never_reads_is_left_after_a_while(side: Side):
    """Its socket is not kept for ever after the last reply."""
    connection, client = side.connect_socket(32768, tcp=True)
    side.poller.linger_ns = 0
    client.send(b"BIG 60000\r\nQUIT\r\n")
    await until(lambda: connection.closed)
    assert len(side.poller.lingering) == 1
    side.poller.sweep()
    assert not side.poller.lingering


async def test_a_peer_that_has_everything_is_left_at_once(side: Side):
    """A client that closed its side is let go of with its last reply."""
    connection, client = side.connect_socket(tcp=True)
    client.send(b"SLOW\r\n")
    client.shutdown(socket.SHUT_WR)
    await until(lambda: connection.session.closing)
    connection.fill(side.dispatcher.slots[0][1], 1)
    assert await read_socket(client) == b":1\r\n"
    assert side.poller.still_sending() == 0
