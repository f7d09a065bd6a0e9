"""Clients that do not read, or hardly: what they asked for is not kept for them in memory (F8)."""

import contextlib
import os
import resource
import selectors
import socket
import threading

import pytest
from adversity.process_memory import forget_peak, peak_resident_bytes, resident_bytes
from compat.wire import Wire, encode

MIB = 1024 * 1024
NON_READERS = int(os.environ.get("NON_READERS", "1000"))
VALUE_BYTES = 100_000
VALUES_EACH = 1000  # 100 MB asked by each client
BOUND_BYTES = 64 * MIB
POLICY = "version: 1\ndefaults: {ttl: 1h, deadline: 20s}\n"
KEYS = [b"large:%d" % number for number in range(10)]


@pytest.fixture
def sidecar(start):
    """One with ten values of 100 KB, each of its own bytes, in memory."""
    _allow_descriptors(NON_READERS + 1000)
    process = start(policy=POLICY, origin="sqlite:///./features.db")
    wire = Wire(process.connect())
    for key in KEYS:
        assert wire.one(b"SET", key, value_of(key)) == b"+OK\r\n"
    return process


def value_of(key: bytes) -> bytes:
    return (key * VALUE_BYTES)[:VALUE_BYTES]


def replies_of(keys: list[bytes]) -> bytes:
    return b"".join(b"$%d\r\n%b\r\n" % (VALUE_BYTES, value_of(key)) for key in keys)


def pipeline_of_gets(keys: list[bytes]) -> bytes:
    return b"".join(encode([b"GET", key]) for key in keys)


def transaction_of_gets(keys: list[bytes]) -> bytes:
    return encode([b"MULTI"]) + pipeline_of_gets(keys) + encode([b"EXEC"])


