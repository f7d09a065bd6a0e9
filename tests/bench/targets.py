"""The servers that a benchmark compares: each is started on a free port, pinned to a core, loaded and stopped by handle."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

KEYS, ROWS, FIELDS = 1_000_000, 20_000, 100
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
POLICY = "version: 1\ndefaults: {ttl: 1d, jitter: 10%, deadline: 10s}\nfeature_views:\n  - {name: rows, keys: 'row:{id}', ttl: 1d}\n"


class Target:
    """A running server. ``cpu_s`` is the user and system time of its processes."""

    name = "target"

    def __init__(self, core: int) -> None:
        self.core = core
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="sidecar-bench-"))
        self.unix_path = str(self.folder / "redis.sock")
        self.processes = [self.spawn(command) for command in self.commands()]
        self.wait_until_ready()

    def commands(self) -> list[list[str]]:
        """The command lines to start."""
        raise NotImplementedError

    def spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start one process on the target's core; its output goes to a file that is shown when it does not start."""
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                ["taskset", "-c", str(self.core), *command], stdout=log, stderr=log, cwd=self.folder
            )

    def wait_until_ready(self, timeout_s: float = 10) -> None:
        """Return once it answers PING."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
                    client.sendall(b"PING\r\n")
                    if client.recv(16).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            if time.monotonic() > until or any(process.poll() is not None for process in self.processes):
                raise RuntimeError(f"{self.name} did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def cpu_s(self) -> float:
        """CPU time used so far, in steps of 10 ms."""
        total = 0
        for process in self.processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_S

    def anonymous_bytes(self) -> int:
        """Anonymous memory resident now."""
        for line in Path(f"/proc/{self.processes[0].pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no RssAnon")

    def stop(self) -> None:
        """Stop the processes and remove their files."""
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def load(self) -> None:
        """Store the data, then read every item once, so that each is a hit."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            for batch in (*writes(), *reads()):
                pipeline(client, batch)


class Redis(Target):
    """redis-server without persistence."""

    name = "redis"

    def commands(self) -> list[list[str]]:
        return [
            ["redis-server", "--port", str(self.port), "--unixsocket", self.unix_path, "--save", "", "--appendonly", "no"]
        ]


class Sidecar(Target):
    """The installed feature-sidecar over memory://, all policies and metrics on."""

    name = "sidecar"
    origin = "memory://"

    def commands(self) -> list[list[str]]:
        (self.folder / "policy.yaml").write_text(POLICY)
        return [
            [sys.executable, "-m", "sidecar.cli", "serve", "--listen", f"tcp://127.0.0.1:{self.port}",
             "--listen", f"unix://{self.unix_path}", "--admin", "127.0.0.1:0", "--origin", self.origin,
             "--policy", str(self.folder / "policy.yaml"), "--max-memory", "512MiB"]
        ]  # fmt: skip


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(*arguments: bytes) -> bytes:
    """A request in RESP."""
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%b\r\n" % (len(a), a) for a in arguments)


def key(number: int) -> bytes:
    """A string key of 24 bytes."""
    return b"key:%020d" % number


def row(number: int) -> bytes:
    """A hash key of 24 bytes."""
    return b"row:%020d" % number


def writes() -> Iterator[list[bytes]]:
    """The data set: 24-byte keys with 64-byte values, rows of 100 fields with 5-byte names and 8-byte values."""
    for first in range(0, KEYS, 500):
        yield [command(b"SET", key(n), b"%064d" % n) for n in range(first, first + 500)]
    for first in range(0, ROWS, 50):
        yield [
            command(b"HSET", row(n), *(part for f in range(FIELDS) for part in (b"f%04d" % f, b"v%07d" % (n + f))))
            for n in range(first, first + 50)
        ]


def reads() -> Iterator[list[bytes]]:
    """Every item once."""
    for first in range(0, KEYS, 500):
        yield [command(b"MGET", *(key(n) for n in range(first, first + 500)))]
    for first in range(0, ROWS, 50):
        yield [command(b"HGETALL", row(n)) for n in range(first, first + 50)]


def pipeline(client: socket.socket, requests: list[bytes]) -> None:
    """Send requests and read a reply to each; an error reply ends the benchmark."""
    import hiredis

    client.sendall(b"".join(requests))
    reader, missing = hiredis.Reader(), len(requests)
    while missing:
        reader.feed(client.recv(1 << 20))
        while missing and (reply := reader.gets()) is not False:
            if isinstance(reply, hiredis.ReplyError):
                raise RuntimeError(f"while loading: {reply}")
            missing -= 1
