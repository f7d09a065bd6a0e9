"""A TCP socket that listens for HTTP; ``[::]`` is every address of the machine, of IPv4 as well."""

import errno
import socket

from sidecar.address import TcpAddress

BACKLOG = 128
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def listening_socket(address: TcpAddress) -> socket.socket:
    """Bind and listen.

    asyncio would make a socket of ``::`` one for IPv6 only. In a pod nobody knows beforehand by which family the
    kubelet and Prometheus come, so here it takes both, and on a machine without IPv6 it is IPv4's ``0.0.0.0``.

    Raises:
        OSError: the address cannot be had.
    """
    if address.host != "::":
        family, *_, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        return _bound(family, where)
    try:
        return _bound(socket.AF_INET6, ("::", address.port))
    except OSError as exc:
        if exc.errno not in _NO_IPV6:
            raise
        return _bound(socket.AF_INET, ("0.0.0.0", address.port))


def _bound(family: int, where: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if where[0] == "::" else 1)
        listening.bind(where)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
