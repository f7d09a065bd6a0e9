"""A client's program: copied, built and run outside the source tree."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compat.clients.toolchain import Toolchain

CLIENTS = Path(__file__).parent
CACHE = Path(__file__).parents[3] / ".cache" / "clients"
PREPARE_S = 900.0  # a first time over a slow network, on a busy machine
RUN_S = 60.0


class PreparationFailed(RuntimeError):
    """A package or the program could not be installed or built; the text ends with what the tool said."""


@dataclass(frozen=True)
class Program:
    """One client library in one version, and the program that uses it.

    Attributes:
        name: as docs/clients.md names it.
        folder: its sources.
        prepare: commands that install and build in a copy of the folder, once.
        command: runs it; ``{home}`` is where it was built; host, port, prefix and protocol follow.
        toolchain: what must be on the machine; None: this Python.
        environment: more variables while it runs.
        resp: the protocol it speaks when none is chosen.
        slow: the first time takes more than a few seconds.
    """

    name: str
    folder: Path
    prepare: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    toolchain: Toolchain | None = None
    environment: dict[str, str] = field(default_factory=dict)
    resp: int = 3
    slow: bool = True

    @property
    def home(self) -> Path:
        """Where it is built: another folder when its sources, its commands or its toolchain change."""
        facts = hashlib.sha256(repr((self.prepare, self._version())).encode())
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                facts.update(str(path.relative_to(self.folder)).encode() + b"\0" + path.read_bytes())
        return CACHE / f"{self.name.replace(' ', '-')}-{facts.hexdigest()[:12]}"

    def _version(self) -> Sequence[int]:
        return sys.version_info[:2] if self.toolchain is None else self.toolchain.found_version()

    def prepared(self) -> Path:
        """Install and build it unless that was done. Returns its home.

        Raises:
            PreparationFailed: with the end of what was printed.
        """
        home = self.home
        if (home / "prepared").exists():
            return home
        for older in CACHE.glob(f"{self.name.replace(' ', '-')}-????????????"):
            shutil.rmtree(older)
        shutil.copytree(self.folder, home, ignore=shutil.ignore_patterns("__pycache__"))
        for command in self.prepare:
            ended = subprocess.run(
                command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PREPARE_S
            )
            if ended.returncode != 0:
                raise PreparationFailed(f"{' '.join(command)} in {home}:\n{ended.stdout[-3000:]}")
        (home / "prepared").touch()
        return home

    def start(self, arguments: Iterable[str]) -> subprocess.Popen[str]:
        """Run it with its output in pipes; it is prepared."""
        home = self.home
        command = [part.replace("{home}", str(home)) for part in self.command]
        environment = {name: value.replace("{home}", str(home)) for name, value in self.environment.items()}
        return subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
