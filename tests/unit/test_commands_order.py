"""Replies leave in the order asked; commands on one key take effect in the order sent; other keys may overlap."""

import pytest
from command_client import Bench

from sidecar.origins.base import Found


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_get_set_get_on_a_cold_key_answers_old_ok_new(bench):
    """GET k, SET k x, GET k in one pipeline: each waits for the one before it."""
    bench.set(b"k", b"old")
    client = bench.client()
    assert client.line("GET k") == client.line("SET k new") == client.line("GET k") == b""
    assert bench.reads.asked == [(b"k", None)]
    assert bench.writes.submitted == []  # the write waits for the read before it
    bench.complete()
    assert client.output() == b"$3\r\nold\r\n+OK\r\n$3\r\nnew\r\n"


def test_different_keys_overlap_and_replies_keep_their_order(bench):
    """A write of another key is sent at once, but its reply leaves after the read before it."""
    client = bench.client()
    client.line("GET slow")
    client.line("SET other v")
    assert len(bench.writes.submitted) == 1
    bench.writes.complete()
    assert client.output() == b""
    bench.reads.complete()
    assert client.output() == b"$-1\r\n+OK\r\n"


def test_a_key_held_by_one_command_does_not_hold_other_connections(bench):
    """Order on one key is a promise to one connection."""
    one, other = bench.client(), bench.client()
    one.line("GET k")
    other.line("GET k")
    assert bench.reads.asked == [(b"k", None), (b"k", None)]


def test_a_command_on_several_keys_waits_for_all_of_them(bench):
    """MGET a b behind unresolved writes of a and of b runs once, when both are done."""
    client = bench.client()
    client.line("SET a 1")
    client.line("SET b 2")
    client.line("MGET a b")
    (first, first_then), (second, second_then) = bench.writes.waiting
    bench.writes.waiting = []
    first_then(bench.writes._apply(first))
    assert bench.reads.asked == []
    second_then(bench.writes._apply(second))
    assert [key for key, _ in bench.reads.asked] == [b"a", b"b"]
    bench.complete()
    assert client.output() == b"+OK\r\n+OK\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n"


def test_a_command_that_names_a_key_twice_does_not_wait_for_itself(bench):
    """MGET k k behind an unresolved write of k answers."""
    client = bench.client()
    client.line("SET k v")
    client.line("MGET k k")
    bench.complete()
    assert client.output() == b"+OK\r\n*2\r\n$1\r\nv\r\n$1\r\nv\r\n"


def test_a_barrier_waits_for_all_and_all_wait_for_it(bench):
    """SCAN sees the write before it and not the one after it."""
    client = bench.client()
    client.line("SET a 1")
    client.line("SCAN 0")
    client.line("SET b 2")
    client.line("GET b")
    assert [write.key for write in bench.writes.submitted] == [b"a"]
    bench.complete()
    assert client.output() == b"+OK\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n+OK\r\n$1\r\n2\r\n"


def test_a_barrier_on_an_idle_connection_still_holds_what_follows(bench):
    """A DBSIZE that is under way comes before the write behind it."""
    client = bench.client()
    client.line("DBSIZE")
    client.line("SET b 2")
    assert bench.writes.submitted == []
    bench.complete()
    assert client.output() == b":0\r\n+OK\r\n"


def test_two_barriers_and_the_commands_between_them_run_in_turn(bench):
    """Each barrier opens the way only up to the next one."""
    client = bench.client()
    for command in ("SET a 1", "DBSIZE", "SET b 2", "SET c 3", "DBSIZE", "GET c"):
        client.line(command)
    bench.complete()
    assert client.output() == b"+OK\r\n:1\r\n+OK\r\n+OK\r\n:3\r\n$1\r\n3\r\n"


def test_commands_without_keys_run_at_once(bench):
    """PING behind a slow read runs now and answers in its place."""
    client = bench.client()
    client.line("GET slow")
    client.line("CLIENT SETNAME me")
    assert client.session.name == b"me"
    bench.complete()
    assert client.output() == b"$-1\r\n+OK\r\n"


def test_a_reply_keeps_the_version_its_command_was_asked_under(bench):
    """HELLO 3 behind a slow HGETALL does not turn that HGETALL's reply into a map."""
    bench.set(b"h", {b"f": b"v"})
    client = bench.client()
    client.line("HGETALL h")
    client.line("HELLO 3")
    client.line("HGETALL h")
    bench.complete()
    out = client.output()
    assert out.startswith(b"*2\r\n$1\r\nf\r\n$1\r\nv\r\n%7\r\n")
    assert out.endswith(b"%1\r\n$1\r\nf\r\n$1\r\nv\r\n")


