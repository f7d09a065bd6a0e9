"""Where the admin port and the webhook listen: one family, or with [::] every address there is."""

import contextlib
import errno
import socket

import pytest

from sidecar import listening_socket as module
from sidecar.address import TcpAddress
from sidecar.listening_socket import listening_socket


def answers(listening: socket.socket, host: str) -> bool:
    """Whether a connection to its port by a host's address is taken."""
    with contextlib.suppress(OSError), socket.create_connection((host, listening.getsockname()[1]), 10):
        return True
    return False


def test_every_address_is_both_families():
    """The kubelet comes by the pod's address, of whatever family; a hook by 127.0.0.1."""
    with listening_socket(TcpAddress("::", 0)) as listening:
        assert answers(listening, "127.0.0.1")
        assert answers(listening, "::1") is (listening.family == socket.AF_INET6)


def test_one_address_is_that_address_only():
    """Loopback stays loopback."""
    with listening_socket(TcpAddress("127.0.0.1", 0)) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        assert answers(listening, "127.0.0.1")


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_without_ipv6_every_address_is_ipv4s(monkeypatch: pytest.MonkeyPatch, number: int):
    """A kernel without it must not keep a sidecar from starting."""
    bound = module._bound

    def without(family: int, where: tuple[object, ...]) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(number, "no IPv6")
        return bound(family, where)

    monkeypatch.setattr(module, "_bound", without)
    with listening_socket(TcpAddress("::", 0)) as listening:
        assert listening.getsockname()[0] == "0.0.0.0"


def test_an_address_that_is_taken_is_an_error():
    """And no reason to listen elsewhere."""
    with listening_socket(TcpAddress("::", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(OSError) as raised:
            listening_socket(TcpAddress("::", port))
        assert raised.value.errno == errno.EADDRINUSE
