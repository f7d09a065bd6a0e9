"""Numbers off the wire."""

import pytest

from protocol import parse_integer


@pytest.mark.parametrize("value", [0, 1, -1, 10, 9_999_999_999, 2**63 - 1, -(2**63), -(2**63) + 1])
def test_decimal_integers_of_64_bits(value):
    """What Redis prints it also takes."""
    assert parse_integer(b"%d" % value) == value


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"-", b"+1", b"-0", b"00", b"01", b"-01", b" 1", b"1 ", b"1_0", b"1.0", b"1e3", b"0x1", b"nan", b"--1"),
        *(b"9223372036854775808", b"-9223372036854775809", b"18446744073709551617", b"99999999999999999999"),
        *(b"1\x00", b"\x00", b"\xd9\xa1", b"1/", b"1:"),
    ],
)
def test_everything_else_is_refused(text):
    """Signs, zeros, spaces and overflow that int() would take are errors, as in Redis's string2ll."""
    with pytest.raises(ValueError, match="64-bit"):
        parse_integer(text)
