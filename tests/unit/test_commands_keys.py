"""Commands on keys of any kind, their expiries, and SCAN."""

import pytest
from command_client import Bench

from sidecar.commands.cursors import CAPACITY, Cursors
from sidecar.origins.base import UNKNOWN, Cause, Found, OriginTimeout


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.set(b"h", {b"a": b"1"})
    bench.set(b"s", b"string")
    return bench


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("DEL s", b":1\r\n"),
        ("DEL none", b":0\r\n"),
        ("DEL s h s none", b":2\r\n"),
        ("UNLINK s h", b":2\r\n"),
        ("EXISTS s s h none", b":3\r\n"),
        ("TOUCH s none", b":1\r\n"),
        ("TYPE s", b"+string\r\n"),
        ("TYPE h", b"+hash\r\n"),
        ("TYPE none", b"+none\r\n"),
        ("TTL s", b":-1\r\n"),
        ("PTTL none", b":-2\r\n"),
        ("EXPIRETIME s", b":-1\r\n"),
        ("PEXPIRETIME none", b":-2\r\n"),
        ("EXPIRE s 10", b":1\r\n"),
        ("EXPIRE none 10", b":0\r\n"),
        ("EXPIRE s 10 XX", b":0\r\n"),
        ("EXPIRE s 10 XX LT", b":0\r\n"),
        ("EXPIRE s 10 LT", b":1\r\n"),
        ("EXPIRE s 10 GT", b":0\r\n"),
        ("EXPIRE s 10 XX GT", b":0\r\n"),
        ("PERSIST s", b":0\r\n"),
        ("EXPIRE s -1", b":1\r\n"),
        ("EXPIRE s x", b"-ERR value is not an integer or out of range\r\n"),
        ("EXPIRE s 9223372036854775807", b"-ERR invalid expire time in 'expire' command\r\n"),
        ("PEXPIRE s 9223372036854775807", b"-ERR invalid expire time in 'pexpire' command\r\n"),
        ("EXPIREAT s -9223372036854775808", b"-ERR invalid expire time in 'expireat' command\r\n"),
        ("EXPIRE s x FOO", b"-ERR Unsupported option FOO\r\n"),
        ("EXPIRE s 10 NX GT", b"-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
        ("EXPIRE s 10 GT LT", b"-ERR GT and LT options at the same time are not compatible\r\n"),
    ],
)
def test_replies(bench, command, reply):
    """As Redis answers."""
    assert bench.client().ask(command) == reply


def test_times_are_rounded_to_the_nearest_second(bench):
    """10,400 ms are 10 s, 10,500 are 11."""
    client = bench.client()
    client.ask("PEXPIREAT s 1800000010400")
    assert client.ask("TTL s") == b":10\r\n"
    assert client.ask("PTTL s") == b":10400\r\n"
    assert client.ask("EXPIRETIME s") == b":1800000010\r\n"
    client.ask("PEXPIREAT s 1800000010500")
    assert client.ask("TTL s") == b":11\r\n"
    assert client.ask("PEXPIRETIME s") == b":1800000010500\r\n"
    bench.clock.advance(10.5)
    assert client.ask("TTL s") == b":-2\r\n"


def test_exists_and_type_are_answered_by_any_usable_entry(bench):
    """No read for what memory can tell."""
    bench.reads.memory[b"row"] = Found({b"f": b"v"}, whole=False)
    client = bench.client()
    assert client.line("EXISTS row") == b":1\r\n"
    assert client.line("TYPE row") == b"+hash\r\n"
    assert bench.reads.asked == []
    assert client.ask("EXISTS row none row s") == b":3\r\n"
    assert [key for key, _ in bench.reads.asked] == [b"none", b"s"]


def test_del_of_several_keys_says_how_many_were_deleted(bench):
    """When one outcome is unknown."""
    bench.writes.instead[b"h"] = UNKNOWN
    assert bench.client().ask("DEL s h") == (
        b"-UNKNOWN the write may or may not have been applied (1 of 2 keys were deleted)\r\n"
    )


