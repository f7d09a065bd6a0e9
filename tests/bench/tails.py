"""p99.9 of hits while something else goes on, against the quiet run; and the CPU time of the longest loop step.

    python tests/bench/tails.py [--pairs 5] [--seconds 3] [--rate 20000] [--only reload,scrape]

Quiet and disturbed runs take turns on one server; a ratio is the median of the pairs' own. Each pair is run twice: with
requests due at fixed times, whatever the server does, so that a pause is felt by all that were due in it; and in a
closed loop, where the server is busy all the time. Steps are measured in a run of their own, on a server whose every
callback is timed (metered_server.py), and so are the collections of the garbage collector.
"""

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent))
from dataset import Client, data_of
from disturbances import Disturbance, Eviction, Expiry, Reload, Scrape, load_hot
from generators import LoadGenerator
from loads import Load
from options import parser as options_parser
from options import settled
from results import publish, table
from targets import Sidecar, compiled

KINDS: dict[str, type[Disturbance]] = {"reload": Reload, "expiry": Expiry, "scrape": Scrape, "eviction": Eviction}
MAY_DIFFER = 1.2
GET, CHURN = Load("get"), Load("churn")


class Metered(Sidecar):
    """A sidecar whose loop steps are measured."""

    def program(self) -> list[str]:
        self.steps_path = self.folder / "steps.json"
        return [
            "env",
            f"STEPS={self.steps_path}",
            sys.executable,
            "-I",
            str(Path(__file__).with_name("metered_server.py")),
        ]

    def steps(self) -> dict[str, object]:
        """What its meter saw since this was last asked."""
        self.steps_path.unlink(missing_ok=True)
        os.kill(self.processes[0].pid, signal.SIGUSR1)
        until = time.monotonic() + 5
        while not self.steps_path.exists():
            if time.monotonic() > until:
                raise RuntimeError("the meter does not answer")
            time.sleep(0.01)
        seen: dict[str, object] = json.loads(self.steps_path.read_text())
        return seen


class Tails:
    """Runs of one disturbance after another."""

    def __init__(self, generator: LoadGenerator, share: float, pairs: int, seconds: float, rate: float) -> None:
        self._generator = generator
        self._share = share
        self._pairs = pairs
        self._seconds = seconds
        self._rate = rate
        self._seed = 0

    def compare(self, kind: type[Disturbance], rate: float) -> list[tuple[float, float]]:
        """p99.9 in us of each pair: quiet, disturbed."""
        pairs = []
        disturbance = kind(self._share)
        target = started(Sidecar, disturbance)
        try:
            for number in range(self._pairs):
                if number and disturbance.anew:
                    target.stop()
                    target = started(Sidecar, disturbance)
                # a disturbance that uses its server up comes second; the others turn the order
                order = (False, True) if disturbance.anew or number % 2 == 0 else (True, False)
                seen = {disturbed: self._p999(target, disturbance, disturbed, rate) for disturbed in order}
                pairs.append((seen[False], seen[True]))
        finally:
            target.stop()
        return pairs

    def steps(self, kind: type[Disturbance]) -> dict[str, object]:
        """What the loop did in one disturbed run."""
        disturbance = kind(self._share)
        target = started(Metered, disturbance)
        try:
            with disturbance.active(target, self._seconds):
                target.steps()
                self._run(target, disturbance, disturbance.writes, self._rate)
                return target.steps()
        finally:
            target.stop()

    def _p999(self, target: Sidecar, disturbance: Disturbance, disturbed: bool, rate: float) -> float:
        if not disturbed:
            return self._run(target, disturbance, 0, rate)
        with disturbance.active(target, self._seconds):
            return self._run(target, disturbance, disturbance.writes, rate)

    def _run(self, target: Sidecar, disturbance: Disturbance, writes: int, rate: float) -> float:
        self._seed += 1
        load = CHURN if writes else GET
        return self._generator.run(target, load, self._seconds, self._seed, rate, disturbance.hot_keys, writes).p999_us


Kind = TypeVar("Kind", bound=Sidecar)


def started(kind: type[Kind], disturbance: Disturbance) -> Kind:
    """A server with the keys that are read, prepared for a disturbance."""

    class Prepared(kind):  # type: ignore[misc,valid-type]
        options = disturbance.options

    target: Kind = Prepared()
    try:
        with Client(target.port) as client:
            load_hot(client, disturbance.hot_keys)
        disturbance.prepare(target)
    except BaseException:
        target.stop()
        raise
    return target


def latency_row(name: str, pairs: list[tuple[float, float]]) -> list[str]:
    """One row: medians, and the median of the pairs' own ratios."""
    ratio = statistics.median(disturbed / quiet for quiet, disturbed in pairs)
    quiet, disturbed = (statistics.median(values) for values in zip(*pairs, strict=True))
    return [name, f"{quiet:.0f}", f"{disturbed:.0f}", f"**{ratio:.2f}**", "yes" if ratio <= MAY_DIFFER else "no"]


def step_row(name: str, seen: dict[str, object]) -> list[str]:
    """One row: the loop's steps and the collections during a run."""
    over: dict[str, int] = seen["over_limit"]  # type: ignore[assignment]
    words = ", ".join(f"{count} x {step}" for step, count in over.items()) or "none"
    collections = " / ".join(map(str, seen["collections"]))  # type: ignore[call-overload]
    return [
        name, f"{seen['steps']}", f"{seen['longest_ms']:.2f} ms ({seen['longest']})", words,
        f"{collections} ({seen['collecting_ms']:.1f} ms)",
    ]  # fmt: skip


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--pairs", type=int, help="5, if quick 1; 0: only the steps")
    parser.add_argument("--seconds", type=float, help="of each run (2, if quick 1)")
    parser.add_argument(
        "--rate", type=float, default=20_000, help="commands a second, of the runs that are not closed loops"
    )
    parser.add_argument("--only", default=",".join(KINDS), help=f"of {', '.join(KINDS)}")
    options = settled(parser.parse_args(), pairs=(5, 1), seconds=(2, 1))
    kinds = [KINDS[name] for name in options.only.split(",")]
    modes = {f"{options.rate:.0f} a second": options.rate, "closed loop": 0.0}
    latencies, steps = [], []
    with tempfile.TemporaryDirectory() as folder:
        generator = LoadGenerator(compiled("loadgen", Path(folder)), data_of(options.share))
        tails = Tails(generator, options.share, options.pairs, options.seconds, options.rate)
        for kind in kinds if options.pairs else ():
            for mode, rate in modes.items():
                latencies.append(latency_row(f"{kind.name}, {mode}", tails.compare(kind, rate)))
                print(" | ".join(latencies[-1]), file=sys.stderr, flush=True)
        for kind in (Disturbance, *kinds):
            steps.append(step_row(kind.name, tails.steps(kind)))
            print(" | ".join(steps[-1]), file=sys.stderr, flush=True)
    head = ["hits while there is", "quiet p99.9 us", "disturbed p99.9 us", "ratio", f"within {MAY_DIFFER - 1:.0%}"]
    step_head = ["during", "loop steps", "longest, CPU", "over 1 ms", "collections of generation 0 / 1 / 2"]
    note = (
        f"GET of {Disturbance(options.share).hot_keys} keys, 50 connections; medians of {options.pairs} pairs of {options.seconds:g} s. Steps and "
        "collections are of one run each; in the quiet one there are hits only."
    )
    publish("Tails", f"{note}\n\n{table(head, latencies)}\n\n{table(step_head, steps)}", options.results)


if __name__ == "__main__":
    main()
