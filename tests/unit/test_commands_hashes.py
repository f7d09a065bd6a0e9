"""Hash commands, HSCAN and field expiries."""

import pytest
from command_client import Bench

from sidecar.commands.hash_scan import WHOLE_FIELDS, page_of
from sidecar.origins.base import HashSet

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.set(b"h", {b"a": b"1", b"b": b"22"})
    bench.set(b"s", b"string")
    return bench


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("HGET h a", b"$1\r\n1\r\n"),
        ("HGET h z", b"$-1\r\n"),
        ("HMGET h b z a b", b"*4\r\n$2\r\n22\r\n$-1\r\n$1\r\n1\r\n$2\r\n22\r\n"),
        ("HMGET none a b", b"*2\r\n$-1\r\n$-1\r\n"),
        ("HGETALL h", b"*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$2\r\n22\r\n"),
        ("HGETALL none", b"*0\r\n"),
        ("HKEYS h", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("HVALS h", b"*2\r\n$1\r\n1\r\n$2\r\n22\r\n"),
        ("HLEN h", b":2\r\n"),
        ("HEXISTS h a", b":1\r\n"),
        ("HEXISTS h z", b":0\r\n"),
        ("HSTRLEN h b", b":2\r\n"),
        ("HSTRLEN h z", b":0\r\n"),
        ("HSET h a 9 c 3 c 4", b":1\r\n"),
        ("HMSET h a 9 c 3", b"+OK\r\n"),
        ("HSETNX h a 9", b":0\r\n"),
        ("HSETNX h c 9", b":1\r\n"),
        ("HDEL h a a z", b":1\r\n"),
        ("HSCAN h 0", b"*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$2\r\n22\r\n"),
        ("HSCAN h 0 MATCH b* NOVALUES", b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n"),
        ("HSCAN none 0 BAD", b"*2\r\n$1\r\n0\r\n*0\r\n"),
        ("HSCAN h 0 BAD", b"-ERR syntax error\r\n"),
        ("HSCAN h 0 COUNT 0", b"-ERR syntax error\r\n"),
        ("HSCAN h x", b"-ERR invalid cursor\r\n"),
        ("HSET h a", b"-ERR wrong number of arguments for 'hset' command\r\n"),
        ("HSET h a 1 b", b"-ERR wrong number of arguments for 'hset' command\r\n"),
        ("HMSET h a 1 b", b"-ERR wrong number of arguments for 'hmset' command\r\n"),
    ],
)
def test_replies(bench, command, reply):
    """As Redis answers."""
    assert bench.client().ask(command) == reply


@pytest.mark.parametrize(
    "command",
    [
        "HGET s a", "HMGET s a", "HGETALL s", "HKEYS s", "HVALS s", "HLEN s", "HEXISTS s a", "HSTRLEN s a",
        "HSET s a 1", "HMSET s a 1", "HSETNX s a 1", "HDEL s a", "HSCAN s 0 BAD", "HTTL s FIELDS 1 a",
        "HEXPIRE s 10 FIELDS 1 a", "HEXPIRE s x FIELDS 1 a", "HPERSIST s FIELDS 1 a", "HTTL s BAD 1 a", "GET h",
        "STRLEN h", "GETDEL h", "GETEX h PERSIST",
    ],
)  # fmt: skip
def test_wrong_type(bench, command):
    """The kind of the key wins over bad arguments where Redis looks at it first."""
    assert bench.client().ask(command) == WRONG_TYPE


