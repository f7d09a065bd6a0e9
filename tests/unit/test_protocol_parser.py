"""Requests: framing, inline words, limits and what is held. Texts were compared with redis-server 7.4.1."""

import pytest
from resp_requests import request

from protocol import ProtocolViolation, Session


def commands(data: bytes, **options) -> list[list[bytes]]:
    """All commands of a fresh session."""
    session = Session(**options)
    session.feed(data)
    return list(iter(session.next_command, None))


def violation(data: bytes, **options) -> bytes:
    """The text a fresh session ends with."""
    with pytest.raises(ProtocolViolation) as caught:
        commands(data, **options)
    return caught.value.text


def test_commands_come_in_order_with_any_bytes():
    """Arguments are taken by length: CR, LF and NUL in them mean nothing."""
    wanted = [[b"SET", b"k\r\n", b"\x00\xff*1\r\n"], [b"GET", b""], [b"get", b"k" * 5000]]
    assert commands(b"".join(request(*each) for each in wanted)) == wanted


def test_empty_requests_are_skipped():
    """`*0`, negative counts and empty lines ask nothing, as in Redis."""
    assert commands(b"*0\r\n*-1\r\n*-7\r\n\r\n\n   \r\n" + request(b"PING")) == [[b"PING"]]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"PING", [b"PING"]),
        (b"  set  a\tb ", [b"set", b"a", b"b"]),
        (b'set k "a b"', [b"set", b"k", b"a b"]),
        (b'x "\\x41\\n\\r\\t\\b\\a\\q\\x4"', [b"x", b"A\n\r\t\b\aqx4"]),
        (b"x 'a\\'b\\n'", [b"x", b"a'b\\n"]),
        (b'x a"b c" d', [b"x", b"ab c", b"d"]),
        (b'x ""', [b"x", b""]),
        (b"x a\x00b c", [b"x", b"a"]),
    ],
)
def test_inline_words_are_unquoted_as_redis_does(line, wanted):
    """Double quotes know escapes, single quotes only their own; a NUL ends the line."""
    assert commands(line + b"\r\n" + line + b"\n") == [wanted, wanted]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"*1x\r\n", b"ERR Protocol error: invalid multibulk length"),
        (b"*01\r\n", b"ERR Protocol error: invalid multibulk length"),
        (b"*+1\r\n", b"ERR Protocol error: invalid multibulk length"),
        (b"*\r\n", b"ERR Protocol error: invalid multibulk length"),
        (b"*1048577\r\n", b"ERR Protocol error: invalid multibulk length"),
        (b"*99999999999999999999\r\n", b"ERR Protocol error: invalid multibulk length"),
        (b"*1\r\n$-1\r\n", b"ERR Protocol error: invalid bulk length"),
        (b"*1\r\n$ 1\r\n", b"ERR Protocol error: invalid bulk length"),
        (b"*1\r\n$33554433\r\n", b"ERR Protocol error: invalid bulk length"),
        (b"*1\r\n:1\r\n", b"ERR Protocol error: expected '$', got ':'"),
        (b"*1\r\n\r\n\r\n", b"ERR Protocol error: expected '$', got ' '"),
        (b"*" + b"1" * 65537, b"ERR Protocol error: too big mbulk count string"),
        (b"*" + b"1" * 65537 + b"\r\n", b"ERR Protocol error: too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 65537, b"ERR Protocol error: too big bulk count string"),
        (b"x" * 65537, b"ERR Protocol error: too big inline request"),
        (b"x" * 65537 + b"\r\n", b"ERR Protocol error: too big inline request"),
        (b'get "k\r\n', b"ERR Protocol error: unbalanced quotes in request"),
        (b'get "k"x\r\n', b"ERR Protocol error: unbalanced quotes in request"),
        (b"get 'k\r\n", b"ERR Protocol error: unbalanced quotes in request"),
    ],
)
def test_violations_have_redis_texts(data, text):
    """Each broken framing is named in Redis's words, wherever the bytes were cut."""
    assert violation(request(b"PING") + data) == text
    session = Session()
    with pytest.raises(ProtocolViolation) as caught:
        for at in range(0, len(data), max(1, len(data) // 64)):
            session.feed(data[at : at + max(1, len(data) // 64)])
            while session.next_command():
                pass
    assert caught.value.text == text


def test_lengths_at_their_limits_are_taken():
    """The last value that is allowed is allowed: a limit is not off by one."""
    assert commands(b"x" * 65535 + b"\r\n") == [[b"x" * 65535]]
    assert commands(request(b"x" * 100), max_bulk_bytes=100) == [[b"x" * 100]]
    assert violation(request(b"x" * 101), max_bulk_bytes=100) == b"ERR Protocol error: invalid bulk length"


@pytest.mark.parametrize(
    "data", [b"POST / HTTP/1.1\r\n", b"Host: localhost\r\n", b"host:x\r\n", request(b"pOsT", b"/")]
)
def test_http_closes_without_a_word(data):
    """A browser that is tricked into posting commands gets nothing at all, not even an error."""
    session = Session()
    session.feed(data + request(b"FLUSHALL"))
    with pytest.raises(ProtocolViolation) as caught:
        session.next_command()
    assert caught.value.text == b""
    assert session.take_output() == b""
    assert session.closing


def test_strangers_get_small_requests_only():
    """Before AUTH: 10 arguments of 16 KiB, in Redis's words; after it the usual limits."""
    assert violation(b"*11\r\n", needs_password=True) == b"ERR Protocol error: unauthenticated multibulk length"
    assert violation(b"*1\r\n$16385\r\n", needs_password=True) == b"ERR Protocol error: unauthenticated bulk length"
    session = Session(needs_password=True)
    session.feed(request(*[b"x" * 16384] * 10))
    assert len(session.next_command()) == 10
    session.authenticate()
    session.feed(request(*[b"x" * 16385] * 11))
    assert len(session.next_command()) == 11


def test_nothing_is_allocated_for_a_declared_length():
    """A client that announces 32 MiB or a million arguments and sends nothing holds less than 16 KiB."""
    for data in (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$33554432\r\n", b"*1048576\r\n", b"*1048576\r\n$33554432\r\nx"):
        session = Session()
        session.feed(data)
        assert session.next_command() is None
        assert session.mid_request
        assert 0 < session.held_bytes <= 1024


def test_storage_follows_what_arrived_and_is_given_back():
    """A large bulk in pieces holds at most twice its bytes and a piece; when it is complete nothing is held."""
    session, piece, sent = Session(), b"v" * 10_000, 0
    session.feed(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n")
    for _ in range(100):
        assert session.next_command() is None
        assert session.held_bytes <= 2 * sent + len(piece) + 1024
        session.feed(piece)
        sent += len(piece)
    session.feed(b"\r\n")
    assert len(session.next_command()[2]) == 1_000_000
    assert session.next_command() is None
    assert not session.mid_request
    assert session.held_bytes <= 1024


def test_many_arguments_are_given_back():
    """The list of arguments shrinks after a large command: an idle connection costs little."""
    session = Session()
    session.feed(request(*[b"x"] * 100_000))
    assert len(session.next_command()) == 100_000
    assert session.next_command() is None
    assert session.held_bytes <= 16 * 1024


def test_a_violation_is_final():
    """After a violation nothing is parsed, not even a sound command behind it, and replies owed come first."""
    session = Session()
    session.feed(request(b"PING") + b"*x\r\n" + request(b"PING"))
    assert session.next_command() == [b"PING"]
    slot = session.slots.open(2)
    with pytest.raises(ProtocolViolation):
        session.next_command()
    assert session.next_command() is None
    assert session.take_output() == b""
    session.slots.fill(slot, b"pong")
    assert session.take_output() == b"$4\r\npong\r\n-ERR Protocol error: invalid multibulk length\r\n"
