"""Our own process, started as a user starts it."""

import json
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from servers.server_process import START_S, ServerProcess


class SidecarProcess(ServerProcess):
    """``feature-sidecar serve`` on a unix socket and on TCP ports that the system chose.

    Args:
        folder: its own, empty; the policy and the log stand there.
        origin: its URL.
        policy: text of a policy file; None: the defaults.
        environment: more of it.
        arguments: more of serve's flags.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        origin: str = "memory://",
        policy: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        unix_socket = folder / "sidecar.sock"
        command = [*self.program(), "serve", "--listen", "tcp://127.0.0.1:0"]
        command += ["--listen", f"unix://{unix_socket}", "--admin", "127.0.0.1:0", "--origin", origin]
        if policy is not None:
            self.policy_path = folder / "policy.yaml"
            self.policy_path.write_text(policy)
            command += ["--policy", str(self.policy_path)]
        super().__init__([*command, *arguments], folder, unix_socket, environment)
        serving = self._serving()
        (self.port,) = (int(each.rpartition(":")[2]) for each in serving["listen"] if each.startswith("tcp://"))
        self.admin_port = int(serving["admin"].rpartition(":")[2])

    def program(self) -> list[str]:
        """What is run; tests may have it run around the server."""
        return [sys.executable, "-m", "sidecar.cli"]

    def _serving(self) -> dict[str, Any]:
        """The line of the log that says where it listens; at the latest a moment after the first PONG."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for line in self.log().splitlines(keepends=True):
                if '"event":"serving"' in line and line.endswith("\n"):
                    return dict(json.loads(line))
            time.sleep(0.01)
        self.stop()
        raise RuntimeError(f"it never said where it listens:\n{self.log()}")

    def fetch(self, path: str, body: Any = None) -> bytes:
        """The body of a page of the admin port; ``body``: what is posted to it, as JSON."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", data, START_S) as response:
            return bytes(response.read())

    def invalidate(self, *keys: bytes) -> int:
        """Have memory forget keys. Returns how many it held."""
        return int(json.loads(self.fetch("/invalidate", {"keys": [key.decode() for key in keys]}))["held"])

    def metric(self, sample: str) -> float:
        """A sample of /metrics by its name and labels, without the prefix of our names."""
        for line in self.fetch("/metrics").decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name == f"feature_sidecar_{sample}":
                return float(value)
        raise KeyError(sample)