def test_hset_of_one_field_twice_sends_it_once(bench):
    """The last value counts."""
    bench.client().line("HSET k f 1 f 2 g 3")
    assert bench.writes.submitted == [HashSet(b"k", {b"f": b"2", b"g": b"3"})]


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("HEXPIRE h 10 FIELDS 2 a z", b"*2\r\n:1\r\n:-2\r\n"),
        ("HPEXPIRE h 10 NX FIELDS 1 a", b"*1\r\n:1\r\n"),
        ("HEXPIRE h 10 XX FIELDS 1 a", b"*1\r\n:0\r\n"),
        ("HEXPIRE h 0 FIELDS 1 a", b"*1\r\n:2\r\n"),
        ("HEXPIREAT h 2000000000 FIELDS 1 a", b"*1\r\n:1\r\n"),
        ("HEXPIREAT h 1 FIELDS 1 a", b"*1\r\n:2\r\n"),
        ("HEXPIRE none 10 FIELDS 2 a b", b"*2\r\n:-2\r\n:-2\r\n"),
        ("HTTL h FIELDS 2 a z", b"*2\r\n:-1\r\n:-2\r\n"),
        ("HTTL none FIELDS 1 a", b"*1\r\n:-2\r\n"),
        ("HPERSIST h FIELDS 2 a z", b"*2\r\n:-1\r\n:-2\r\n"),
        ("HEXPIRE h -1 FIELDS 1 a", b"-ERR invalid expire time, must be >= 0\r\n"),
        ("HEXPIRE h x FIELDS 1 a", b"-ERR value is not an integer or out of range\r\n"),
        ("HEXPIRE h 99999999999999 FIELDS 1 a", b"-ERR invalid expire time in 'hexpire' command\r\n"),
        ("HPEXPIREAT h 70368744177664 FIELDS 1 a", b"-ERR invalid expire time in 'hpexpireat' command\r\n"),
        ("HEXPIRE h 10 FIELDS 0 a", b"-ERR Parameter `numFields` should be greater than 0\r\n"),
        ("HEXPIRE h 10 FIELDS 2 a", b"-ERR The `numfields` parameter must match the number of arguments\r\n"),
        (
            "HEXPIRE h 10 NX XX FIELDS 1 a",
            b"-ERR Mandatory argument FIELDS is missing or not at the right position\r\n",
        ),
        ("HTTL h FIELDS 0 a", b"-ERR Number of fields must be a positive integer\r\n"),
        ("HTTL h FIELDS x a", b"-ERR Number of fields must be a positive integer\r\n"),
        ("HPERSIST h FIELDS 2 a", b"-ERR The `numfields` parameter must match the number of arguments\r\n"),
    ],
)
def test_field_expiry(bench, command, reply):
    """Redis 7.4's codes and texts."""
    assert bench.client().ask(command) == reply


def test_field_times(bench):
    """Remaining and absolute, in seconds to the nearest and in milliseconds."""
    client = bench.client()
    client.ask("HPEXPIREAT h 1800000010400 FIELDS 1 a")
    assert client.ask("HTTL h FIELDS 1 a") == b"*1\r\n:10\r\n"
    assert client.ask("HPTTL h FIELDS 1 a") == b"*1\r\n:10400\r\n"
    assert client.ask("HEXPIRETIME h FIELDS 1 a") == b"*1\r\n:1800000010\r\n"
    assert client.ask("HPEXPIRETIME h FIELDS 2 a b") == b"*2\r\n:1800000010400\r\n:-1\r\n"
    bench.clock.advance(10.4)
    assert client.ask("HGET h a") == b"$-1\r\n"
    assert client.ask("HTTL h FIELDS 2 a b") == b"*2\r\n:-2\r\n:-1\r\n"


def test_hscan_of_a_large_hash_returns_every_field_once_over_its_pages():
    """Pages end between checksums, the walk ends, and COUNT bounds a page."""
    fields = {b"field:%d" % number: b"v" for number in range(WHOLE_FIELDS + 500)}
    cursor, seen, pages = 0, [], 0
    while True:
        cursor, names = page_of(fields, cursor, 100)
        assert len(names) <= 105
        seen += names
        pages += 1
        if cursor == 0:
            break
    assert pages > 5
    assert sorted(seen) == sorted(fields)


def test_hscan_returns_what_stays_though_fields_come_and_go():
    """A field that is there during the whole walk is returned, whatever is written in between."""
    fields = {b"field:%d" % number: b"v" for number in range(WHOLE_FIELDS + 500)}
    stay = {name for name in fields if name.endswith(b"7")}
    cursor, seen, page = 0, set(), 0
    while page == 0 or cursor:
        cursor, names = page_of(fields, cursor, 50)
        seen.update(names)
        fields = {name: b"v" for name in fields if name in stay or hash(name) % 7 != page % 7}
        fields |= {b"new:%d:%d" % (page, number): b"v" for number in range(30)}
        page += 1
    assert stay <= seen


def test_hscan_never_parts_fields_of_one_checksum():
    """crc32 collides: both fields come in one page, or the second would be skipped."""
    fields = {b"plumless": b"1", b"buckeroo": b"2"} | {b"f%d" % number: b"v" for number in range(WHOLE_FIELDS)}
    cursor, seen, first = 0, [], True
    while first or cursor:
        first = False
        cursor, names = page_of(fields, cursor, 1)
        seen += names
    assert sorted(seen) == sorted(fields)
