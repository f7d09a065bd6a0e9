"""MULTI, EXEC and DISCARD: queueing as Redis, keys taken at once, reads in one batch."""

import pytest
from command_client import Bench

from sidecar.commands import transactions
from sidecar.origins.base import UNKNOWN


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_exec_answers_each_command_in_its_place(bench):
    """Writes and reads of one key see each other."""
    client = bench.client()
    assert client.line("MULTI") == b"+OK\r\n"
    assert client.line("SET k 1") == client.line("GET k") == client.line("PING") == b"+QUEUED\r\n"
    assert client.ask("EXEC") == b"*3\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n"
    assert client.ask("GET k") == b"$1\r\n1\r\n"


def test_an_empty_exec_answers_an_empty_array(bench):
    """MULTI, EXEC."""
    client = bench.client()
    client.line("MULTI")
    assert client.line("EXEC") == b"*0\r\n"


def test_neighbours_on_different_keys_leave_together(bench):
    """All reads of an EXEC are asked before any is answered; a second command on a key waits for the first."""
    client = bench.client()
    for command in ("MULTI", "GET a", "GET b", "SET a 1", "GET c", "EXEC"):
        client.line(command)
    assert [key for key, _ in bench.reads.asked] == [b"a", b"b", b"c"]
    assert bench.writes.submitted == []
    bench.complete()
    assert client.output().endswith(b"*4\r\n$-1\r\n$-1\r\n+OK\r\n$-1\r\n")


def test_an_error_in_the_queue_aborts_exec(bench):
    """Unknown commands, wrong arity and NOAUTH give EXECABORT, and nothing runs."""
    client = bench.client()
    client.line("MULTI")
    client.line("SET k 1")
    assert client.line("NOPE x").startswith(b"-ERR unknown command 'NOPE'")
    assert client.line("GET k") == b"+QUEUED\r\n"
    assert client.line("EXEC") == b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    assert bench.writes.submitted == []
    assert client.line("EXEC") == b"-ERR EXEC without MULTI\r\n"


def test_exec_with_arguments_aborts_and_leaves_multi(bench):
    """As Redis: the transaction is gone."""
    client = bench.client()
    client.line("MULTI")
    wanted = b"-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n"
    assert client.line("EXEC now") == wanted
    assert client.line("EXEC") == b"-ERR EXEC without MULTI\r\n"


def test_a_command_that_fails_says_so_in_its_place(bench):
    """WRONGTYPE and an unknown outcome do not stop the rest."""
    bench.set(b"h", {b"f": b"v"})
    bench.writes.instead[b"lost"] = UNKNOWN
    client = bench.client()
    for command in ("MULTI", "GET h", "SET lost 1", "SET k 1"):
        client.line(command)
    assert client.ask("EXEC") == (
        b"*3\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
        b"-UNKNOWN the write may or may not have been applied\r\n+OK\r\n"
    )


def test_discard_and_nesting(bench):
    """DISCARD forgets the queue; MULTI in MULTI is an error that does not abort; WATCH is unknown and does."""
    client = bench.client()
    assert client.line("DISCARD") == b"-ERR DISCARD without MULTI\r\n"
    client.line("MULTI")
    client.line("SET k 1")
    assert client.line("MULTI") == b"-ERR MULTI calls can not be nested\r\n"
    assert client.line("DISCARD") == b"+OK\r\n"
    assert client.ask("GET k") == b"$-1\r\n"
    client.line("MULTI")
    assert client.line("WATCH k").startswith(b"-ERR unknown command 'WATCH'")
    assert client.line("EXEC").startswith(b"-EXECABORT")


def test_no_other_connection_touches_the_keys_of_an_exec_in_between(bench):
    """A write of another client waits until the EXEC is done, one on another key does not."""
    one, other = bench.client(), bench.client()
    for command in ("MULTI", "GET k", "SET k mine", "GET k", "EXEC"):
        one.line(command)
    other.line("SET k theirs")
    other.line("SET elsewhere 1")
    assert [write.key for write in bench.writes.submitted] == [b"elsewhere"]
    bench.complete()
    assert one.output().endswith(b"*3\r\n$-1\r\n+OK\r\n$4\r\nmine\r\n")
    assert other.output() == b"+OK\r\n+OK\r\n"
    assert not bench.services.locks
    assert other.ask("GET k") == b"$6\r\ntheirs\r\n"


def test_writes_of_others_that_wait_to_be_sent_begin_before_an_exec(bench):
    """Else its reads would show what was before a write that comes before its own. Of its keys, once it has them."""
    one, other = bench.client(), bench.client()
    for command in ("MULTI", "GET a", "EXEC"):
        one.line(command)
    for command in ("MULTI", "GET a", "SET b 1", "EXEC"):
        other.line(command)
    assert bench.writes.begun == [(b"a",)]
    bench.reads.complete()
    assert bench.writes.begun == [(b"a",), (b"a", b"b")]


def test_two_execs_with_the_same_keys_in_another_order_do_not_deadlock(bench):
    """All keys are asked for at once: the second runs after the first."""
    one, other = bench.client(), bench.client()
    for command in ("MULTI", "SET a 1", "GET b", "SET b 1", "EXEC"):
        one.line(command)
    for command in ("MULTI", "SET b 2", "GET a", "SET a 2", "EXEC"):
        other.line(command)
    bench.complete()
    assert one.output().endswith(b"*3\r\n+OK\r\n$-1\r\n+OK\r\n")
    assert other.output().endswith(b"*3\r\n+OK\r\n$1\r\n1\r\n+OK\r\n")
    assert not bench.services.locks


def test_thousands_who_wait_for_one_exec_are_let_go_without_recursion(bench):
    """20,000 other clients' commands behind one EXEC."""
    one = bench.client()
    others = [bench.client() for _ in range(20_000)]
    for command in ("MULTI", "GET k", "EXEC"):
        one.line(command)
    for other in others:
        other.line("SET k v")
    assert bench.writes.submitted == []
    bench.complete()
    assert all(other.output() == b"+OK\r\n" for other in others)


def test_exec_waits_for_earlier_commands_of_its_connection(bench):
    """SET k 1, MULTI, GET k, EXEC, GET k in one pipeline."""
    client = bench.client()
    for command in ("SET k 1", "MULTI", "GET k", "SET k 2", "EXEC", "GET k"):
        client.line(command)
    bench.complete()
    assert client.output() == (b"+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n")


def test_reset_leaves_multi_and_commands_under_way_still_answer(bench):
    """RESET behind a slow GET: back to RESP2 and out of MULTI, the GET answers as it was asked."""
    client = bench.client()
    client.line("HELLO 3")
    client.line("GET slow")
    client.line("MULTI")
    client.line("RESET")
    assert client.session.queue is None
    client.line("GET slow")
    bench.complete()
    assert client.output().endswith(b"_\r\n+OK\r\n+RESET\r\n$-1\r\n")
    assert client.in_order


def test_a_queue_beyond_its_bound_is_refused(bench, monkeypatch):
    """One client cannot hold the process's memory by queueing."""
    monkeypatch.setattr(transactions, "QUEUE_MAX_BYTES", 1000)
    client = bench.client()
    client.line("MULTI")
    replies = [client.send(b"SET", b"k", b"x" * 100) for _ in range(10)]
    assert replies[0] == b"+QUEUED\r\n"
    assert b"-ERR the transaction is larger than 64 MiB\r\n" in replies
    assert client.session.queue == []
    assert client.line("EXEC").startswith(b"-EXECABORT")
    assert client.session.queue_bytes == 0