REQUESTS = {
    "MGET": lambda: encode([b"MGET", *(KEYS * (VALUES_EACH // len(KEYS)))]),
    "MGET of one key": lambda: encode([b"MGET", *(KEYS[:1] * VALUES_EACH)]),
    "GETs": lambda: pipeline_of_gets(KEYS * (VALUES_EACH // len(KEYS))),
    "HMGET of one field": lambda: encode([b"HMGET", b"row", *([b"large"] * VALUES_EACH)]),
}


@pytest.mark.parametrize("asked", REQUESTS)
def test_a_thousand_clients_that_do_not_read_cost_little(sidecar, asked):
    """A thousand clients ask for 100 MB each and read nothing: memory grows by 64 MiB at most.

    Others are served, and one that reads slowly all the while gets every byte.
    """
    wire = Wire(sidecar.connect())
    assert wire.one(b"HSET", b"row", b"large", value_of(b"large")) in (b":1\r\n", b":0\r\n")
    request = REQUESTS[asked]()
    before = resident_bytes(sidecar.process.pid)
    forget_peak(sidecar.process.pid)
    with SlowReader(sidecar, KEYS * 30) as slow:
        clients = [ask(sidecar.port, request) for _ in range(NON_READERS)]
        wait_until_asked(clients)
        for _ in range(20):
            assert wire.one(b"STRLEN", KEYS[0]) == b":%d\r\n" % VALUE_BYTES
        slow.read_the_rest()
    rise = peak_resident_bytes(sidecar.process.pid) - before
    assert rise <= BOUND_BYTES, f"{rise / MIB:.1f} MiB"
    for client in clients:
        client.close()
    assert sidecar.process.poll() is None


def test_a_pipeline_on_a_cold_key_is_run_only_as_it_is_read(sidecar):
    """GETs that wait for the first of them are answered as the client reads, not all at once when it comes.

    What came in one go were 100 MB for each client of the pipeline.
    """
    wire = Wire(sidecar.connect())
    request = pipeline_of_gets(KEYS[:1] * VALUES_EACH)
    before = resident_bytes(sidecar.process.pid)
    forget_peak(sidecar.process.pid)
    assert sidecar.invalidate(KEYS[0]) == 1
    clients = [ask(sidecar.port, request) for _ in range(100)]
    wait_until_asked(clients)
    assert wire.one(b"STRLEN", KEYS[0]) == b":%d\r\n" % VALUE_BYTES
    rise = peak_resident_bytes(sidecar.process.pid) - before
    assert rise <= BOUND_BYTES, f"{rise / MIB:.1f} MiB"
    for client in clients:
        client.close()


def ask(port: int, request: bytes) -> socket.socket:
    """A new client that sends its request as far as the server takes it at once."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        client.send(request)
    return client


def wait_until_asked(clients: list[socket.socket]) -> None:
    """Until the server answered something to each client, or cut it off."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(20)
            assert ready, f"{len(selector.get_map())} clients were not answered"
            for key, _ in ready:
                selector.unregister(key.fileobj)


class SlowReader:
    """A client that asks for large values and takes them at 100 KB/s, then as fast as it can."""

    def __init__(self, sidecar, keys: list[bytes]) -> None:
        self._expected = b"*%d\r\n" % len(keys) + replies_of(keys)
        self._client = socket.socket()
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._client.settimeout(30)
        self._client.connect(("127.0.0.1", sidecar.port))
        self._client.sendall(encode([b"MGET", *keys]))
        self._hurry = threading.Event()
        self._read = bytearray()
        self._thread = threading.Thread(target=self._take)

    def _take(self) -> None:
        while len(self._read) < len(self._expected):
            hurried = self._hurry.wait(0.02)
            received = self._client.recv(1 << 20 if hurried else 2000)
            if not received:
                return
            self._read += received

    def read_the_rest(self) -> None:
        """Take all that is left: it must be exactly what was asked for."""
        slowly = len(self._read)
        self._hurry.set()
        self._thread.join(60)
        assert 0 < slowly < len(self._expected)
        assert len(self._read) == len(self._expected), f"cut off after {len(self._read)} bytes"
        assert self._read == self._expected

    def __enter__(self) -> "SlowReader":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._hurry.set()
        self._client.close()
        self._thread.join(60)


def _allow_descriptors(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


SLOWLY_S = 6.0  # three times what a client may take nothing
HUGE = b"h" * 8_000_000  # more than the kernel's buffers and the output limit together


def test_ten_kilobytes_a_second_is_reading_and_nothing_is_not(sidecar):
    """Clients with one huge value on its way are cut off if they read nothing, and not if they read 10 KB/s.

    Over TCP and unix sockets, though the kernel tells of it only in steps that take such a reader many seconds.
    """
    assert Wire(sidecar.connect()).one(b"SET", b"huge", HUGE) == b"+OK\r\n"
    expected = len(b"$8000000\r\n") + len(HUGE) + 2
    readers = [socket.create_connection(("127.0.0.1", sidecar.port)), sidecar.connect()]
    idlers = [socket.create_connection(("127.0.0.1", sidecar.port)), sidecar.connect()]
    for client in readers + idlers:
        client.settimeout(30)
        client.sendall(encode([b"GET", b"huge"]))
    taken = [0 for _ in readers]
    pace = threading.Event()
    for _ in range(round(SLOWLY_S / 0.2)):
        pace.wait(0.2)
        for place, client in enumerate(readers):
            taken[place] += len(client.recv(2000))
    assert sidecar.metric('connections_aborted_total{reason="output_limit"}') == len(idlers)
    for place, client in enumerate(readers):
        assert taken[place] < 100_000
        while taken[place] < expected:
            received = client.recv(1 << 20)
            assert received, f"cut off after {taken[place]} bytes"
            taken[place] += len(received)
        client.close()
    for client in idlers:
        assert len(take_all(client)) < expected


def take_all(client: socket.socket) -> bytes:
    """What comes until the connection ends."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(1 << 20):
            received += piece
    client.close()
    return bytes(received)
