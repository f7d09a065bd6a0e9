"""Hits beside redis-server and two proxies: CPU time of the server per command, throughput, latency, and ratios.

    python tests/bench/hits.py [--rounds 3] [--seconds 1.5] [--loads get1,get16] [--targets redis,sidecar]

Servers run on one core and the generator on another. Targets take turns within a round and the order turns every
round; a ratio is the median over the rounds of each round's own ratio to redis-server. The tables go to RESULTS.md and
the plot to results.png, both beside this file.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import hits_report
from generators import LoadGenerator, RedisBenchmark, Run
from loads import LOADS
from proxies import Envoy, Nutcracker
from results import publish
from targets import EmptyServer, Redis, Sidecar, Target, compiled

TARGETS: dict[str, type[Target]] = {kind.name: kind for kind in (Redis, Nutcracker, Envoy, Sidecar, EmptyServer)}
Runs = dict[str, dict[str, list[Run]]]  # load -> target -> one Run a round


class Comparison:
    """The targets under one load after another.

    Attributes:
        runs: by our generator.
        second_opinion: by redis-benchmark, of redis and the sidecar only.
    """

    def __init__(self, targets: list[Target], folder: Path, rounds: int, seconds: float) -> None:
        self.targets = targets
        self.rounds = rounds
        self.seconds = seconds
        self.runs: Runs = {}
        self.second_opinion: Runs = {}
        self._generator = LoadGenerator(compiled("loadgen", folder))
        self._redis_benchmark = RedisBenchmark() if RedisBenchmark.is_installed() else None

    def measure(self, name: str) -> None:
        """All rounds of one load."""
        load = LOADS[name]
        able = [target for target in self.targets if target.has_unix or not load.unix]
        for number in range(self.rounds):
            for target in able if number % 2 == 0 else able[::-1]:
                run = self._generator.run(target, load, self.seconds, seed=number + 1)
                self.runs.setdefault(name, {}).setdefault(target.name, []).append(run)
            if self._redis_benchmark is not None and self._redis_benchmark.can(load):
                for target in able if number % 2 == 0 else able[::-1]:
                    if target.name in ("redis", "sidecar"):
                        expected = int(self.runs[name][target.name][number].operations_per_s * self.seconds)
                        run = self._redis_benchmark.run(target, load, expected)
                        self.second_opinion.setdefault(name, {}).setdefault(target.name, []).append(run)


def chosen(names: str) -> list[type[Target]]:
    """The targets named that are installed; redis must be."""
    kinds = [TARGETS[name.strip()] for name in names.split(",")]
    for kind in kinds:
        if not kind.is_installed():
            print(f"{kind.name} is left out; to install it: {kind.install}", file=sys.stderr)
    if Redis not in kinds or not Redis.is_installed():
        sys.exit("ratios need redis-server")
    return [kind for kind in kinds if kind.is_installed()]


def started(kind: type[Target]) -> Target:
    """A target with the data in it."""
    began = time.monotonic()
    target = kind()
    try:
        target.load()
    except BaseException:
        target.stop()
        raise
    print(f"{target.name}: started and loaded in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=1.5, help="of each measured window; CPU time has steps of 10 ms"
    )
    parser.add_argument("--loads", default=",".join(LOADS), help=f"of {', '.join(LOADS)}")
    parser.add_argument("--targets", default=",".join(TARGETS), help=f"of {', '.join(TARGETS)}")
    options = parser.parse_args()
    names = options.loads.split(",")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        targets = []
        for kind in chosen(options.targets):
            targets.append(started(kind))
            stack.callback(targets[-1].stop)
        comparison = Comparison(targets, folder, options.rounds, options.seconds)
        for name in names:
            comparison.measure(name)
            print(hits_report.progress(name, comparison.runs[name]), file=sys.stderr, flush=True)
    publish("Hits", hits_report.report(comparison.runs, comparison.second_opinion))
    hits_report.plot(comparison.runs)


if __name__ == "__main__":
    main()
