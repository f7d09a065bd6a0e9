"""What a peer on this machine has received and not read.

A slow reader's socket says nothing for long: the peer's system takes 64 KiB and more ahead and tells of room in large
steps, so a client that reads 10 KB/s seems to take nothing for 7 to 40 s. Where both ends are on one machine, as in a
pod, Linux can be asked for the other end (sock_diag(7), an exact look-up, 14 us).
"""

import contextlib
import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NO_COOKIE = b"\xff" * 8
ALL_STATES = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_REQUEST = struct.Struct("=BBBxI")  # inet_diag_req_v2, without its id
_SOCKET_ID = struct.Struct("!HH16s16sI8s")
_QUEUE_AT = _HEADER.size + 4 + _SOCKET_ID.size + 4  # idiag_rqueue behind state, id and expires


class PeerQueues:
    """Asks the system for the other ends of our TCP connections."""

    def __init__(self) -> None:
        self._netlink: socket.socket | None = None
        with contextlib.suppress(OSError, AttributeError):  # not Linux, or not permitted here: nothing is known
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG)
            self._netlink.setblocking(False)

    def unread_bytes(self, fd: int) -> int:
        """Bytes that the program at the other end of ``fd`` has not read yet; -1: not known."""
        if self._netlink is None:
            return -1
        ours = socket.socket(fileno=fd)
        try:
            if ours.family not in (socket.AF_INET, socket.AF_INET6):
                return -1
            return self._ask(ours.family, ours.getpeername(), ours.getsockname())
        except OSError:
            return -1
        finally:
            ours.detach()

    def _ask(self, family: int, peer: tuple[str, int], local: tuple[str, int]) -> int:
        assert self._netlink is not None
        addresses = [socket.inet_pton(family, end[0]).ljust(16, b"\0") for end in (peer, local)]
        body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, ALL_STATES)
        body += _SOCKET_ID.pack(peer[1], local[1], *addresses, 0, NO_COOKIE)
        size = _HEADER.size + len(body)
        self._netlink.send(_HEADER.pack(size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + body)
        answer = self._netlink.recv(4096)  # made by the send, so it is there
        if _HEADER.unpack_from(answer)[1] != SOCK_DIAG_BY_FAMILY:
            return -1  # no such socket here: the peer is on another machine
        return int(struct.unpack_from("=I", answer, _QUEUE_AT)[0])

    def close(self) -> None:
        """Let go of the netlink socket."""
        if self._netlink is not None:
            self._netlink.close()
