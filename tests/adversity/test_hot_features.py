"""Early refresh on a whole process: what is asked all the time is filled again before it ends."""

import time

from compat.wire import Wire

TTL_S = 0.2
LIVES = 15
POLICY = f"""\
version: 1
defaults: {{ttl: {round(TTL_S * 1000)}ms, jitter: 10%, stale_while_revalidate: 0s}}
"""


def test_hot_features_do_not_expire_in_a_clients_face(start):
    """Of all the fills that a hot string and a hot row need, most are begun by a hit and few by a miss.

    Without early refresh each of them would be a miss. A machine that has other work may be late for some.
    """
    sidecar = start(origin="sqlite:///./features.db", policy=POLICY)
    wire = Wire(sidecar.connect())
    assert wire.one(b"SET", b"k", b"v") == b"+OK\r\n"
    assert wire.one(b"HSET", b"h", b"a", b"1", b"b", b"2") == b":2\r\n"
    deadline = time.monotonic() + LIVES * TTL_S
    while time.monotonic() < deadline:
        assert wire.one(b"GET", b"k") == b"$1\r\nv\r\n"
        assert wire.one(b"HMGET", b"h", b"a", b"b") == b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n"
    early = sidecar.metric("early_refreshes_total")
    fills = sidecar.metric('origin_requests_total{operation="read",origin="sqlite",outcome="found"}')
    assert fills >= LIVES
    assert early > fills / 2
