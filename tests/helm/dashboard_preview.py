"""The dashboard as a picture: a real Prometheus scrapes two sidecars under load and an injector, each panel is drawn.

    python tests/helm/dashboard_preview.py [--seconds 60] [--out .cache/dashboard.png]

No Grafana takes part: expressions, legends, units and the layout are the dashboard's own, colours and fonts are not.
Exit code 1 if a panel has nothing to show or Prometheus refuses an expression.
"""

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

sys.path.insert(0, str(Path(__file__).parents[1]))
from helm.dashboard import dashboard, queries
from helm.preview_world import World
from servers.prometheus import PrometheusProcess

INTERVAL = "10s"
SUFFIXES = {"percentunit": "%", "s": "s", "ops": "/s", "bytes": " MiB"}
FACTORS = {"percentunit": 100.0, "bytes": 1 / (1 << 20)}
Lines = list[tuple[str, list[float], list[float]]]


def lines_of(prometheus: PrometheusProcess, panel: dict[str, Any], begin: float, end: float) -> Lines:
    """(name, seconds since begin, values) of each line of a panel; points that are not numbers are left out."""
    factor, lines = FACTORS.get(panel["fieldConfig"]["defaults"]["unit"], 1.0), []
    for query in queries(panel, INTERVAL):
        for series in prometheus.query_range(query.expression, begin, end):
            name = query.legend
            for label, value in series["metric"].items():
                name = name.replace("{{" + label + "}}", value)
            points = [(at - begin, float(text) * factor) for at, text in series["values"] if math.isfinite(float(text))]
            if points:
                lines.append((name, [at for at, _ in points], [value for _, value in points]))
    return lines


def draw(axes: Any, panel: dict[str, Any], lines: Lines) -> None:
    """One panel, as its type and unit say."""
    defaults = panel["fieldConfig"]["defaults"]
    axes.set_title(panel["title"], fontsize=8, loc="left")
    suffix = SUFFIXES.get(defaults["unit"], "")
    if panel["type"] == "stat":
        value = lines[0][2][-1]
        raw = value / FACTORS.get(defaults["unit"], 1.0)
        steps = [step for step in defaults["thresholds"]["steps"] if step["value"] is None or raw >= step["value"]]
        axes.set_facecolor(
            {"red": "#f2495c", "orange": "#ff9830", "green": "#73bf69"}.get(steps[-1]["color"], "#5794f2")
        )
        axes.text(0.5, 0.45, f"{value:.3g}{suffix}", ha="center", va="center", fontsize=16, transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    base = [0.0] * max(len(values) for _, _, values in lines)
    is_stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    for name, times, values in lines:
        if is_stacked and len(values) == len(base):
            top = [low + value for low, value in zip(base, values, strict=True)]
            axes.fill_between(times, base, top, alpha=0.5, label=name)
            base = top
        else:
            axes.plot(times, values, linewidth=0.9, label=name)
    axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 1.25 or 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}{suffix}")
    axes.tick_params(labelsize=6)
    axes.legend(fontsize=5, loc="upper left", ncols=2)


def picture(prometheus: PrometheusProcess, begin: float, end: float, out: Path) -> list[str]:
    """Draw all; returns the titles of panels that have nothing to show."""
    everything = dashboard()["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in everything)
    figure = pyplot.figure(figsize=(18, height * 0.36))
    empty = []
    for panel in everything:
        place = panel["gridPos"]
        left, width = place["x"] / 24 + 0.03, place["w"] / 24 - 0.04
        bottom, tall = 1 - (place["y"] + place["h"]) / height, place["h"] / height
        if panel["type"] == "row":
            figure.text(0.005, bottom + tall * 0.3, panel["title"], fontsize=11, weight="bold")
            continue
        axes = figure.add_axes((left, bottom + 0.009, width, tall - 0.018))
        lines = lines_of(prometheus, panel, begin, end)
        if lines:
            draw(axes, panel, lines)
        else:
            empty.append(panel["title"])
            axes.text(0.5, 0.5, f"{panel['title']}: no data", ha="center", transform=axes.transAxes)
    figure.savefig(out, dpi=100)
    return empty


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="of load (default: 60)")
    parser.add_argument("--out", type=Path, default=Path(".cache/dashboard.png"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = World(folder)
        try:
            prometheus = PrometheusProcess(folder, world.targets())
            try:
                begin = time.time()
                world.live(arguments.seconds)
                arguments.out.parent.mkdir(parents=True, exist_ok=True)
                empty = picture(prometheus, begin + 10, time.time(), arguments.out)
            finally:
                prometheus.stop()
        finally:
            world.stop()
    print(f"{arguments.out}: {len(dashboard()['panels'])} panels")
    if empty:
        print(f"nothing to show: {', '.join(empty)}", file=sys.stderr)
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main())
