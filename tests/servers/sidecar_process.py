"""Our own process, started as a user starts it."""

import sys
from pathlib import Path

from servers.free_port import free_port
from servers.server_process import ServerProcess


class SidecarProcess(ServerProcess):
    """``feature-sidecar serve`` on a unix socket and a TCP port.

    Args:
        folder: its own, empty; the policy and the log stand there.
        origin: its URL.
        policy: text of a policy file; None: the defaults.
        arguments: more of serve's flags.
    """

    def __init__(self, folder: Path, *arguments: str, origin: str = "memory://", policy: str | None = None) -> None:
        unix_socket = folder / "sidecar.sock"
        port, self.admin_port = free_port(), free_port()
        command = [sys.executable, "-m", "sidecar.cli", "serve", "--listen", f"tcp://127.0.0.1:{port}"]
        command += ["--listen", f"unix://{unix_socket}", "--admin", f"127.0.0.1:{self.admin_port}", "--origin", origin]
        if policy is not None:
            self.policy_path = folder / "policy.yaml"
            self.policy_path.write_text(policy)
            command += ["--policy", str(self.policy_path)]
        super().__init__([*command, *arguments], folder, unix_socket, port)
