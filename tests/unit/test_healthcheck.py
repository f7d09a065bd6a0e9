"""The image's health check, as a process of its own against a server that answers what it is told."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from sidecar.flags import SETTINGS
from sidecar.healthcheck import DEFAULT_ADMIN


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket on a port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        yield server


def check(listener: socket.socket, answer: bytes | None, address: str = "127.0.0.1") -> tuple[int, str, bytes]:
    """(exit code, stderr, what it asked) of a check that is answered so; None: silence."""
    asked: list[bytes] = []
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(4096))
            if answer is not None:
                connection.sendall(answer)
            else:
                done.wait(20)

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    result = subprocess.run(
        [sys.executable, "-m", "sidecar.healthcheck"],
        env={"SIDECAR_ADMIN": f"{address}:{port}", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    done.set()
    thread.join(20)
    return result.returncode, result.stderr, b"".join(asked)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "[::]"])
def test_healthy(listener, address):
    """200 is 0; the wildcard addresses, as in a pod, lead to this machine."""
    code, error, asked = check(listener, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n", address)
    assert (code, error) == (0, "")
    assert asked.startswith(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"+PONG\r\n", b""])
def test_unhealthy(listener, answer):
    """Anything else is 1, with what was answered."""
    code, error, _ = check(listener, answer)
    assert code == 1
    assert "expected 200" in error


def test_silence_is_unhealthy_before_the_engine_loses_patience(listener):
    """HEALTHCHECK's own timeout is 2 s; the check says why before it."""
    code, error, _ = check(listener, None)
    assert code == 1
    assert "timed out" in error


def test_without_a_setting_it_asks_where_serve_listens_by_default():
    """The default stands twice, for importing the settings would cost more than the check."""
    (admin,) = [setting for setting in SETTINGS if setting.name == "admin"]
    assert admin.default == DEFAULT_ADMIN
