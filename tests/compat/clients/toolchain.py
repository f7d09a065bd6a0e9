"""The toolchains that clients need: whether they are on this machine and how to get them."""

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Toolchain:
    """Programs of one language, all of which must be there.

    Attributes:
        programs: what is started.
        version: asks the first of them for its version.
        least: the oldest one that the clients' packages take.
        get: how to get it, for who reads a skipped test.
    """

    programs: tuple[str, ...]
    version: tuple[str, ...]
    least: tuple[int, int]
    get: str

    def missing(self) -> str | None:
        """Why its clients cannot run here; None: they can."""
        for program in self.programs:
            if shutil.which(program) is None:
                return f"no {program} here; {self.get}"
        found = self.found_version()
        if found < self.least:
            return f"{self.programs[0]} is {found[0]}.{found[1]}, needed is {self.least[0]}.{self.least[1]}; {self.get}"
        return None

    @functools.cache  # noqa: B019 - four of them live as long as the tests
    def found_version(self) -> tuple[int, int]:
        """Major and minor of the one that is here."""
        ended = subprocess.run(self.version, capture_output=True, text=True, check=True)
        number = re.search(r"(\d+)(?:\.(\d+))?", ended.stdout + ended.stderr)
        assert number, f"{self.version}: {ended.stdout}{ended.stderr}"
        return int(number[1]), int(number[2] or 0)


NODE = Toolchain(("node", "npm"), ("node", "--version"), (20, 0), "install Node.js 20 or later, npm comes with it")
GO = Toolchain(("go",), ("go", "version"), (1, 24), "install Go 1.24 or later from go.dev")
JAVA = Toolchain(
    ("javac", "java", "mvn"),
    ("javac", "-version"),
    (17, 0),
    "install a JDK and Maven: apt-get install openjdk-17-jdk maven",
)
RUST = Toolchain(("cargo",), ("cargo", "--version"), (1, 85), "install Rust 1.85 or later by rustup")
