"""A minute of an origin that is twenty times as slow and fails every second call, between two healthy spans."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos.faulty_sidecar import FaultySidecar
from chaos.section import Section, Verdict, table
from chaos.traffic import (
    BROWNOUT,
    NORMAL,
    POLICY,
    Reply,
    cold,
    cpu_per_hit,
    prepare,
    recovered_after_s,
    stale,
    succeeded,
)

MISSES_PER_S, STALE_PER_S = 50, 200
MOST_ATTEMPTS, MOST_CPU, LEAST_SUCCESS, RECOVERED_S, STEP_MS = 1.1, 1.1, 0.999, 5.0, 1.0


def measure(folder: Path, quick: bool) -> Section:
    """One run on a server whose steps are timed, and pairs of runs for the CPU time of hits."""
    healthy_s, broken_s = (5, 8) if quick else (30, 60)
    run = _Run(folder / "timed", healthy_s, broken_s)
    cpu = cpu_per_hit(folder, BROWNOUT, 1 if quick else 5, 1 if quick else 4)
    normal_us, faulty_us = cpu.medians()
    attempts = run.broken_attempts / broken_s / max(run.healthy_attempts / healthy_s, 1e-9)
    over = ", ".join(f"{count} x {name}" for name, count in run.steps["over_limit"].items()) or "none"
    return Section(
        "A brownout: 20 times the latency, half of the calls fail",
        f"The origin takes 5 ms; for {broken_s} s it takes 100 ms and every second call fails. Meanwhile {MISSES_PER_S} "
        f"keys a second are asked for that memory does not have, and {STALE_PER_S} a second of 200 keys with a ttl of 2 s "
        "and a stale copy that the policy allows. CPU time is that of the loop's thread while hits (GET, 50 connections, "
        f"depth 16) come as fast as they are answered, in {len(cpu.pairs)} interleaved pairs; steps are of the whole run.",
        [
            Verdict("attempts at the origin, per second", "<= 110% of normal", f"{attempts:.0%}", attempts <= MOST_ATTEMPTS),
            Verdict(
                "CPU time per hit", "within 10%",
                f"{cpu.ratio - 1:+.1%} ({normal_us:.2f} us, {faulty_us:.2f} us)", cpu.ratio <= MOST_CPU,
            ),
            Verdict(
                "longest step of the loop, CPU", "<= 1 ms", f"{run.steps['longest_ms']:.2f} ms; over: {over}",
                run.steps["longest_ms"] <= STEP_MS,
            ),
            Verdict(
                "keys with an allowed stale copy", ">= 99.9% answered", f"{run.stale_success:.2%} of {run.stale_asked:,}",
                run.stale_success >= LEAST_SUCCESS,
            ),
            Verdict("over after the fault ends", "<= 5 s", f"{run.recovered_s:.1f} s", run.recovered_s <= RECOVERED_S),
        ],
        table(["", "misses answered", "errors", "attempts a second"], run.rows()),
        run.plot,
    )  # fmt: skip


class _Run:
    """Healthy, broken, healthy again."""

    def __init__(self, folder: Path, healthy_s: float, broken_s: float) -> None:
        folder.mkdir()
        sidecar = FaultySidecar(folder, origin="memory://", policy=POLICY, meter=True)
        try:
            prepare(sidecar)
            with cold(sidecar, MISSES_PER_S) as misses, stale(sidecar, STALE_PER_S) as copies:
                time.sleep(3)  # every stale key has been filled once, all is under way
                sidecar.steps()
                self.began_s = time.monotonic()
                self.healthy_attempts = self._attempts_in(sidecar, healthy_s)
                self.broke_s = time.monotonic()
                sidecar.faults(BROWNOUT)
                self.broken_attempts = self._attempts_in(sidecar, broken_s)
                self.mended_s = time.monotonic()
                sidecar.faults(NORMAL)
                self.after_attempts = self._attempts_in(sidecar, 2 * RECOVERED_S)
                self.ended_s = time.monotonic()
                self.steps: dict[str, Any] = sidecar.steps()
        finally:
            sidecar.stop()
        self.misses = misses.replies
        during = copies.between(self.broke_s, self.mended_s)
        self.stale_asked, self.stale_success = len(during), succeeded(during)
        self.recovered_s = recovered_after_s(self.misses, self.mended_s)

    def _attempts_in(self, sidecar: FaultySidecar, seconds: float) -> int:
        before = sidecar.calls()["reads"]
        time.sleep(seconds)
        return sidecar.calls()["reads"] - before

    def rows(self) -> list[list[object]]:
        spans = (
            ("healthy", self.began_s, self.broke_s, self.healthy_attempts),
            ("brownout", self.broke_s, self.mended_s, self.broken_attempts),
            ("after", self.mended_s, self.ended_s, self.after_attempts),
        )
        rows: list[list[object]] = []
        for name, begins_s, ends_s, attempts in spans:
            replies = [reply for reply in self.misses if begins_s <= reply.at_s < ends_s]
            rows.append([name, f"{succeeded(replies):.1%}", errors(replies), f"{attempts / (ends_s - begins_s):.0f}"])
        return rows

    def plot(self, axes: Any) -> None:
        """Misses answered, by second."""
        seconds = range(int(self.ended_s - self.began_s))
        for name, wanted in (("answered", True), ("errors", False)):
            counts = [
                sum((not r.error) == wanted for r in self.misses if s <= r.at_s - self.began_s < s + 1) for s in seconds
            ]
            axes.plot(seconds, counts, label=f"misses: {name}")
        axes.axvspan(
            self.broke_s - self.began_s, self.mended_s - self.began_s, alpha=0.15, color="red", label="brownout"
        )
        axes.set_xlabel("s")
        axes.set_ylabel("a second")
        axes.legend()


def errors(replies: Sequence[Reply]) -> str:
    """How often which."""
    counts: dict[str, int] = {}
    for reply in replies:
        if reply.error:
            counts[reply.error] = counts.get(reply.error, 0) + 1
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
