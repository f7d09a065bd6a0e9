"""F6: the origin cannot be knocked over. Attempts while everything fails; when the breaker opens and closes."""

from pathlib import Path

from chaos.faulty_origin import OriginFaults
from chaos.judgement import amplification, closes_after_s, opens_after_s
from chaos.section import Section, Verdict, table
from chaos.simulation import Fault, Simulation

READ_THROUGH, NO_STALE, STALE = (0, 0, 0, 0), (60, 60, 60, 20), (60, 160, 6000, 20)
KINDS = {
    "refusing": OriginFaults(down=True),
    "hanging": OriginFaults(hang=True),
    "failing": OriginFaults(errors=1.0, latency_s=0.005),
    "failing half of the time": OriginFaults(errors=0.5, latency_s=0.005),
}
BEGINS_S = 5.0


def measure(folder: Path, quick: bool) -> Section:
    """An outage of each kind, under each policy."""
    outage_s = 5.0 if quick else 30.0
    rows = []
    worst = opened = closed = 0.0
    for kind, faults in KINDS.items():
        for name, limits in (("read through", READ_THROUGH), ("no stale copies", NO_STALE), ("stale copies", STALE)):
            fault = Fault(kind, BEGINS_S, BEGINS_S + outage_s, faults)
            run = Simulation(11, length_s=BEGINS_S + outage_s + 8, load=0.5, fault=fault, limits=limits)
            run.run()
            share = amplification(run)
            opens_s, closes_s = opens_after_s(run) if fault.is_total else None, closes_after_s(run)
            worst, opened, closed = max(worst, share), max(opened, opens_s or 0), max(closed, closes_s)
            rows.append(
                [kind, name, f"{share:.2f}", "-" if opens_s is None else f"{opens_s:.2f} s", f"{closes_s:.2f} s"]
            )
    return Section(
        "Everything fails (F6)",
        f"For {outage_s:.0f} s no read succeeds, or half of the calls fail; reads arrive at half of the origin's capacity all the time. On virtual time. "
        "The breaker counts as open from when calls come no oftener than probes, and as closed when nine of ten reads succeed.",
        [
            Verdict("documents asked of the origin, worst 10 s", "<= 1.1x the misses", f"{worst:.2f}x", worst <= 1.1),
            Verdict("breaker open", "<= 1 s", f"{opened:.2f} s", opened <= 1),
            Verdict("closed after recovery", "<= 5 s", f"{closed:.2f} s", closed <= 5),
        ],
        table(["the origin is", "policy", "attempts / misses", "open after", "closed after"], rows),
    )  # fmt: skip
