"""RESULTS.md: one section a benchmark, each replaced when its benchmark runs again."""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
TITLE = "# Results\n\nMade by the programs beside this file; README.md says how, and what they do not show.\n"
SECTIONS = (
    "Hits",
    "Memory",
    "Start",
    "Eviction",
    "Tails",
    "Profile",
    "Misses through Couchbase",
    "Prefetch",
    "Warm start",
)


def publish(title: str, body: str, path: Path | None = RESULTS, versions: Sequence[str] = ()) -> None:
    """Print a section and put it in its place among those that the file has; None: only print it.

    Args:
        versions: of other servers than the redis-server.
    """
    section = f"## {title}\n\n{made_by(versions)}\n\n{body.strip()}\n"
    print(section)
    if path is None:
        print(
            "Not kept: a quick run shows that it works, not how fast it is. --results FILE keeps it.", file=sys.stderr
        )
        return
    old = path.read_text() if path.exists() else TITLE
    sections = {text.partition("\n")[0]: text for text in re.split(r"^## ", old, flags=re.MULTILINE)[1:]}
    sections[title] = section.removeprefix("## ")
    ordered = sorted(sections, key=lambda name: SECTIONS.index(name) if name in SECTIONS else len(SECTIONS))
    path.write_text(TITLE + "".join(f"\n## {sections[name].strip()}\n" for name in ordered))


def made_by(versions: Sequence[str]) -> str:
    """The command, the day and the machine."""
    words = [word for word in sys.argv[1:] if "/" not in word]  # no paths of one machine
    return (
        f"`{' '.join([Path(sys.argv[0]).name, *words])}`, {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores of "
        f"{cpu_model()}, Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}, uvloop {version('uvloop')}, "
        f"{', '.join([f'redis-server {redis_version()}', *versions])}."
    )


def cpu_model() -> str:
    """The processor by its own name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def redis_version() -> str:
    """Of the redis-server that is compared with."""
    output = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    return output.split()[2].removeprefix("v=")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bars(values: dict[str, float], width: int = 50) -> str:
    """Horizontal bars of text, as long as their value."""
    longest, most = max(map(len, values)), max(values.values())
    return "\n".join(
        f"{name:{longest}} {value:6.2f} {'█' * max(1, round(value / most * width))}" for name, value in values.items()
    )
