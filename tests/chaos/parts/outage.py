"""F7: ten minutes without an origin, as hits feel it."""

import time
from pathlib import Path

from chaos.faulty_sidecar import FaultySidecar
from chaos.parts.brownout import errors
from chaos.section import Section, Verdict, table
from chaos.traffic import NORMAL, POLICY, cold, cpu_per_hit, prepare, recovered_after_s, stale, succeeded

MISSES_PER_S, STALE_PER_S = 50, 200
KINDS = {"down": "refused at once", "hang": "never answered"}


def measure(folder: Path, quick: bool) -> Section:
    """Half of the time the origin refuses, half of it hangs."""
    outage_s = 10 if quick else 600
    rows = []
    steps = []
    answers = []
    recoveries = []
    (folder / "timed").mkdir()
    sidecar = FaultySidecar(folder / "timed", origin="memory://", policy=POLICY, meter=True)
    try:
        prepare(sidecar)
        with cold(sidecar, MISSES_PER_S) as misses, stale(sidecar, STALE_PER_S) as copies:
            time.sleep(3)
            for kind, words in KINDS.items():
                sidecar.steps()
                broke_s = time.monotonic()
                before = sidecar.calls()["reads"]
                sidecar.faults(kind)
                time.sleep(outage_s / len(KINDS))
                attempts = sidecar.calls()["reads"] - before
                mended_s = time.monotonic()
                sidecar.faults(NORMAL)
                time.sleep(8)
                steps.append(sidecar.steps())
                recoveries.append(recovered_after_s(misses.replies, mended_s))
                kept = copies.between(broke_s, mended_s)
                answers.append(succeeded(kept))
                lost = misses.between(broke_s + 1, mended_s)
                slowest = sorted(reply.took_s for reply in lost)[int(len(lost) * 0.99)] if lost else 0.0
                rows.append([
                    words, f"{len(lost):,}", errors(lost), f"{slowest * 1000:.0f} ms",
                    f"{attempts / (mended_s - broke_s):.1f}", f"{answers[-1]:.2%}", f"{recoveries[-1]:.1f} s",
                ])  # fmt: skip
    finally:
        sidecar.stop()
    cpu = cpu_per_hit(folder, "down", 1 if quick else 5, 1 if quick else 4)
    longest = max(steps, key=lambda seen: seen["longest_ms"])
    over: dict[str, int] = {}
    for seen in steps:
        for name, count in seen["over_limit"].items():
            over[name] = over.get(name, 0) + count
    normal_us, dead_us = cpu.medians()
    return Section(
        "A dead origin does not touch hits (F7)",
        f"The origin is dead for {outage_s / 60:.1f} minutes, half of them refusing, half of them hanging, while "
        f"{MISSES_PER_S} misses and {STALE_PER_S} reads of keys with an allowed stale copy a second come. CPU per hit as in "
        f"the brownout's part, {len(cpu.pairs)} interleaved pairs.",
        [
            Verdict(
                "CPU time per hit", "within 10%", f"{cpu.ratio - 1:+.1%} ({normal_us:.2f} us, {dead_us:.2f} us)",
                cpu.ratio <= 1.1,
            ),
            Verdict(
                "longest step of the loop, CPU", "<= 1 ms",
                f"{longest['longest_ms']:.2f} ms ({longest['longest']}); over: {over or 'none'}",
                longest["longest_ms"] <= 1,
            ),
            Verdict("keys with a stale copy", ">= 99.9% answered", f"{min(answers):.2%}", min(answers) >= 0.999),
            Verdict("all well after its end", "<= 5 s", f"{max(recoveries):.1f} s", max(recoveries) <= 5),
        ],
        table(
            ["the origin", "misses", "errors", "p99 of an error", "attempts a second", "stale keys answered", "well after"],
            rows,
        ),
    )  # fmt: skip
