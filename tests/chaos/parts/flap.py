"""An origin that is up for a second and down for a second, for five minutes. On virtual time."""

from pathlib import Path
from typing import Any

from chaos.faulty_origin import OriginFaults
from chaos.section import Section, Verdict, table
from chaos.simulation import NO_FAULT, Fault, Simulation

LIMITS = {
    "no stale copies: ttl 2 s": (200, 200, 200, 20),
    "stale copies: ttl 2 s, stale-while-revalidate 1 s, stale-if-error 5 min": (200, 300, 30_000, 20),
}
KINDS = {"refusing": OriginFaults(down=True), "hanging": OriginFaults(hang=True), "failing": OriginFaults(errors=1.0)}
CALM_S = 5.0


def measure(folder: Path, quick: bool) -> Section:
    """The same traffic over an origin that flaps, and over one that does not."""
    flap_s = 20.0 if quick else 300.0
    rows: list[list[str]] = []
    worst_total = worst_window = 0.0
    pictured: list[tuple[str, list[int]]] = []
    for name, limits in LIMITS.items():
        calm = _attempts(limits, NO_FAULT, flap_s)
        for kind, faults in KINDS.items():
            fault = Fault("flap", CALM_S, CALM_S + flap_s, faults, flap_s=1.0)
            flapping = _attempts(limits, fault, flap_s)
            total = sum(flapping) / sum(calm)
            window = max(sum(flapping[at : at + 10]) for at in range(len(calm) - 9)) / max(
                sum(calm[at : at + 10]) for at in range(len(calm) - 9)
            )
            worst_total, worst_window = max(worst_total, total), max(worst_window, window)
            rows.append([name, kind, f"{sum(calm):,}", f"{sum(flapping):,}", f"{total:.0%}", f"{window:.0%}"])
            pictured.append((f"{kind}, {name.partition(':')[0]}", flapping))
        pictured.append((f"healthy, {name.partition(':')[0]}", calm))
    return Section(
        "Up for a second, down for a second",
        f"For {flap_s:.0f} s, with the same arrivals as over a healthy origin, at a fifth of its capacity.",
        [
            Verdict("documents asked of the origin", "<= 110% of a healthy one's", f"{worst_total:.0%}", worst_total <= 1.1),
            Verdict(
                "in the worst 10 s", "<= 110% of a healthy one's worst", f"{worst_window:.0%}", worst_window <= 1.1
            ),
        ],
        table(["policy", "down is", "healthy", "flapping", "in all", "worst 10 s"], rows),
        lambda axes: plot(axes, pictured),
    )  # fmt: skip


def _attempts(limits: tuple[int, int, int, int], fault: Fault, flap_s: float) -> list[int]:
    """Documents asked for in each second of the flapping."""
    run = Simulation(7, length_s=CALM_S + flap_s, load=0.2, fault=fault, limits=limits)
    run.run()
    seconds = [0] * int(flap_s)
    for at_s, documents in run.origin.attempts:
        if CALM_S <= at_s < CALM_S + flap_s:
            seconds[int(at_s - CALM_S)] += documents
    return seconds


def plot(axes: Any, lines: list[tuple[str, list[int]]]) -> None:
    """Documents asked for, in windows of ten seconds."""
    for name, seconds in lines:
        sums = [sum(seconds[at : at + 10]) for at in range(len(seconds) - 9)]
        axes.plot(sums, label=name, linestyle="--" if name.startswith("healthy") else "-", linewidth=1)
    axes.set_ylim(0)
    axes.set_xlabel("s")
    axes.set_ylabel("documents asked of the origin in 10 s")
    axes.legend(fontsize="x-small")
