"""Listening sockets, TCP and unix, and the options of the sockets they accept."""

import contextlib
import errno
import os
import socket
import stat

from sidecar.address import Address, TcpAddress, UnixAddress

BACKLOG = 1024
TOO_MANY_CLIENTS = b"-ERR max number of clients reached\r\n"
KEEPALIVE_S = 300  # Redis's tcp-keepalive default


class ListenError(Exception):
    """An address cannot be listened on; the message says which, why and what to do."""


class Listener:
    """One listening socket. ``address`` is the real one: with port 0, the port that the system chose."""

    __slots__ = ("_path_identity", "address", "socket")

    def __init__(self, address: Address, unix_mode: int) -> None:
        """Bind and listen.

        Args:
            unix_mode: permissions of a unix socket's file.

        Raises:
            ListenError: the address is in use, not permitted or not there.
        """
        self._path_identity: tuple[int, int] | None = None
        try:
            if isinstance(address, UnixAddress):
                self.socket = self._listen_unix(address.path, unix_mode)
                self.address: Address = address
            else:
                self.socket = _listen_tcp(address)
                self.address = TcpAddress(address.host, self.socket.getsockname()[1])
        except OSError as exc:
            raise ListenError(f"cannot listen on {address}: {_why(exc)}") from exc
        self.socket.setblocking(False)

    def fileno(self) -> int:
        """The descriptor."""
        return self.socket.fileno()

    def close(self) -> None:
        """Stop listening; a unix socket's file goes, unless another process has put its own there."""
        self.socket.close()
        if self._path_identity is not None and isinstance(self.address, UnixAddress):
            with contextlib.suppress(OSError):
                if _identity(self.address.path) == self._path_identity:
                    os.unlink(self.address.path)

    def _listen_unix(self, path: str, mode: int) -> socket.socket:
        _remove_dead_socket(path)
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(path)
            os.chmod(path, mode)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
        self._path_identity = _identity(path)
        return listening


def prepare_client(fd: int) -> tuple[str, str]:
    """Set an accepted socket's options.

    Returns:
        The peer's and our own address as CLIENT LIST shows them.
    """
    client = socket.socket(fileno=fd)
    try:
        if client.family == socket.AF_UNIX:
            path = client.getsockname()
            shown = f"{path if isinstance(path, str) else ''}:0"
            return shown, shown
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S // 3)
        return _shown(client.getpeername()), _shown(client.getsockname())
    finally:
        client.detach()


def _listen_tcp(address: TcpAddress) -> socket.socket:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _remove_dead_socket(path: str) -> None:
    """Remove a socket file that nobody listens on any more, as a killed process leaves it."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return  # bind refuses: we remove nothing that is not a socket
    except OSError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _shown(name: tuple[str, int]) -> str:
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use: stop what listens there, or choose another with --listen"
    if error.errno == errno.EACCES:
        return "not permitted: choose a port above 1023 or a directory that this user may write to"
    return error.strerror or str(error)


def refuse_client(fd: int) -> None:
    """Tell an accepted socket that there are too many; the caller closes it."""
    client = socket.socket(fileno=fd)
    with contextlib.suppress(OSError):
        client.send(TOO_MANY_CLIENTS)
    client.detach()
