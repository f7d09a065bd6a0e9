"""A network that fails between a whole sidecar and Couchbase: a fault proxy before the wire-level node."""

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from chaos.fault_proxy import Faults, ProxyInThread
from compat.wire import Wire
from servers.couchbase_node_process import CouchbaseNodeProcess

DEADLINE_MS = 300
POLICY = f"""\
version: 1
defaults: {{ttl: 1h, jitter: 0%, deadline: {DEADLINE_MS}ms, write_deadline: 1s, read_error_backoff: 100ms}}
"""
CREDENTIALS = {"SIDECAR_ORIGIN_USERNAME": "sidecar", "SIDECAR_ORIGIN_PASSWORD": "secret"}
MISSES = 5
BUSY_S = 30.0  # a machine with other work on it
OK, VALUE = b"+OK\r\n", b"$1\r\nv\r\n"
ERRORS = (b"-TIMEOUT ", b"-UNAVAILABLE ", b"-OVERLOADED ")


@pytest.fixture
def proxy() -> Iterator[ProxyInThread]:
    with CouchbaseNodeProcess() as node, ProxyInThread(urlsplit(node.url).port or 0) as running:
        node.command(f"advertise {running.proxy.port}")
        running.url = node.url.replace(str(urlsplit(node.url).port), str(running.proxy.port))  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def wire(start, proxy) -> Wire:
    """A client of a sidecar that reaches its origin through the proxy; ``hit`` is in memory, ``miss:*`` is not."""
    sidecar = start(origin=proxy.url, policy=POLICY, environment=CREDENTIALS)
    wire = Wire(sidecar.connect())
    until(lambda: wire.one(b"SET", b"hit", b"v") == OK)
    for number in range(2 * MISSES):
        assert wire.one(b"SET", b"miss:%d" % number, b"v") == OK
    assert sidecar.invalidate(*(b"miss:%d" % number for number in range(2 * MISSES))) == 2 * MISSES
    assert proxy.proxy.accepted and proxy.proxy.passed_down, "the sidecar does not come through the proxy"
    return wire


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again."""
    deadline = time.monotonic() + BUSY_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {BUSY_S} s"


@pytest.mark.parametrize(
    "faults",
    [Faults(slice_bytes=7), Faults(delay_s=0.01, jitter_s=0.01, slice_bytes=64)],
    ids=["frames in pieces", "late and uneven"],
)
def test_a_poor_network_changes_no_answer(wire, proxy, faults):
    """However frames are cut and delayed within the deadline, reads and writes are answered as ever."""
    proxy.set(faults, faults)
    for number in range(5):
        until(lambda number=number: wire.one(b"GET", b"miss:%d" % number) == VALUE)
        until(lambda number=number: wire.one(b"SET", b"new:%d" % number, b"v") == OK)


@pytest.mark.parametrize(
    ("breaks", "mends"),
    [
        (lambda proxy: proxy.set(down=Faults(black_hole=True)), lambda proxy: proxy.set()),
        (lambda proxy: proxy.set(Faults(black_hole=True), Faults(black_hole=True)), lambda proxy: proxy.set()),
        (lambda proxy: proxy.stop(), lambda proxy: proxy.start()),
        (lambda proxy: (proxy.set(refusing=True), proxy.reset()), lambda proxy: proxy.set()),
        (lambda proxy: proxy.set(down=Faults(cut_after=1)), lambda proxy: proxy.set()),
    ],
    ids=["answers vanish", "everything vanishes", "port closed", "connections reset", "answers cut short"],
)
def test_a_broken_network_is_an_error_in_time_and_passes(wire, proxy, breaks, mends):
    """Hits are answered all the time; a miss gets an error of ours by its deadline; afterwards all is as before."""
    breaks(proxy)
    failed = 0
    for number in range(MISSES):
        reply = wire.one(b"GET", b"miss:%d" % number)
        failed += reply.startswith(ERRORS)
        assert reply == VALUE or reply.startswith(ERRORS), reply
        assert wire.one(b"GET", b"hit") == VALUE
    assert failed >= MISSES - 1
    mends(proxy)
    for number in range(MISSES, 2 * MISSES):
        until(lambda number=number: wire.one(b"GET", b"miss:%d" % number) == VALUE)
    until(lambda: wire.one(b"SET", b"hit", b"v") == OK)
