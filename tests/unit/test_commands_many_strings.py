"""MGET of large values: taken from memory as the client reads, in order, without holding what memory holds."""

import pytest
from command_client import Bench

from protocol import WAIT, LazyArray
from sidecar.commands.many_strings import LARGE_REPLY_BYTES
from sidecar.fetch.answers import Cause, Unavailable
from sidecar.origins.base import Found

LARGE = b"x" * 100_000
LARGE_BULK = b"$100000\r\n" + LARGE + b"\r\n"


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def client(bench):
    client = bench.client()
    client.lazy = []
    fill = client.fill

    def note(slot, reply):
        if isinstance(reply, LazyArray):
            client.lazy.append(reply)
        fill(slot, reply)

    client.fill = note
    return client


def remember(bench, *keys):
    for key in keys:
        bench.reads.memory[key] = Found(LARGE, True, None)


def test_a_small_reply_is_given_at_once(bench, client):
    """What fits the hot path's bound is no lazy array."""
    bench.reads.memory[b"a"] = Found(b"1", True, None)
    assert client.send(b"MGET", b"a", b"a") == b"*2\r\n$1\r\n1\r\n$1\r\n1\r\n"
    assert not client.lazy


def test_a_large_reply_holds_nothing_that_memory_holds(bench, client):
    """Only keys are held for a client; every value is looked up when its turn comes."""
    remember(bench, b"a", b"b")
    keys = [b"a", b"b"] * 50
    assert client.send(b"MGET", *keys) == b"*100\r\n" + LARGE_BULK * 100
    (lazy,) = client.lazy
    assert lazy.held_bytes < 1000 < LARGE_REPLY_BYTES


def test_what_the_origin_gave_and_memory_did_not_keep_is_held(bench, client):
    """Values that were too large or had no room are kept until their turn, once for all places."""
    remember(bench, b"a")
    bench.set(b"b", LARGE)
    reply = client.ask("MGET a b a b b")
    assert reply == b"*5\r\n" + LARGE_BULK * 5
    assert [key for key, _ in bench.reads.asked] == [b"b"]
    (lazy,) = client.lazy
    assert 100_000 < lazy.held_bytes < 101_000


def test_a_reply_that_turns_out_large_is_taken_from_memory_too(bench, client):
    """All keys were missing; what came has been installed by then."""
    for key in (b"a", b"b", b"c"):
        bench.set(key, LARGE)
    client.line("MGET a b c")
    remember(bench, b"a", b"b", b"c")
    bench.complete()
    assert client.output() == b"*3\r\n" + LARGE_BULK * 3
    assert client.lazy[0].held_bytes < 1000


def test_a_value_that_memory_lost_is_read_again(bench, client):
    """The array waits for that element and then goes on."""
    remember(bench, b"a", b"b")
    bench.set(b"b", LARGE)
    woken = []
    sizes = bench.reads.string_sizes
    bench.reads.string_sizes = lambda keys: [100_000 for _ in sizes(keys)]
    del bench.reads.memory[b"b"]
    assert client.send(b"MGET", b"a", b"b", b"a") == b"*3\r\n" + LARGE_BULK
    client.lazy[0].wake = lambda: woken.append(True)
    bench.complete()
    assert woken
    assert client.output() == LARGE_BULK * 2


def test_an_element_that_cannot_be_read_is_an_error(bench, client):
    """The array has begun, so the error stands where the value would."""
    bench.reads.string_sizes = lambda keys: [200_000 for _ in keys]
    remember(bench, b"a")
    bench.reads.instead = Unavailable(b"TIMEOUT the origin did not answer within 250ms", Cause.TIMEOUT)
    assert client.ask("MGET a b a") == (
        b"*3\r\n" + LARGE_BULK + b"-TIMEOUT the origin did not answer within 250ms\r\n" + LARGE_BULK
    )


def test_a_later_write_of_a_key_waits_until_the_array_is_taken(bench, client):
    """A pipeline of a large MGET and a SET of one of its keys answers the old value."""
    bench.set(b"a", LARGE)
    bench.set(b"b", LARGE)
    bench.set(b"c", LARGE)
    client.line("MGET a b c")
    client.line("SET a new")
    bench.reads.complete()
    assert not bench.writes.submitted
    assert client.output() == b"*3\r\n" + LARGE_BULK * 3
    client.drain()
    assert [write.key for write in bench.writes.submitted] == [b"a"]
    bench.complete()
    assert client.output() == b"+OK\r\n"
    assert client.in_order


def test_inside_exec_all_values_are_those_of_one_moment(bench, client):
    """EXEC lets its keys go when it is answered, so nothing is looked up afterwards."""
    remember(bench, b"a", b"b", b"c")
    client.line("MULTI")
    client.line("MGET a b c")
    assert client.line("EXEC") == b"*1\r\n*3\r\n" + LARGE_BULK * 3
    assert not client.lazy


def test_an_exec_of_another_client_is_not_seen_half_done(bench, client):
    """An element whose key an EXEC took meanwhile waits until that is over."""
    remember(bench, b"a", b"b", b"c")
    client.fill = lambda slot, reply: client.lazy.append(reply)
    client.send(b"MGET", b"a", b"b", b"c")
    (lazy,) = client.lazy
    assert next(lazy.elements) == LARGE
    other = bench.client()
    for line in ("MULTI", "SET b new", "GET x", "EXEC"):
        other.line(line)
    assert next(lazy.elements) is WAIT
    woken = []
    lazy.wake = lambda: woken.append(True)
    bench.complete()
    assert woken
    assert list(lazy.elements) == [LARGE, LARGE]


def test_waiting_commands_run_only_as_their_client_reads(bench, client):
    """Commands parked behind a read of their key stay parked while too much output waits; the first of all may run."""
    bench.set(b"a", LARGE)
    for _ in range(5):
        client.line("GET a")
    client.full = True
    client.may_run_though_full = {2}
    bench.reads.complete()
    remember(bench, b"a")
    assert client.output() == LARGE_BULK
    assert [key for key, _ in bench.reads.asked] == [b"a", b"a"]
    bench.reads.complete()
    assert client.output() == LARGE_BULK
    client.drain()
    assert client.output() == LARGE_BULK * 3
    assert client.in_order
