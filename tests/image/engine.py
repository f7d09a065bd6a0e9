"""A container engine: the one that is there, or a dockerd of our own that is ended by its handle."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

START_S, STOP_S = 60.0, 30.0


class NoEngine(Exception):
    """There is none and none could be started; the text says what was looked for."""


class Engine:
    """Runs the docker client against one daemon; CONTAINER_ENGINE names another client of the same words."""

    def __init__(self, host: str | None) -> None:
        self._client = os.environ.get("CONTAINER_ENGINE", "docker")
        self._environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}

    def __call__(
        self, *arguments: str, check: bool = True, timeout_s: float = 120, stdin: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One command.

        Raises:
            AssertionError: it failed; with what it printed.
        """
        result = subprocess.run(
            [self._client, *arguments],
            env=self._environment,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check:
            assert result.returncode == 0, (
                f"{' '.join(arguments)[:200]}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
            )
        return result

    def answers(self) -> bool:
        """Whether a daemon is behind it."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            return self("version", check=False, timeout_s=20).returncode == 0
        return False

    @contextlib.contextmanager
    def running(self, image: str, *command: str, options: Sequence[str] = ()) -> Iterator[str]:
        """A container in the background, by its id; removed at the end."""
        container = self("run", "--detach", *options, image, *command).stdout.strip()
        try:
            yield container
        finally:
            self("rm", "--force", container)


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """An engine that answers.

    Args:
        folder: for the data of a daemon of our own; emptied at its end.

    Raises:
        NoEngine: there is no client, or no daemon and none can be started.
    """
    if shutil.which(os.environ.get("CONTAINER_ENGINE", "docker")) is None:
        raise NoEngine("no docker client; CONTAINER_ENGINE names another")
    present = Engine(None)
    if present.answers():
        yield present
        return
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        raise NoEngine("no daemon answers, and dockerd (Debian: docker.io) can be started by root only")
    with _own_daemon(folder) as host:
        yield Engine(host)


@contextlib.contextmanager
def _own_daemon(folder: Path) -> Iterator[str]:
    """dockerd without networks: containers get none or the host's, and nothing of the machine is changed."""
    host = f"unix://{folder}/docker.sock"
    flags = ["--bridge=none", "--iptables=false", f"--host={host}"]
    flags += [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(["dockerd", *flags], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_S
        while not Engine(host).answers():
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise NoEngine(f"dockerd does not start:\n{(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)
        yield host
    finally:
        daemon.terminate()
        try:
            daemon.wait(STOP_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        shutil.rmtree(folder / "data", ignore_errors=True)  # gigabytes where the storage driver can only be vfs