@pytest.mark.parametrize("command", ["TTL s", "SCAN 0", "DBSIZE", "HTTL h FIELDS 1 a", "EXPIRE s 1 XX LT"])
def test_an_origin_that_does_not_answer_is_named(bench, command):
    """Texts of our own, with the deadline of the command."""
    client = bench.client()
    bench.origin.failing = Cause.CONNECTION_REFUSED
    assert client.ask(command) == b"-UNAVAILABLE the origin is down: connection refused\r\n"

    async def late(*_):
        raise OriginTimeout

    bench.origin.expiries = bench.origin.scan = bench.origin.count = late
    budget = b"2000" if command in ("SCAN 0", "DBSIZE") else b"250"
    assert client.ask(command) == b"-TIMEOUT the origin did not answer within %bms\r\n" % budget


def test_scan_pages_by_cursor_whichever_connection_asks(bench):
    """Pools switch connections between pages: cursors belong to the process."""
    for number in range(100):
        bench.set(b"key:%03d" % number, b"v")
    seen, cursor = [], b"0"
    while True:
        reply = bench.client().ask(f"SCAN {cursor.decode()} COUNT 7 MATCH key:*")
        _, _, cursor, _, *parts = reply.split(b"\r\n")
        seen += parts[1::2]
        if cursor == b"0":
            break
        assert 0 < int(cursor) < 2**64
    assert sorted(filter(None, seen)) == [b"key:%03d" % number for number in range(100)]


def test_scan_by_type(bench):
    """TYPE filters; a type that does not exist matches nothing."""
    client = bench.client()
    assert client.ask("SCAN 0 TYPE HASH") == b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\nh\r\n"
    assert client.ask("SCAN 0 TYPE string COUNT 100") == b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\ns\r\n"
    assert client.ask("SCAN 0 TYPE list") == b"*2\r\n$1\r\n0\r\n*0\r\n"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("SCAN x", b"ERR invalid cursor"),
        ("SCAN -1", b"ERR invalid cursor"),
        ("SCAN 18446744073709551616", b"ERR invalid cursor"),
        ("SCAN 12345", b"ERR invalid cursor"),
        ("SCAN 0 COUNT 0", b"ERR syntax error"),
        ("SCAN 0 COUNT x", b"ERR value is not an integer or out of range"),
        ("SCAN 0 COUNT", b"ERR syntax error"),
        ("SCAN 0 FOO x", b"ERR syntax error"),
        ("SCAN 0 NOVALUES", b"ERR NOVALUES option can only be used in HSCAN"),
    ],
)
def test_scan_refuses(bench, command, error):
    """Redis's texts; an unknown cursor too."""
    assert bench.client().ask(command) == b"-" + error + b"\r\n"


def test_cursors_are_bounded_and_those_in_use_stay():
    """The table forgets the one that was asked for longest ago."""
    cursors = Cursors(seed=1)
    first, second = cursors.remember(b"first"), cursors.remember(b"second")
    for number in range(CAPACITY - 1):
        assert cursors.position(first) == b"first"
        cursors.remember(b"%d" % number)
    assert len(cursors) == CAPACITY
    assert cursors.position(first) == b"first"
    assert cursors.position(second) is None


def test_an_origin_that_cannot_scan_says_so(bench):
    """NotImplementedError's message goes to the client."""

    async def scan(*_):
        raise NotImplementedError("this origin cannot list its keys")

    bench.origin.scan = scan
    assert bench.client().ask("SCAN 0") == b"-ERR this origin cannot list its keys\r\n"


def test_dbsize_is_the_origins_or_memorys(bench):
    """The keys in memory where the origin cannot count cheaply."""
    client = bench.client()
    assert client.ask("DBSIZE") == b":2\r\n"

    async def count(deadline):
        return None

    bench.origin.count = count
    assert client.ask("DBSIZE") == b":7\r\n"
