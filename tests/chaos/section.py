"""A part's section in docs/resilience.md: replaced alone when its part runs again."""

import os
import platform
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).resolve().parents[2] / "docs" / "resilience.md"
HEADING = "## What was measured"
ORDER = ("herd", "attempts", "overload", "brownout", "flap", "outage", "memory", "restarts", "soak")


class Verdict(NamedTuple):
    """One promise and what was seen of it."""

    promise: str
    bar: str
    seen: str
    holds: bool


class Section(NamedTuple):
    """What a part found.

    Attributes:
        title: its heading.
        text: what was done, and what it does not show.
        verdicts: the promises that it judges.
        more: further tables and text plots, as Markdown.
        plot: draws on matplotlib axes; None: there is no picture.
    """

    title: str
    text: str
    verdicts: Sequence[Verdict]
    more: str = ""
    plot: Callable[[Any], None] | None = None


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bars(values: dict[str, float], width: int = 50) -> str:
    """Horizontal bars of text, as long as their value."""
    longest, most = max(map(len, values)), max(values.values()) or 1
    lines = (f"{name:{longest}} {value:8.1f} {'█' * round(value / most * width)}" for name, value in values.items())
    return "```\n" + "\n".join(line.rstrip() for line in lines) + "\n```"


def render(name: str, section: Section, made_by: str, picture: str | None) -> str:
    """The section as Markdown."""
    rows = [[each.promise, each.bar, each.seen, "yes" if each.holds else "**no**"] for each in section.verdicts]
    parts = [f"### {section.title}", section.text.strip(), made_by, table(["Promise", "Bar", "Seen", "Holds"], rows)]
    if section.more:
        parts.append(section.more.strip())
    if picture is not None:
        parts.append(f"![{section.title}]({picture})")
    body = "\n\n".join(parts)
    return f"<!-- chaos: {name} -->\n\n{body}\n\n<!-- end: {name} -->\n"


def put(page: str, name: str, text: str) -> str:
    """The page with a part's section replaced, or put in its place among those that are there."""
    found = dict(re.findall(r"(?s)(?=<!-- chaos: (\w+) -->)(.*?<!-- end: \1 -->\n)", page))
    found[name] = text
    ordered = sorted(found, key=lambda each: ORDER.index(each) if each in ORDER else len(ORDER))
    before, _, after = page.partition(HEADING + "\n")
    first = re.search(r"<!-- chaos: \w+ -->", after)
    intro = (after[: first.start()] if first else after).strip()
    head = f"{before.rstrip()}\n\n" if before.strip() else ""
    shown = f"{head}{HEADING}\n\n" + (f"{intro}\n\n" if intro else "")
    return shown + "\n".join(found[each] for each in ordered)


def publish(name: str, section: Section, options: str, page: Path = PAGE, with_picture: bool = True) -> None:
    """Print a section and put it into the page, with its picture where matplotlib is there."""
    picture = draw(name, section, page) if with_picture else None
    text = render(name, section, made_by(options), picture)
    print(text, flush=True)
    old = page.read_text() if page.exists() else ""
    page.write_text(put(old, name, text))


def draw(name: str, section: Section, page: Path) -> str | None:
    """The picture's path beside the page; None: nothing to draw, or nothing to draw with."""
    if section.plot is None:
        return None
    try:
        import matplotlib
    except ImportError:  # it comes with the extra [plot]
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4))
    section.plot(axes)
    figure.tight_layout()
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=100)
    pyplot.close(figure)
    return f"{folder.name}/{name}.png"


def made_by(options: str) -> str:
    """The command and the machine."""
    command = f"make chaos OPTIONS='{options}'" if options else "make chaos"
    return (
        f"`{command}`: {os.cpu_count()} cores of {_cpu_model()}, "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}."
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
