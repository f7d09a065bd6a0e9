"""Prefetching on a whole process: origin reads are counted by its own metrics."""

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from compat.wire import Wire

POLICY = """\
version: 1
defaults: {ttl: 1h}
feature_sets:
  - name: ranker
    members: ["user:{user_id}", "user:{user_id}:sessions", "context:{user_id}:{item_id}", "item:{item_id}"]
prefetch: {learn: false}
"""
FOUND = 'origin_requests_total{operation="read",origin="sqlite",outcome="found"}'
BATCHES = 'origin_batches_total{operation="read",origin="sqlite"}'
USED = 'prefetch_documents_total{outcome="used",set="ranker"}'
WASTED = 'prefetch_documents_total{outcome="wasted",set="ranker"}'
USERS = 50


def load(wire: Wire, users: int = USERS) -> None:
    """Each user with an item of the same number."""
    for number in range(users):
        item = number
        assert wire.one(b"HSET", b"user:%d" % number, b"tier", b"gold") == b":1\r\n"
        assert wire.one(b"SET", b"user:%d:sessions" % number, b"3") == b"+OK\r\n"
        assert wire.one(b"SET", b"context:%d:%d" % (number, item), b"c") == b"+OK\r\n"
        assert wire.one(b"SET", b"item:%d" % item, b"i") == b"+OK\r\n"


def until(holds: Callable[[], bool]) -> None:
    """Wait for what comes soon."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def forget(sidecar) -> None:
    """Memory has nothing any more."""
    for template in (b"user:%d", b"user:%d:sessions", b"item:%d"):
        sidecar.invalidate(*(template % number for number in range(USERS)))
    sidecar.invalidate(*(b"context:%d:%d" % (number, number) for number in range(USERS)))


def test_the_members_of_a_set_come_with_the_first_of_them(start):
    """GET, HMGET, MGET and a transaction over several connections: after the first miss of a user everything is a hit,
    every document is read once, and each set's documents come in the batch of the first.
    """
    sidecar = start(origin="sqlite:///./features.db", policy=POLICY)
    first, second, third = (Wire(sidecar.connect()) for _ in range(3))
    load(first)
    forget(sidecar)
    found, batches = sidecar.metric(FOUND), sidecar.metric(BATCHES)
    for number in range(USERS):
        assert first.one(b"GET", b"context:%d:%d" % (number, number)) == b"$1\r\nc\r\n"
        assert sidecar.metric(BATCHES) - batches == number + 1
        assert second.one(b"HMGET", b"user:%d" % number, b"tier") == b"*1\r\n$4\r\ngold\r\n"
        assert third.one(b"MGET", b"user:%d:sessions" % number, b"item:%d" % number) == b"*2\r\n$1\r\n3\r\n$1\r\ni\r\n"
    assert sidecar.metric(BATCHES) - batches == USERS
    assert sidecar.metric(FOUND) - found == 4 * USERS
    until(lambda: sidecar.metric(USED) == 3 * USERS)
    assert sidecar.metric(WASTED) == 0


def test_two_keys_of_one_transaction_bind_what_needs_both(start):
    """A user and an item inside MULTI bring the context of the pair; each alone does not."""
    sidecar = start(origin="sqlite:///./features.db", policy=POLICY)
    wire = Wire(sidecar.connect())
    load(wire, 2)
    forget(sidecar)
    found = sidecar.metric(FOUND)
    assert wire.one(b"MULTI") == b"+OK\r\n"
    assert wire.one(b"HGET", b"user:1", b"tier") == b"+QUEUED\r\n"
    assert wire.one(b"GET", b"item:1") == b"+QUEUED\r\n"
    assert wire.one(b"EXEC") == b"*2\r\n$4\r\ngold\r\n$1\r\ni\r\n"
    assert sidecar.metric(FOUND) - found == 4
    assert wire.one(b"GET", b"item:0") == b"$1\r\ni\r\n"
    assert sidecar.metric(FOUND) - found == 5


def test_hits_alone_bring_what_is_missing(start):
    """Members that memory lost are fetched when the others are hit, whichever connection hits them."""
    sidecar = start(origin="sqlite:///./features.db", policy=POLICY)
    wire = Wire(sidecar.connect())
    load(wire)
    for template in (b"GET user:%d:sessions", b"GET item:%d", b"HGETALL user:%d"):
        for number in range(USERS):
            wire.one(*(template % number).split())
    sidecar.invalidate(*(b"user:%d:sessions" % number for number in range(USERS)))
    sidecar.invalidate(*(b"context:%d:%d" % (number, number) for number in range(USERS)))
    found = sidecar.metric(FOUND)

    def hit_all() -> bool:
        for number in range(USERS):
            wire.exchange([[b"HGET", b"user:%d" % number, b"tier"], [b"GET", b"item:%d" % number]])
        return sidecar.metric(FOUND) - found == 2 * USERS

    until(hit_all)


def test_a_crowd_of_connections_reads_each_document_once(start):
    """Eight clients ask for the same users at once: no document is read twice."""
    sidecar = start(origin="sqlite:///./features.db", policy=POLICY)
    load(Wire(sidecar.connect()))
    forget(sidecar)
    found = sidecar.metric(FOUND)

    def ask() -> None:
        wire = Wire(sidecar.connect())
        for number in range(USERS):
            wire.one(b"GET", b"context:%d:%d" % (number, number))
            wire.one(b"GET", b"user:%d:sessions" % number)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sidecar.metric(FOUND) - found == 4 * USERS


def test_what_was_learned_can_be_shown_and_pasted(start, tmp_path):
    """`prefetch show` prints a table, and with --export a block that `policy check` accepts and that does the same."""
    sidecar = start(origin="sqlite:///./features.db", policy="version: 1\ndefaults: {ttl: 1h}\n")
    wire = Wire(sidecar.connect())

    def show(*flags: str) -> str:
        return cli("prefetch", "show", "--admin", f"127.0.0.1:{sidecar.admin_port}", *flags)

    def cli(*words: str) -> str:
        command = [sys.executable, "-P", "-m", "sidecar.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    numbers = itertools.count()

    def has_learned() -> bool:
        for number in itertools.islice(numbers, 50):
            wire.one(b"HGET", b"user:%d" % number, b"tier")
            wire.one(b"GET", b"cart:%d" % number)
        return "user:{id1} -> cart:{id1}" in sidecar.fetch("/prefetch").decode()

    until(has_learned)
    assert "user:{id1} -> cart:{id1}" in show()
    policy = tmp_path / "exported.yaml"
    policy.write_text("version: 1\n" + show("--export"))
    assert cli("policy", "check", str(policy)).endswith("feature sets: 1\n")
