"""A Couchbase that stops, hangs or cuts connections, beneath a whole sidecar: what clients see meanwhile and after."""

import contextlib
import select
import selectors
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from adversity.process_memory import peak_resident_bytes, resident_bytes
from compat.wire import Wire, encode
from servers.couchbase_node_process import CouchbaseNodeProcess

DEADLINE_MS = 200
FAST_TTL_S, FAST_STALE_IF_ERROR_S = 0.1, 1.5
POLICY = f"""\
version: 1
defaults: {{ttl: 1h, jitter: 0%, deadline: {DEADLINE_MS}ms, write_deadline: 400ms, read_error_backoff: 100ms}}
feature_views:
  - name: fast
    keys: "fast:{{id}}"
    ttl: {round(FAST_TTL_S * 1000)}ms
    stale_while_revalidate: 0s
    stale_if_error: {round(FAST_STALE_IF_ERROR_S * 1000)}ms
  - name: lenient
    keys: "lenient:{{id}}"
    on_unavailable: nil
"""
CREDENTIALS = {"SIDECAR_ORIGIN_USERNAME": "sidecar", "SIDECAR_ORIGIN_PASSWORD": "secret"}
TICKS_S = 0.02  # ages are judged in ticks of 10 ms, rounded against the entry
BUSY_S = 20.0  # a machine with other work on it


@pytest.fixture
def node() -> Iterator[CouchbaseNodeProcess]:
    with CouchbaseNodeProcess() as running:
        yield running


@pytest.fixture
def sidecar(start, node):
    process = start(origin=node.url, policy=POLICY, environment=CREDENTIALS)
    wire = Wire(process.connect())
    until(lambda: wire.one(b"SET", b"warm", b"1") == b"+OK\r\n")
    assert wire.one(b"GET", b"warm") == b"$1\r\n1\r\n"
    return process


@pytest.fixture
def wire(sidecar) -> Wire:
    return Wire(sidecar.connect())


