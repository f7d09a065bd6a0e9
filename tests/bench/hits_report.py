"""Tables and plots of the hit benchmark."""

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

from generators import Run
from loads import LOADS
from results import bars, table

Runs = Mapping[str, Mapping[str, list[Run]]]
COLOURS = {  # of each target, in the order of the columns; redis is the line at 1
    "redis": "black", "nutcracker": "#9aa0a6", "Envoy": "#c5a3d9", "sidecar": "#1a73e8", "empty server": "#dadce0",
}  # fmt: skip
PICTURE = "results.png"
NOTE = """us per command: user and system CPU time of the server, of a proxy's redis too; in brackets the ratio redis / target,
the median of the rounds' own ratios. Loads: the number is the depth, 50 connections unless `_c` says otherwise."""


def median(runs: list[Run], field: str) -> float:
    """Over the rounds."""
    return float(statistics.median(getattr(run, field) for run in runs))


def ratios(redis: list[Run], runs: list[Run]) -> list[float]:
    """Each round's own ratio to redis-server."""
    return [theirs.cpu_us / max(own.cpu_us, 1e-9) for theirs, own in zip(redis, runs, strict=True)]


def ratio(by_target: Mapping[str, list[Run]], target: str) -> float:
    """redis-server's CPU time per command / the target's."""
    return statistics.median(ratios(by_target["redis"], by_target[target]))


def progress(name: str, by_target: Mapping[str, list[Run]]) -> str:
    """One line while it runs."""
    cells = [
        f"{target} {median(runs, 'cpu_us'):.2f} us ({ratio(by_target, target):.2f})"
        for target, runs in by_target.items()
    ]
    return f"{name}: " + ", ".join(cells)


def report(runs: Runs, second_opinion: Runs) -> str:
    """The whole section."""
    parts = [NOTE, _cpu_table(runs), _bars(runs), "![ratios](results.png)", _latency_table(runs)]
    if second_opinion:
        parts.append(_second_opinion_table(runs, second_opinion))
    return "\n\n".join(part for part in parts if part)


def _targets(runs: Runs) -> list[str]:
    found = {target for by_target in runs.values() for target in by_target}
    return [target for target in COLOURS if target in found]


def _cpu_table(runs: Runs) -> str:
    targets = _targets(runs)
    rows = []
    for name, by_target in runs.items():
        row = [name]
        for target in targets:
            if target not in by_target:
                row.append("-")
                continue
            cell = f"{median(by_target[target], 'cpu_us'):.2f}"
            row.append(cell if target == "redis" else f"{cell} ({ratio(by_target, target):.2f})")
        if "sidecar" in targets:
            own = ratios(by_target["redis"], by_target["sidecar"])
            goal = LOADS[name].goal
            reached = statistics.median(own)
            row += [
                f"{min(own):.2f}-{max(own):.2f}",
                "-" if goal is None else f"{goal:g}",
                "-" if goal is None else "yes" if reached >= goal else f"no: {reached / goal - 1:.0%}",
            ]
        rows.append(row)
    more = ["rounds", "goal", "met"] if "sidecar" in targets else []
    return "### CPU time per command\n\n" + table(["load", *(f"{target} us" for target in targets), *more], rows)


def _bars(runs: Runs) -> str:
    if "sidecar" not in _targets(runs):
        return ""
    values = {name: ratio(by_target, "sidecar") for name, by_target in runs.items()}
    return "Ratio redis / sidecar:\n\n```\n" + bars(values) + "\n```"


def _latency_table(runs: Runs) -> str:
    targets = _targets(runs)
    rows = [
        [name, *(_throughput(by_target[target]) if target in by_target else "-" for target in targets)]
        for name, by_target in runs.items()
    ]
    note = (
        "Thousand commands a second, p50 / p99 / p99.9 of a connection's whole pipeline in us, and in brackets how much of "
        "its core the generator used: near 100% the generator is the limit, not the server."
    )
    return "### Throughput and latency\n\n" + note + "\n\n" + table(["load", *targets], rows)


def _throughput(runs: list[Run]) -> str:
    latency = " / ".join(f"{median(runs, field):.0f}" for field in ("p50_us", "p99_us", "p999_us"))
    return f"{median(runs, 'operations_per_s') / 1e3:.0f} k, {latency} ({median(runs, 'generator_share'):.0%})"


def _second_opinion_table(runs: Runs, second_opinion: Runs) -> str:
    rows = []
    for name, by_target in second_opinion.items():
        if "sidecar" in by_target:
            rows.append(
                [name, f"{ratio(runs[name], 'sidecar'):.2f}", f"{ratio(by_target, 'sidecar'):.2f}"]
                + [_throughput(by_target[target]) for target in ("redis", "sidecar")]
            )
    note = (
        "The loads that redis-benchmark can express, made by it. Where it uses its whole core, a faster server sleeps and "
        "wakes more often, and gains less than it should."
    )
    return (
        "### Second opinion\n\n"
        + note
        + "\n\n"
        + table(["load", "ratio", "by redis-benchmark", "redis", "sidecar"], rows)
    )


def plot(runs: Runs, path: Path) -> None:
    """Ratios to redis-server as bars, goals as marks, into a PNG."""
    try:
        import matplotlib
    except ImportError:
        print("no plot: matplotlib comes with the extra [plot]", file=sys.stderr)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    targets = [target for target in _targets(runs) if target != "redis"]
    figure, axes = pyplot.subplots(figsize=(9, 1.8 + 0.5 * len(runs)))
    height = 0.8 / max(1, len(targets))
    for number, target in enumerate(targets):
        bars_of = [
            (line + number * height, ratio(by_target, target))
            for line, by_target in enumerate(runs.values())
            if target in by_target
        ]
        places, values = [place for place, _ in bars_of], [value - 1 for _, value in bars_of]
        axes.barh(places, values, height, left=1, label=target, color=COLOURS.get(target))
        if target == "sidecar":
            goals = [(place, goal) for place, name in zip(places, runs, strict=False) if (goal := LOADS[name].goal)]
            axes.vlines(
                [goal for _, goal in goals],
                [place - height / 2 for place, _ in goals],
                [place + height / 2 for place, _ in goals],
                color="black",
                linewidth=2,
                label="goal of the sidecar",
            )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks([line + 0.4 - height / 2 for line in range(len(runs))], list(runs))
    axes.invert_yaxis()
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:g}")
    axes.set_xlabel(
        "CPU time per command: redis-server's / this server's. 1: the same; right of it less, left of it more"
    )
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(targets) + 1, fontsize="small", frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