def test_the_hot_path_is_closed_only_while_something_is_unresolved(bench):
    """in_order: the poller may answer from memory by itself."""
    client = bench.client()
    assert client.in_order
    client.line("GET k")
    assert not client.in_order
    client.line("GET k")
    bench.reads.complete()
    assert not client.in_order  # the second GET is under way
    bench.complete()
    assert client.in_order


def test_hits_behind_an_unresolved_command_are_answered_from_memory(bench):
    """While the hot path is closed the dispatcher answers hits itself."""
    bench.reads.memory[b"hot"] = Found(b"value")
    client = bench.client()
    client.line("GET cold")
    client.line("GET hot")
    assert [key for key, _ in bench.reads.asked] == [b"cold"]
    bench.complete()
    assert client.output() == b"$-1\r\n$5\r\nvalue\r\n"


def test_a_long_queue_on_one_key_does_not_recurse(bench):
    """50,000 GETs behind one miss are all answered at once: each lets the next one go, not by recursion."""
    client = bench.client()
    client.line("GET k")
    for _ in range(50_000):
        client.line("GET k")
    bench.reads.memory[b"k"] = Found(b"v")
    bench.complete()
    assert client.output() == b"$-1\r\n" + b"$1\r\nv\r\n" * 50_000


def test_a_handler_that_raises_answers_and_lets_the_next_command_go(bench, monkeypatch):
    """A bug of ours is an error reply, not a stuck connection."""
    client = bench.client()

    def broken(key, fields):
        raise ZeroDivisionError

    monkeypatch.setattr(bench.reads, "lookup", broken)
    assert client.line("GET k") == b"-ERR internal error\r\n"
    monkeypatch.undo()
    bench.origin.scan = None  # the coroutine of SCAN raises
    assert client.ask("SCAN 0") == b"-ERR internal error\r\n"
    assert client.ask("GET k") == b"$-1\r\n"
    assert client.in_order


def test_writes_of_one_key_leave_together(bench):
    """100 HSETs to one hash in a pipeline are submitted in one turn, in order; a read behind them waits."""
    client = bench.client()
    for number in range(100):
        client.line(f"HSET h f{number % 3} {number}")
    client.line("HGET h f0")
    assert [write.fields for write in bench.writes.submitted][-1] == {b"f0": b"99"}
    assert len(bench.writes.submitted) == 100
    assert bench.reads.asked == []
    bench.complete()
    assert client.output() == b":1\r\n" * 3 + b":0\r\n" * 97 + b"$2\r\n99\r\n"


def test_a_write_behind_a_read_waits_though_writes_are_before_it(bench):
    """SET, GET, SET: the GET must not see the second value."""
    client = bench.client()
    for command in ("SET k 1", "GET k", "SET k 2", "SET k 3", "GET k"):
        client.line(command)
    assert [write.value for write in bench.writes.submitted] == [b"1"]
    bench.complete()
    assert client.output() == b"+OK\r\n$1\r\n1\r\n+OK\r\n+OK\r\n$1\r\n3\r\n"


def test_a_write_of_several_keys_is_not_overtaken(bench):
    """MSET a b waits for a read of b: the SET of a behind it must wait too, or MSET's value would be the last."""
    client = bench.client()
    for command in ("SET a 0", "GET b", "MSET a 1 b 1", "SET a 2", "GET a"):
        client.line(command)
    assert [write.key for write in bench.writes.submitted] == [b"a"]
    bench.complete()
    assert client.output() == b"+OK\r\n$-1\r\n+OK\r\n+OK\r\n$1\r\n2\r\n"


def test_an_expiry_that_must_ask_first_waits_for_the_write_before_it(bench):
    """EXPIRE XX LT reads the expiry that the SET before it sets."""
    client = bench.client()
    client.line("SET k v EX 100")
    client.line("EXPIRE k 10 XX LT")
    client.line("EXPIRE k 20 XX")
    bench.complete()
    assert client.output() == b"+OK\r\n:1\r\n:1\r\n"


def test_a_write_that_reads_because_of_a_bad_argument_holds_its_key(bench):
    """HEXPIRE with a bad argument looks at the key's kind as it is before the SET behind it."""
    client = bench.client()
    client.line("HEXPIRE k x FIELDS 1 f")
    client.line("SET k v")
    assert bench.writes.submitted == []
    bench.complete()
    assert client.output() == b"-ERR value is not an integer or out of range\r\n+OK\r\n"
