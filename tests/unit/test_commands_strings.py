"""String commands: what they ask of the origin and how its answers become replies."""

import pytest
from command_client import Bench

from sidecar.fetch.answers import Unavailable
from sidecar.origins.base import UNKNOWN, Cause, Condition, Refusal, Refused, SetValue

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("options", "write"),
    [
        ("", SetValue(b"k", b"v")),
        ("NX", SetValue(b"k", b"v", Condition.IF_ABSENT)),
        ("xx get", SetValue(b"k", b"v", Condition.IF_PRESENT, want_previous=True)),
        ("KEEPTTL", SetValue(b"k", b"v", keep_expiry=True)),
        ("EX 10", SetValue(b"k", b"v", expiry_ms=1_800_000_010_000)),
        ("px 10", SetValue(b"k", b"v", expiry_ms=1_800_000_000_010)),
        ("EXAT 2000000000", SetValue(b"k", b"v", expiry_ms=2_000_000_000_000)),
        ("PXAT 5", SetValue(b"k", b"v", expiry_ms=5)),
        ("EX 10 EX 20 NX NX", SetValue(b"k", b"v", Condition.IF_ABSENT, 1_800_000_020_000)),
    ],
)
def test_set_options(bench, options, write):
    """Each option reaches the origin as one write with wall-clock milliseconds."""
    bench.client().line(f"SET k v {options}")
    assert bench.writes.submitted == [write]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("NX XX", b"ERR syntax error"),
        ("EX", b"ERR syntax error"),
        ("EX 1 PX 1", b"ERR syntax error"),
        ("KEEPTTL EX 1", b"ERR syntax error"),
        ("EX 1 KEEPTTL", b"ERR syntax error"),
        ("PERSIST", b"ERR syntax error"),
        ("EX x", b"ERR value is not an integer or out of range"),
        ("EX +1", b"ERR value is not an integer or out of range"),
        ("EX 0", b"ERR invalid expire time in 'set' command"),
        ("PX -1", b"ERR invalid expire time in 'set' command"),
        ("EX 9223372036854775807", b"ERR invalid expire time in 'set' command"),
        ("PX 9223372036854775807", b"ERR invalid expire time in 'set' command"),
    ],
)
def test_set_refuses(bench, options, error):
    """Redis's texts, and nothing is sent."""
    assert bench.client().line(f"SET k v {options}") == b"-" + error + b"\r\n"
    assert bench.writes.submitted == []


def test_set_replies(bench):
    """OK, null where the condition failed, the previous value with GET; a hash in the way of GET is WRONGTYPE."""
    client = bench.client()
    assert client.ask("SET k a XX") == b"$-1\r\n"
    assert client.ask("SET k a NX") == b"+OK\r\n"
    assert client.ask("SET k b NX GET") == b"$1\r\na\r\n"
    assert client.ask("SET new b GET") == b"$-1\r\n"
    bench.set(b"h", {b"f": b"v"})
    assert client.ask("SET h b GET") == WRONG_TYPE
    assert client.ask("SET h b") == b"+OK\r\n"
    assert client.ask("GET h") == b"$1\r\nb\r\n"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (UNKNOWN, b"UNKNOWN the write may or may not have been applied"),
        (Refused(Refusal.WRONG_TYPE), b"WRONGTYPE Operation against a key holding the wrong kind of value"),
        (
            Refused(Refusal.NOT_SENT, Cause.CONNECTION_REFUSED),
            b"UNAVAILABLE the origin is down: connection refused",
        ),
        (
            Refused(Refusal.DOCUMENT_TOO_LARGE),
            b"ERR the origin refused the write: document larger than 20 MiB",
        ),
    ],
)
def test_a_write_that_was_not_confirmed_is_never_ok(bench, answer, error):
    """The reply to a write is the origin's."""
    bench.writes.instead[b"k"] = answer
    client = bench.client()
    for command in ("SET k v", "SETEX k 10 v", "SETNX k v", "SET k v GET", "HSET k f v", "DEL k", "GETDEL k"):
        assert client.ask(command) == b"-" + error + b"\r\n", command


def test_an_unavailable_read_is_an_error_for_the_whole_command(bench):
    """Nothing is null that may be there."""
    bench.set(b"a", b"1")
    bench.reads.instead = Unavailable(b"TIMEOUT the origin did not answer within 250ms", Cause.TIMEOUT)
    client = bench.client()
    for command in ("GET a", "MGET a b", "STRLEN a", "HMGET a f", "HGETALL a", "EXISTS a", "TYPE a", "HSCAN a 0"):
        assert client.ask(command) == b"-TIMEOUT the origin did not answer within 250ms\r\n", command


def test_mget_gives_null_for_hashes_and_absent_keys(bench):
    """In the order asked, a key twice if asked twice."""
    bench.set(b"s", b"1")
    bench.set(b"h", {b"f": b"v"})
    assert bench.client().ask("MGET s h none s") == b"*4\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$1\r\n1\r\n"


def test_mset_says_how_many_were_applied(bench):
    """It is not atomic, so its error must not hide what happened."""
    client = bench.client()
    assert client.ask("MSET a 1 a 2 b 3") == b"+OK\r\n"
    assert client.ask("MGET a b") == b"*2\r\n$1\r\n2\r\n$1\r\n3\r\n"
    bench.writes.instead[b"b"] = UNKNOWN
    assert client.ask("MSET a 5 b 6 c 7") == (
        b"-UNKNOWN the write may or may not have been applied (2 of 3 keys were set)\r\n"
    )
    assert client.line("MSET a") == b"-ERR wrong number of arguments for 'mset' command\r\n"
    assert client.line("MSET a 1 b") == b"-ERR wrong number of arguments for 'mset' command\r\n"


def test_getex_and_getdel(bench):
    """GETEX sets, clears or leaves the expiry; an absent key or a hash wins over a bad time, as in Redis."""
    bench.set(b"k", b"v")
    bench.set(b"h", {b"f": b"v"})
    client = bench.client()
    assert client.ask("GETEX k EX 100") == b"$1\r\nv\r\n"
    assert client.ask("TTL k") == b":100\r\n"
    assert client.ask("GETEX k") == b"$1\r\nv\r\n"
    assert client.ask("TTL k") == b":100\r\n"
    assert client.ask("GETEX k PERSIST") == b"$1\r\nv\r\n"
    assert client.ask("TTL k") == b":-1\r\n"
    assert client.ask("GETEX none EX x") == b"$-1\r\n"
    assert client.ask("GETEX h EX x") == WRONG_TYPE
    assert client.ask("GETEX k EX x") == b"-ERR value is not an integer or out of range\r\n"
    assert client.ask("GETEX k EX 0") == b"-ERR invalid expire time in 'getex' command\r\n"
    assert client.ask("GETEX k PERSIST EX 1") == b"-ERR syntax error\r\n"
    assert client.ask("GETEX k KEEPTTL") == b"-ERR syntax error\r\n"
    assert client.ask("GETDEL h") == WRONG_TYPE
    assert client.ask("GETDEL k") == b"$1\r\nv\r\n"
    assert client.ask("GETDEL k") == b"$-1\r\n"
