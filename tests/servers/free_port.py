"""A TCP port that nobody listens on now."""

import socket


def free_port() -> int:
    """Asked of the kernel; another process may take it before you do, so be ready to ask again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
