"""From addresses in a running process to functions, by /proc/PID/maps and nm."""

import subprocess
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """Where an address lies: the file that is mapped there, and the function where the file names it."""

    module: str
    function: str


class _Module:
    """The functions of one mapped file, sorted by where they start."""

    def __init__(self, path: str) -> None:
        self.name = Path(path).name.partition(".")[0]
        found = {}
        for dynamic in ([], ["-D"]):  # an object that is stripped still has its dynamic symbols
            listed = subprocess.run(["nm", "-C", *dynamic, path], capture_output=True, text=True, check=False)
            for line in listed.stdout.splitlines():
                words = line.split(maxsplit=2)
                if len(words) == 3 and words[1] in "tTwWi":
                    found.setdefault(int(words[0], 16), words[2].partition("@")[0])
        self.starts = sorted(found)
        self.names = [found[start] for start in self.starts]
        self.is_fixed = Path(path).read_bytes()[16] == 2  # ET_EXEC: its symbols are addresses already

    def function(self, offset: int) -> str:
        """The function that an offset into the file lies in."""
        number = bisect_right(self.starts, offset) - 1
        return self.names[number] if number >= 0 else "?"


class Symbols:
    """The functions of a process that is alive now."""

    def __init__(self, pid: int) -> None:
        self._ranges: list[tuple[int, int, int, str]] = []  # start, end, where the file begins, path
        self._modules: dict[str, _Module] = {}
        bases: dict[str, int] = {}
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            words = line.split(maxsplit=5)
            if len(words) < 6 or not words[5].startswith("/"):
                continue
            start, end = (int(text, 16) for text in words[0].split("-"))
            base = bases.setdefault(words[5], start - int(words[2], 16))
            if "x" in words[1]:
                self._ranges.append((start, end, base, words[5]))

    def place(self, address: int) -> Place:
        """What runs at an address."""
        for start, end, base, path in self._ranges:
            if start <= address < end:
                if path not in self._modules:
                    self._modules[path] = _Module(path)
                module = self._modules[path]
                return Place(module.name, module.function(address if module.is_fixed else address - base))
        return Place("kernel", "vdso")