def until(condition: Callable[[], bool], within_s: float = BUSY_S) -> None:
    """Ask again and again."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"


TIMEOUT = b"-TIMEOUT the origin did not answer within %dms\r\n" % DEADLINE_MS
OUTAGES = {
    "stop": {b"-UNAVAILABLE the origin is down: connection refused\r\n", TIMEOUT},
    "hang": {TIMEOUT, b"-UNAVAILABLE the origin is down: breaker open\r\n"},  # once nothing was answered for a while
}
ENDS = {"stop": "start", "hang": "resume"}


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_leaves_hits_alone_and_bounds_what_is_stale(sidecar, wire, node, outage):
    """Hits are served throughout; a stale value until its hard limit and never past it.

    Then, and for what is not in memory, comes the error of the case, or nil where the policy says so; afterwards all
    is as before.
    """
    assert wire.one(b"SET", b"fast:1", b"old") == b"+OK\r\n"
    before_s, after_s = refill(wire, b"fast:1", b"$3\r\nold\r\n")
    node.command(outage)
    errors = OUTAGES[outage]
    last_value_s = follow_until_error(wire, b"fast:1", b"$3\r\nold\r\n", errors)
    limit_s = FAST_TTL_S + FAST_STALE_IF_ERROR_S
    assert last_value_s <= after_s + limit_s, "a value was served past its hard limit"
    assert last_value_s >= before_s + limit_s - DEADLINE_MS / 1000 - 0.1 - TICKS_S, "stale-if-error ended early"
    assert wire.one(b"GET", b"cold") in errors
    assert wire.one(b"MGET", b"warm", b"cold") in errors
    assert wire.one(b"GET", b"lenient:cold") == b"$-1\r\n"
    assert wire.one(b"HMGET", b"lenient:hash", b"a", b"b") == b"*2\r\n$-1\r\n$-1\r\n"
    assert wire.one(b"GET", b"warm") == b"$1\r\n1\r\n"
    assert sidecar.fetch("/readyz") == b"ready\n"
    node.command(ENDS[outage])
    until(lambda: wire.one(b"GET", b"fast:1") == b"$3\r\nold\r\n")
    until(lambda: wire.one(b"GET", b"cold") == b"$-1\r\n")
    assert wire.one(b"SET", b"fast:1", b"new") == b"+OK\r\n"
    assert wire.one(b"GET", b"fast:1") == b"$3\r\nnew\r\n"


def refill(wire: Wire, key: bytes, value: bytes) -> tuple[float, float]:
    """Read a key that is past its windows, so that the origin is asked; the moments before and after."""
    reads = time.monotonic() + 2 * FAST_TTL_S
    until(lambda: time.monotonic() > reads)
    before = time.monotonic()
    assert wire.one(b"GET", key) == value
    return before, time.monotonic()


def follow_until_error(wire: Wire, key: bytes, value: bytes, errors: set[bytes]) -> float:
    """Read a key until it fails; hits go on meanwhile. When the last read that still gave the value was sent."""
    last = 0.0
    while True:
        sent_s = time.monotonic()
        reply = wire.one(b"GET", key)
        if reply in errors:
            return last
        assert reply == value
        last = sent_s
        for _ in range(10):
            assert wire.one(b"GET", b"warm") == b"$1\r\n1\r\n"


def test_a_hit_behind_a_hanging_read_is_not_delayed_on_another_connection(sidecar, wire, node):
    """While misses wait for their deadlines, hits are answered at once."""
    node.command("hang")
    waiting = [Wire(sidecar.connect()) for _ in range(50)]
    for number, each in enumerate(waiting):
        each.send(b"GET cold:%d\r\n" % number)
    for _ in range(20):
        assert wire.one(b"GET", b"warm") == b"$1\r\n1\r\n"
    assert select.select([each.client for each in waiting], [], [], 0)[0] == []
    assert all(each.read_reply().startswith(b"-TIMEOUT") for each in waiting)
    node.command("resume")


def test_a_write_of_unknown_outcome_says_so_and_is_settled_after(sidecar, wire, node):
    """A write whose answer is held back is UNKNOWN, its key is not served from memory, and then what the origin has."""
    assert wire.one(b"SET", b"w", b"before") == b"+OK\r\n"
    assert wire.one(b"GET", b"w") == b"$6\r\nbefore\r\n"
    node.command("hang apply")
    assert wire.one(b"SET", b"w", b"after") == b"-UNKNOWN the write may or may not have been applied\r\n"
    assert wire.one(b"GET", b"w").startswith(b"-TIMEOUT")
    assert wire.one(b"GET", b"warm") == b"$1\r\n1\r\n"
    node.command("resume")
    until(lambda: wire.one(b"GET", b"w") == b"$5\r\nafter\r\n")
    for _ in range(20):
        assert wire.one(b"GET", b"w") == b"$5\r\nafter\r\n"


def test_cut_connections_are_made_again(sidecar, wire, node):
    """Resets cost at most errors of the closed list; then reads and writes go on, and hits never stopped."""
    for round_ in range(5):
        node.command("cut")
        assert wire.one(b"GET", b"warm") == b"$1\r\n1\r\n"
        key, value = b"cut:%d" % round_, b"$1\r\n%d\r\n" % round_

        def written(key: bytes = key, round_: int = round_) -> bool:
            reply = wire.one(b"SET", key, b"%d" % round_)
            assert reply == b"+OK\r\n" or reply.startswith((b"-UNKNOWN", b"-UNAVAILABLE", b"-TIMEOUT")), reply
            return reply == b"+OK\r\n"

        until(written)
        until(lambda key=key, value=value: wire.one(b"GET", key) == value)


def test_writes_that_wait_are_their_clients_memory(start, node):
    """While the origin hangs, clients that write large values without end are read no further: memory stays bounded."""
    policy = POLICY.replace("write_deadline: 400ms", "write_deadline: 20s")
    sidecar = start(origin=node.url, policy=policy, environment=CREDENTIALS)
    wire = Wire(sidecar.connect())
    until(lambda: wire.one(b"SET", b"warm", b"1") == b"+OK\r\n")
    node.command("hang")
    before = resident_bytes(sidecar.process.pid)
    clients = [sidecar.connect() for _ in range(20)]
    sent = send_until_refused(clients, encode([b"SET", b"hoard", b"x" * 100_000]) * 10, most=300 << 20)
    assert sent < 64 << 20
    assert peak_resident_bytes(sidecar.process.pid) - before <= 64 << 20
    assert wire.one(b"GET", b"warm") == b"$1\r\n1\r\n"
    node.command("resume")
    for client in clients:
        client.setblocking(True)
        assert client.recv(100)


def send_until_refused(clients: list[socket.socket], request: bytes, most: int) -> int:
    """Send a request over and over, on all connections, until none takes a byte for half a second. Returns how much."""
    sent = dict.fromkeys(clients, 0)
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.setblocking(False)
            selector.register(client, selectors.EVENT_WRITE)
        while sum(sent.values()) < most and (ready := selector.select(0.5)):
            for key, _ in ready:
                with contextlib.suppress(BlockingIOError):
                    sent[key.fileobj] += key.fileobj.send(request[sent[key.fileobj] % len(request) :])
    return sum(sent.values())
