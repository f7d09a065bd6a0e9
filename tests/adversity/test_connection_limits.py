"""How many clients there may be, what an idle one costs, and the unix socket's file."""

import contextlib
import resource
import selectors
import signal
import socket
import stat
from pathlib import Path

import pytest
from adversity.process_memory import cpu_seconds, resident_bytes
from compat.wire import Wire, encode

TOO_MANY = b"-ERR max number of clients reached\r\n"
CONNECTIONS = 1000
BYTES_EACH = 16 * 1024
HALF_REQUESTS = {
    "idle": b"",
    "a bulk declared": b"*2\r\n$3\r\nGET\r\n$30000000\r\n",
    "a million arguments declared": b"*1048576\r\n$3\r\nGET\r\n",
    "an inline command begun": b"GET " + b"k" * 1000,
}


def open_descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def connect(sidecar) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", sidecar.port))
    client.settimeout(20)
    return client


def test_more_clients_than_allowed_are_told_and_closed(start):
    """As Redis does; when one leaves, another may come."""
    sidecar = start("--max-clients", "3")
    clients = [Wire(sidecar.connect()) for _ in range(3)]
    assert all(client.one(b"PING") == b"+PONG\r\n" for client in clients)
    for _ in range(5):
        with connect(sidecar) as refused:
            assert refused.recv(100) == TOO_MANY
            assert refused.recv(100) == b""
    assert all(client.one(b"PING") == b"+PONG\r\n" for client in clients)
    clients[0].close()
    assert clients[1].one(b"ECHO", b"x") == b"$1\r\nx\r\n"  # by now the end of the other has been seen
    assert Wire(connect(sidecar)).one(b"PING") == b"+PONG\r\n"


def test_without_descriptors_clients_wait_and_those_connected_are_served(start):
    """EMFILE: no crash and no spinning; who waits is accepted once a descriptor is free; the log says it once."""
    sidecar = start()
    pid = sidecar.process.pid
    served = Wire(sidecar.connect())
    assert served.one(b"SET", b"k", b"v") == b"+OK\r\n"
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_descriptors(pid) + 5, limits[1]))
    waiting = [connect(sidecar) for _ in range(20)]
    for client in waiting:
        client.sendall(b"PING\r\n")
    answered = readable(waiting, at_least=5)
    assert len(answered) == 5
    before_s = cpu_seconds(pid)
    for _ in range(2000):
        assert served.one(b"GET", b"k") == b"$1\r\nv\r\n"
    assert readable([client for client in waiting if client not in answered], 0) == []
    assert sidecar.log().count("cannot accept") == 1
    for client in answered:
        client.close()
    assert cpu_seconds(pid) - before_s < 2
    rest = [client for client in waiting if client not in answered]
    assert len(readable(rest, at_least=5)) >= 5
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert len(readable(rest, at_least=15)) == 15
    assert sidecar.stop() == 0


def readable(clients: list[socket.socket], at_least: int) -> list[socket.socket]:
    """Those that got something; waits until they are so many."""
    found: list[socket.socket] = []
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ, client)
        while True:
            ready = selector.select(20 if len(found) < at_least else 0)
            if not ready:
                assert len(found) >= at_least, f"{len(found)} of {len(clients)} were served"
                return found
            for key, _ in ready:
                found.append(key.data)
                selector.unregister(key.fileobj)


@pytest.mark.parametrize("sent", HALF_REQUESTS)
def test_a_connection_that_asks_nothing_costs_little(start, sent):
    """At most 16 KiB, though it declared a bulk of 30 MB or a million arguments."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    sidecar = start()
    wire = Wire(sidecar.connect())
    assert wire.one(b"SET", b"k", b"v") == b"+OK\r\n"
    before = resident_bytes(sidecar.process.pid)
    clients = [connect(sidecar) for _ in range(CONNECTIONS)]
    for client in clients:
        client.sendall(b"PING\r\n" + HALF_REQUESTS[sent])
        assert client.recv(100) == b"+PONG\r\n"
    assert wire.one(b"PING") == b"+PONG\r\n"
    assert (resident_bytes(sidecar.process.pid) - before) / CONNECTIONS <= BYTES_EACH
    assert sidecar.metric("connections") == CONNECTIONS + 1
    for client in clients:
        client.close()


def test_a_queue_without_end_is_the_clients_memory(start):
    """What MULTI queues counts against the bound; who queues without end is cut off, others stay."""
    sidecar = start("--max-client-memory", "8MiB")
    wire = Wire(sidecar.connect())
    assert wire.one(b"SET", b"k", b"v") == b"+OK\r\n"
    hoarder = connect(sidecar)
    hoarder.sendall(b"MULTI\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            hoarder.sendall(encode([b"SET", b"k", b"x" * 100_000]))
        while hoarder.recv(1 << 16):
            pass
    assert wire.one(b"GET", b"k") == b"$1\r\nv\r\n"
    assert sidecar.metric('connections_aborted_total{reason="client_memory"}') == 1
    assert resident_bytes(sidecar.process.pid) < 150 << 20


def test_the_unix_socket_has_the_mode_asked_for_and_goes_with_the_process(start):
    """0660 unless --unix-socket-mode says otherwise."""
    for arguments, mode in (((), 0o660), (("--unix-socket-mode", "0600"), 0o600)):
        sidecar = start(*arguments)
        assert stat.S_IMODE(sidecar.unix_socket.stat().st_mode) == mode
        assert sidecar.stop() == 0
        assert not sidecar.unix_socket.exists()


def test_a_killed_process_leaves_a_socket_file_that_does_not_matter(start):
    """The next one takes its place; while somebody listens there, a second one is refused and harms nothing."""
    killed = start()
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait(20)
    assert killed.unix_socket.is_socket()
    folder = killed.log_path.parent
    second = start(folder=folder)
    wire = Wire(second.connect())
    assert wire.one(b"PING") == b"+PONG\r\n"
    with pytest.raises(RuntimeError, match="address is in use"):
        third(start, second)
    assert wire.one(b"PING") == b"+PONG\r\n"
    assert Wire(second.connect()).one(b"PING") == b"+PONG\r\n"


def third(start, running):
    """One more process on a socket that another one listens on."""
    return start("--listen", f"unix://{running.unix_socket}")
