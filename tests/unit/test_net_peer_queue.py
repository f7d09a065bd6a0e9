"""Asking the system what a peer on this machine has not read."""

import socket
import sys

import pytest

from sidecar.net.peer_queue import PeerQueues


@pytest.fixture
def queues():
    queues = PeerQueues()
    yield queues
    queues.close()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_it_shrinks_as_the_peer_reads(queues, family, host):
    """Byte for byte, though our own socket sees nothing of it."""
    with socket.create_server((host, 0), family=family) as listening, socket.socket(family) as client:
        client.connect(listening.getsockname())
        ours, _ = listening.accept()
        with ours:
            assert queues.unread_bytes(ours.fileno()) == 0
            ours.sendall(b"x" * 5000)
            assert queues.unread_bytes(ours.fileno()) == 5000
            assert len(client.recv(1234)) == 1234
            assert queues.unread_bytes(ours.fileno()) == 5000 - 1234


def test_other_sockets_are_not_known(queues):
    """Unix sockets, and connections that have ended."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert queues.unread_bytes(ours.fileno()) == -1
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert queues.unread_bytes(listening.fileno()) == -1
