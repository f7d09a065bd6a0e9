"""Where to listen: ``tcp://host:port`` or ``unix:///path``."""

import ipaddress
from typing import NamedTuple


class TcpAddress(NamedTuple):
    """A host and a port; port 0 lets the system choose one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine (in a pod: the pod) can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


class UnixAddress(NamedTuple):
    """A socket in the file system, or with a leading NUL in Linux's abstract namespace."""

    path: str

    @property
    def is_loopback(self) -> bool:
        """A unix socket never leaves the machine."""
        return True

    def __str__(self) -> str:
        return f"unix://{self.path}"


Address = TcpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """Read ``tcp://host:port`` or ``unix:///path``.

    Raises:
        ValueError: says what was found and what is expected.
    """
    scheme, separator, rest = text.partition("://")
    if separator and scheme == "tcp":
        return parse_host_port(rest)
    if separator and scheme == "unix":
        if not rest.startswith("/"):
            raise ValueError(f"found {text!r}, expected an absolute path such as unix:///run/sidecar.sock")
        if len(rest.encode()) > 107:  # sockaddr_un.sun_path is 108 bytes with its NUL
            raise ValueError(f"found {text!r}, expected a socket path of at most 107 bytes")
        return UnixAddress(rest)
    raise ValueError(f"found {text!r}, expected tcp://host:port or unix:///path")


def parse_host_port(text: str) -> TcpAddress:
    """Read ``host:port``; IPv6 hosts in brackets.

    Raises:
        ValueError: says what was found and what is expected.
    """
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"found {text!r}, expected an IPv6 host in brackets such as [::1]:6379")
    if not host or any(c in "/@?# " for c in host):
        raise ValueError(f"found {text!r}, expected host:port such as 127.0.0.1:6379")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"found {text!r}, expected a port from 0 to 65535 after the host")
    return TcpAddress(host, int(port))


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address, not as a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
