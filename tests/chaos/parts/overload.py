"""Three times what the origin can do: the limiter has to find the knee and shed the rest. On virtual time."""

from pathlib import Path
from typing import Any, NamedTuple

from chaos.section import Section, Verdict, bars, table
from chaos.simulation import NO_FAULT, Simulation
from sidecar.origins.base import Cause

LOADS = (0.25, 0.5, 0.75, 0.9, 1.0, 1.5, 2.0, 3.0)
READ_THROUGH = (0, 0, 0, 0)
WARM_UP_S = 5.0  # what the limiter may take to find the knee


class Point(NamedTuple):
    """What came of one offered load, per second of virtual time, after the warm-up."""

    load: float
    offered: float
    goodput: float
    p50_ms: float
    p99_ms: float
    shed: float
    late: float
    shed_p99_ms: float


class Overload(Simulation):
    """Reads of many different keys, none of them kept: every one is a miss."""

    KEYS = 20_000
    IS_UNIFORM = True


def point(load: float, length_s: float, seed: int = 1) -> Point:
    """One offered load."""
    run = Overload(seed, length_s=length_s, load=load, fault=NO_FAULT, limits=READ_THROUGH)
    run.write_share = 0.0
    run.run()
    asked = [each for each in run.asked if each.began_s >= WARM_UP_S]
    span_s = length_s - WARM_UP_S
    answered = sorted(each.took_s for each in asked if each.cause is None)
    shed = sorted(each.took_s for each in asked if each.cause is Cause.OVERLOADED)
    return Point(
        load,
        len(asked) / span_s,
        len(answered) / span_s,
        percentile_ms(answered, 0.5),
        percentile_ms(answered, 0.99),
        len(shed) / span_s,
        (len(asked) - len(answered) - len(shed)) / span_s,
        percentile_ms(shed, 0.99),
    )


def percentile_ms(ordered: list[float], share: float) -> float:
    """Of seconds in ascending order; 0 where there are none."""
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def measure(folder: Path, quick: bool) -> Section:
    """The whole curve, or three points of it."""
    points = [point(load, 12.0 if quick else 30.0) for load in ((0.75, 1.0, 3.0) if quick else LOADS)]
    best = max(points, key=lambda each: each.goodput)
    calm = max((each for each in points if each.load <= 1), key=lambda each: each.goodput)
    worst = points[-1]
    share, slower = worst.goodput / best.goodput, worst.p99_ms / calm.p99_ms
    rows = [
        [
            f"{each.load:g}x",
            *(f"{value:.0f}" for value in each[1:3]),
            *(f"{value:.1f}" for value in each[3:5]),
            f"{each.shed:.0f}",
            f"{each.late:.0f}",
            f"{each.shed_p99_ms:.1f}",
        ]
        for each in points
    ]
    return Section(
        "Three times what the origin can do",
        f"An origin that reads {Overload.CAPACITY_PER_S:.0f} documents a second, {Overload.WORKERS} at a time, on virtual time; "
        "reads of ever other keys arrive at random and are not kept. Work that its caller has given up is done all the same, "
        f"which is what makes servers collapse. The first {WARM_UP_S:.0f} s are left out.",
        [
            Verdict("goodput at 3x", ">= 80% of peak", f"{share:.0%} ({worst.goodput:.0f} of {best.goodput:.0f} a second)", share >= 0.8),
            Verdict(
                "p99 of what is admitted at 3x", f"<= 2x of that at {calm.load:g}x", f"{slower:.2f}x ({calm.p99_ms:.0f} ms, {worst.p99_ms:.0f} ms)",
                slower <= 2,
            ),
        ],
        table(["offered", "a second", "answered", "p50 ms", "p99 ms", "shed", "timed out", "p99 until shed ms"], rows)
        + "\n\n"
        + bars({f"{each.load:g}x answered a second": each.goodput for each in points}),
        lambda axes: plot(axes, points),
    )  # fmt: skip


def plot(axes: Any, points: list[Point]) -> None:
    """Goodput and p99 by offered load."""
    loads = [each.load for each in points]
    axes.plot(loads, [each.goodput for each in points], marker="o", label="answered a second")
    axes.plot(loads, [each.offered for each in points], linestyle=":", label="offered a second")
    axes.set_ylim(0, 1.5 * max(each.goodput for each in points))
    axes.set_xlabel("offered, in capacities")
    other = axes.twinx()
    other.plot(loads, [each.p99_ms for each in points], color="red", marker="x", label="p99 ms")
    other.set_ylim(0)
    axes.legend(loc="upper left")
    other.legend(loc="upper right")
