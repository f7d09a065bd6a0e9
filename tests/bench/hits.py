"""Hits beside redis-server and two proxies: CPU time of the server per command, throughput, latency, and ratios.

    python tests/bench/hits.py [--quick] [--rounds 3] [--seconds 1] [--loads get1,get16] [--targets redis,sidecar]

Servers run on one core and the generator on another. Targets take turns within a round and the order turns every
round; a ratio is the median over the rounds of each round's own ratio to redis-server. The tables go to RESULTS.md and
the plot to results.png, both beside this file.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import hits_report
from dataset import Data, data_of
from generators import LoadGenerator, RedisBenchmark, Run
from loads import LOADS
from options import parser as options_parser
from options import settled
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

    def __init__(self, targets: list[Target], data: Data, folder: Path, rounds: int, seconds: float) -> None:
        self.targets = targets
        self.rounds = rounds
        self.seconds = seconds
        self.runs: Runs = {}
        self.second_opinion: Runs = {}
        self._generator = LoadGenerator(compiled("loadgen", folder), data)
        self._redis_benchmark = RedisBenchmark(data) if RedisBenchmark.is_installed() else None

    def measure(self, name: str) -> None:
        """All rounds of one load."""
        load = LOADS[name]
        able = [target for target in self.targets if target.has_unix or not load.unix]
        for number in range(self.rounds):
            for target in able if number % 2 == 0 else able[::-1]:
                run = self._generator.run(target, load, self.seconds, seed=number + 1)
                self.runs.setdefault(name, {}).setdefault(target.name, []).append(run)
        if self._redis_benchmark is not None and self._redis_benchmark.can(load):
            for target in able:
                if target.name in ("redis", "sidecar"):
                    expected = int(self.runs[name][target.name][0].operations_per_s * self.seconds)
                    run = self._redis_benchmark.run(target, load, max(expected, load.connections * load.depth))
                    self.second_opinion.setdefault(name, {}).setdefault(target.name, []).append(run)


def chosen_loads(names: str) -> list[str]:
    """The loads named."""
    unknown = set(names.split(",")) - set(LOADS)
    if unknown:
        sys.exit(f"found the loads {', '.join(sorted(unknown))}, expected some of {', '.join(LOADS)}")
    return names.split(",")


def chosen(names: str) -> list[type[Target]]:
    """The targets named that are installed; redis must be."""
    kinds = [TARGETS[name.strip()] for name in names.split(",")]
    for kind in kinds:
        if not kind.is_installed():
            print(f"{kind.name} is left out; to install it: {kind.install}", file=sys.stderr)
    if Redis not in kinds or not Redis.is_installed():
        sys.exit("ratios need redis-server")
    return [kind for kind in kinds if kind.is_installed()]


def started(kind: type[Target], data: Data) -> Target:
    """A target with the data in it."""
    began = time.monotonic()
    target = kind()
    try:
        target.load(data)
    except BaseException:
        target.stop()
        raise
    print(f"{target.name}: started and loaded in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return target


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--rounds", type=int, help="3, if quick 1")
    parser.add_argument("--seconds", type=float, help="of each measured window (1, if quick 0.3)")
    parser.add_argument("--loads", default=",".join(LOADS), help=f"of {', '.join(LOADS)}")
    parser.add_argument("--targets", default=",".join(TARGETS), help=f"of {', '.join(TARGETS)}")
    options = settled(parser.parse_args(), rounds=(3, 1), seconds=(1.0, 0.3))
    data = data_of(options.share)
    names = chosen_loads(options.loads)
    kinds = chosen(options.targets)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        targets = []
        for kind in kinds:
            targets.append(started(kind, data))
            stack.callback(targets[-1].stop)
        comparison = Comparison(targets, data, folder, options.rounds, options.seconds)
        for name in names:
            comparison.measure(name)
            print(hits_report.progress(name, comparison.runs[name]), file=sys.stderr, flush=True)
    versions = [version for kind in kinds if (version := kind.version())]
    publish("Hits", hits_report.report(comparison.runs, comparison.second_opinion), options.results, versions)
    if options.results is not None:
        hits_report.plot(comparison.runs, options.results.with_name(hits_report.PICTURE))


if __name__ == "__main__":
    main()
