"""Addresses to listen on, and which of them are loopback."""

import pytest

from sidecar.address import TcpAddress, UnixAddress, is_address, is_loopback, parse_address, parse_host_port


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://127.0.0.1:6379", TcpAddress("127.0.0.1", 6379)),
        ("tcp://[::1]:0", TcpAddress("::1", 0)),
        ("unix:///run/sidecar.sock", UnixAddress("/run/sidecar.sock")),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: object):
    """What is parsed prints as it was given."""
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6379",
        "127.0.0.1:6379",
        "http://h:1",
        "tcp://h",
        "tcp://:1",
        "tcp://h:",
        "tcp://h:65536",
        "tcp://h:-1",
        "tcp://h:+1",
        "tcp://::1:5",
        "tcp://u@h:1",
        "tcp://h/p:1",
        "unix://run/s.sock",
        "unix:/s",
        "unix:///" + "x" * 107,
    ],
)
def test_what_is_no_address_is_refused_with_what_was_found(text: str):
    """Each names what was found and what is expected."""
    with pytest.raises(ValueError, match=r"found .*, expected "):
        parse_address(text)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_in_all_its_forms(host: str):
    """IPv4's whole /8, IPv6, and IPv4 mapped into IPv6 as a dual-stack socket reports its peers."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "10.0.0.1", "::", "fe80::1%eth0", "localhost.evil.org", "127.0.0.1.evil.org", ""]
)
def test_everything_else_is_not_loopback(host: str):
    """Names are not resolved: only what is certain counts."""
    assert not is_loopback(host)


def test_names_are_no_addresses():
    """For the admin port's check of the Host header."""
    assert is_address("10.0.0.1") and is_address("fe80::1%eth0")
    assert not is_address("evil.org")


def test_the_admin_address_has_no_scheme():
    """--admin takes host:port."""
    assert parse_host_port("0.0.0.0:8379") == TcpAddress("0.0.0.0", 8379)
