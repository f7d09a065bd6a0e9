"""The servers that a benchmark compares: each is started on free ports, pinned to a core and stopped by its handle."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dataset import Client, Data

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, GENERATOR_CORE = CORES[0], CORES[-1]  # one and the same where there is no other
CPU_CLOCK = 2  # as clock_getcpuclockid(3) makes a clock's number of a process's
START_S = 20.0
POLICY = """version: 1
defaults: {ttl: 1d, jitter: 10%, deadline: 10s, write_deadline: 10s}
feature_views:
  - {name: keys, keys: "key:{id}", ttl: 1d}
  - {name: rows, keys: "row:{id}", ttl: 1d, features: {"f000*": {ttl: 20h, stale_while_revalidate: 1m}}}
"""


class Target:
    """A running server.

    Attributes:
        install: the command that installs it where ``is_installed`` says no.
        has_unix: it listens on ``unix_path`` too.
        processes: its own first; ``cpu_s`` counts them all.
    """

    name = "target"
    install = ""
    has_unix = True

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sidecar-bench-"))
        self.port = free_port()
        self.unix_path = str(self.folder / "socket")
        self.processes: list[subprocess.Popen[bytes]] = []
        try:
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    @classmethod
    def is_installed(cls) -> bool:
        """Whether it can be started here."""
        return True

    def command(self) -> list[str]:
        """The command line that starts it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start its process."""
        self.spawn(self.command())

    def spawn(self, command: list[str]) -> None:
        """Start a process on the servers' core; its output goes to a file that is shown when it does not start."""
        with open(self.folder / "log", "ab") as log:
            pinned = ["taskset", "-c", str(SERVER_CORE), *command]
            self.processes.append(subprocess.Popen(pinned, stdout=log, stderr=log, cwd=self.folder))

    def wait_until_ready(self) -> None:
        """Return once it answers PING."""
        until = time.monotonic() + START_S
        while not answers_ping(self.port):
            if time.monotonic() > until or any(process.poll() is not None for process in self.processes):
                raise RuntimeError(f"{self.name} did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    @classmethod
    def version(cls) -> str:
        """Name and version, as RESULTS.md shows them; empty where it is not worth a word."""
        return ""

    def load(self, data: Data) -> None:
        """Store the data, then read every item once, so that each is a hit."""
        with Client(self.port) as client:
            for some in data:
                client.store(some)
                client.read(some)

    def cpu_s(self) -> float:
        """User and system time used so far: the sum that /proc/PID/stat shows in steps of 10 ms, without the steps."""
        return sum(time.clock_gettime(~process.pid << 3 | CPU_CLOCK) for process in self.processes)

    def memory_bytes(self, which: str) -> int:
        """Resident memory of its own process now; ``which`` is a line of /proc/PID/status: VmRSS, RssAnon."""
        for line in Path(f"/proc/{self.processes[0].pid}/status").read_text().splitlines():
            if line.startswith(which + ":"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {which} of {self.name}")

    def stop(self) -> None:
        """Stop the processes and remove their files."""
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(Target):
    """redis-server without persistence."""

    name = "redis"
    install = "apt-get install redis-server"
    options: tuple[str, ...] = ()

    @classmethod
    def is_installed(cls) -> bool:
        return shutil.which("redis-server") is not None

    def command(self) -> list[str]:
        where = ["--port", str(self.port), "--unixsocket", self.unix_path]
        return ["redis-server", *where, "--save", "", "--appendonly", "no", *self.options]


class Sidecar(Target):
    """The installed feature-sidecar, all policies and metrics on."""

    name = "sidecar"
    origin = "memory://"
    policy = POLICY
    options: tuple[str, ...] = ("--max-memory", "512MiB")

    def command(self) -> list[str]:
        (self.folder / "policy.yaml").write_text(self.policy)
        self.admin_port = free_port()
        return [*self.program(), "serve", "--listen", f"tcp://127.0.0.1:{self.port}",
                "--listen", f"unix://{self.unix_path}", "--admin", f"127.0.0.1:{self.admin_port}",
                "--origin", self.origin, "--policy", str(self.folder / "policy.yaml"), *self.options]  # fmt: skip

    def program(self) -> list[str]:
        """What is run."""
        return [sys.executable, "-Im", "sidecar.cli"]


class EmptyServer(Target):
    """A C program that answers with canned bytes: what the sockets alone cost."""

    name = "empty server"

    def command(self) -> list[str]:
        return [str(compiled("empty_server", self.folder)), str(self.port), self.unix_path]

    def load(self, data: Data) -> None:
        pass


def compiled(name: str, folder: Path) -> Path:
    """Compile one of the C programs beside this file into a folder."""
    binary = folder / name
    subprocess.run(["cc", "-O2", "-o", str(binary), str(Path(__file__).with_name(f"{name}.c")), "-lm"], check=True)
    return binary


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers_ping(port: int) -> bool:
    """Whether a server on this port answers PING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            client.sendall(b"*1\r\n$4\r\nPING\r\n")  # nutcracker knows no inline commands
            return client.recv(16).startswith(b"+PONG")
    except OSError:
        return False
