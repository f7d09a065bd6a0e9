"""A server as a process of its own: started, waited for, its log shown when it fails, stopped by its handle."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

START_S = 20.0  # a loaded machine with two cores, not a target
STOP_S = 10.0


class ServerProcess:
    """One running server that speaks RESP on a unix socket."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        unix_socket: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.unix_socket = unix_socket
        self.log_path = folder / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args!r} ended with {self.process.returncode}:\n{self.log()}")
            with contextlib.suppress(OSError), self.connect() as client:
                client.sendall(b"PING\r\n")
                if client.recv(64):
                    return
            time.sleep(0.01)
        raise RuntimeError(f"{self.process.args!r} was not ready after {START_S} s:\n{self.log()}")

    def connect(self) -> socket.socket:
        """A new client connection."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(START_S)
        try:
            client.connect(str(self.unix_socket))
        except BaseException:
            client.close()
            raise
        return client

    def log(self) -> str:
        """What it wrote so far."""
        return self.log_path.read_text(errors="replace")

    def stop(self) -> int:
        """Ask it to end, then make it. Returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()
