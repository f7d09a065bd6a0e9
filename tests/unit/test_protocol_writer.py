"""Replies as bytes in RESP2 and RESP3."""

import pytest

from protocol import NULL_ARRAY, OK, ErrorReply, LazyArray, SetReply, Status, Verbatim
from protocol._writer import ReplyBuffer
from protocol.replies import double_text


def encoded(reply, proto: int) -> bytes:
    buffer = ReplyBuffer()
    buffer.encode(reply, proto)
    return buffer.take()


@pytest.mark.parametrize(
    ("reply", "resp2", "resp3"),
    [
        (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
        (b"a\r\n", b"$3\r\na\r\n\r\n", b"$3\r\na\r\n\r\n"),
        (b"x" * 100, b"$100\r\n" + b"x" * 100 + b"\r\n", b"$100\r\n" + b"x" * 100 + b"\r\n"),
        (0, b":0\r\n", b":0\r\n"),
        (-(2**63), b":-9223372036854775808\r\n", b":-9223372036854775808\r\n"),
        (2**63 - 1, b":9223372036854775807\r\n", b":9223372036854775807\r\n"),
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        (OK, b"+OK\r\n", b"+OK\r\n"),
        (ErrorReply(b"ERR bad\r\nline"), b"-ERR bad  line\r\n", b"-ERR bad  line\r\n"),
        ([], b"*0\r\n", b"*0\r\n"),
        ((b"a", [1, None]), b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n", b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n"),
        ({b"a": {b"b": 1}}, b"*2\r\n$1\r\na\r\n*2\r\n$1\r\nb\r\n:1\r\n", b"%1\r\n$1\r\na\r\n%1\r\n$1\r\nb\r\n:1\r\n"),
        ({b"a"}, b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
        (frozenset(), b"*0\r\n", b"~0\r\n"),
        (SetReply([[], b"b"]), b"*2\r\n*0\r\n$1\r\nb\r\n", b"~2\r\n*0\r\n$1\r\nb\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        (False, b":0\r\n", b"#f\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (float("-inf"), b"$4\r\n-inf\r\n", b",-inf\r\n"),
        (Verbatim(b"txt", b"hi"), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
        (LazyArray(2, iter([b"a", 1])), b"*2\r\n$1\r\na\r\n:1\r\n", None),
        (Status(b"PONG"), b"+PONG\r\n", b"+PONG\r\n"),
    ],
)
def test_each_type_in_both_protocols(reply, resp2, resp3):
    """Every reply type has exactly one form in RESP2 and one in RESP3."""
    assert encoded(reply, 2) == resp2
    if resp3 is not None:
        assert encoded(reply, 3) == resp3


@pytest.mark.parametrize("size", [9, 10, 99, 100, 999, 1000, 9999, 10_000, 99_999, 100_000, 1_000_000, 10_000_000])
def test_bulk_lengths_of_every_width(size):
    """The header is right where the number of digits changes."""
    assert encoded(b"v" * size, 2) == b"$%d\r\n%b\r\n" % (size, b"v" * size)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0"),
        (3.0, b"3"),
        (0.1, b"0.1"),
        (-1.25, b"-1.25"),
        (100.0, b"100"),
        (1e6, b"1000000"),
        (123456789.0, b"123456789"),
        (1e15, b"1000000000000000"),
        (1e20, b"1e+20"),
        (1.5e300, b"1.5e+300"),
        (0.0001, b"0.0001"),
        (1e-7, b"1e-7"),
        (2.5e-10, b"2.5e-10"),
        (0.3, b"0.3"),
        (1 / 3, b"0.3333333333333333"),
        (float("nan"), b"nan"),
        (float("inf"), b"inf"),
    ],
)
def test_doubles_are_printed_as_redis_does(value, text):
    """Whole numbers without a point, exponents with a sign: compared with ZSCORE of redis-server 7.4.1."""
    assert double_text(value) == text


def test_what_is_no_reply_is_refused():
    """A handler's mistake is an error here, not garbage on the wire."""
    with pytest.raises(TypeError, match="str"):
        encoded("text", 2)
    with pytest.raises(OverflowError):
        encoded(2**63, 2)
    for length in (1, 3):
        with pytest.raises(RuntimeError, match="announced"):
            encoded([LazyArray(length, iter([1, 2]))], 2)


@pytest.mark.parametrize("share", [1.0, 0.7, 0.3, 0.01])
def test_bytes_are_taken_in_order_through_growth(share):
    """Growing and taking in turns loses nothing, whatever share a peer takes, for usual and for tight buffers."""
    for tight in (False, True):
        buffer, out, wanted = ReplyBuffer(tight=tight), b"", b""
        for number in range(4000):
            value = b"%d" % number * (number % 97)
            buffer.encode(value, 2)
            wanted += b"$%d\r\n%b\r\n" % (len(value), value)
            if number % 7 == 6:
                out += buffer.take(int((len(wanted) - len(out)) * share))
        assert out + buffer.take() == wanted
        assert buffer.take() == b""
