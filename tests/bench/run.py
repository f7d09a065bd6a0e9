"""Hits beside redis-server: CPU time of the server per command, latency and the ratio in the same run.

    python tests/bench/run.py [--rounds 3] [--seconds 1.5] [--loads get1,get16,...] [--out tests/bench/RESULTS.md]

Servers run on core 0 and the generator on core 1. Targets take turns within a round and the order turns every round;
a ratio is the median over rounds of each round's own ratio to redis-server. tests/bench/README.md says what this
does and does not show.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from targets import Redis, Sidecar, Target

HERE = Path(__file__).parent
SERVER_CORE, GENERATOR_CORE = 0, 1


class Load(NamedTuple):
    """One load: the generator's options and, where there is one, the ratio to reach."""

    options: tuple[str, ...]
    goal: float | None
    unix: bool = False


LOADS = {
    "get1": Load(("--load", "get"), 1.2),
    "get16": Load(("--load", "get", "--depth", "16"), 3.0),
    "get64": Load(("--load", "get", "--depth", "64"), 6.0),
    "mget1": Load(("--load", "mget"), 6.3),
    "mget8": Load(("--load", "mget", "--depth", "8"), 9.5),
    "hmget1": Load(("--load", "hmget"), 3.8),
    "hmget8": Load(("--load", "hmget", "--depth", "8"), 14),
    "hmgetr8": Load(("--load", "hmget-random", "--depth", "8"), 12),
    "hgetall1": Load(("--load", "hgetall"), 1.9),
    "hgetall8": Load(("--load", "hgetall", "--depth", "8"), 4.7),
    "zipf16": Load(("--load", "zipf", "--depth", "16"), 2.2),
    "mix16": Load(("--load", "mix", "--depth", "16"), 1.0),
    "unix1": Load(("--load", "get"), 1.5, unix=True),
    "unix16": Load(("--load", "get", "--depth", "16"), 4.5, unix=True),
    "get1_c1": Load(("--load", "get", "--connections", "1"), None),
    "get1_c1000": Load(("--load", "get", "--connections", "1000"), 1.2),
}


class Run(NamedTuple):
    """One measured window of one target under one load."""

    cpu_us: float
    operations_per_s: float
    p50_us: float
    p99_us: float
    p999_us: float
    generator_share: float


def build_generator(folder: Path) -> Path:
    """Compile the load generator."""
    binary = folder / "loadgen"
    subprocess.run(["cc", "-O2", "-o", str(binary), str(HERE / "loadgen.c"), "-lm"], check=True)
    return binary


def measure(generator: Path, target: Target, load: Load, seconds: float, seed: int) -> Run:
    """Run one load; CPU time is read exactly over the generator's measured window."""
    where = ("--unix", target.unix_path) if load.unix else ("--port", str(target.port))
    process = subprocess.Popen(
        ["taskset", "-c", str(GENERATOR_CORE), str(generator), *where, *load.options,
         "--seconds", str(seconds), "--seed", str(seed)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    if process.stdout.readline() != "start\n":
        raise RuntimeError("the generator did not start")
    before = target.cpu_s()
    result = json.loads(process.stdout.readline())
    used = target.cpu_s() - before
    process.wait()
    if result["errors"] or result["nils"]:
        raise RuntimeError(f"{target.name}: {result['errors']} errors and {result['nils']} nils")
    return Run(
        used / result["operations"] * 1e6, result["operations"] / result["seconds"],
        result["p50_us"], result["p99_us"], result["p999_us"], result["generator_cpu_share"],
    )  # fmt: skip


def compare(names: list[str], rounds: int, seconds: float) -> dict[str, dict[str, list[Run]]]:
    """Every load on every target, interleaved: load -> target -> one Run per round."""
    runs: dict[str, dict[str, list[Run]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        generator = build_generator(Path(folder))
        targets: list[Target] = [Redis(SERVER_CORE), Sidecar(SERVER_CORE)]
        try:
            for target in targets:
                started = time.monotonic()
                target.load()
                print(f"{target.name}: loaded in {time.monotonic() - started:.0f} s", file=sys.stderr)
            for name in names:
                for number in range(rounds):
                    order = targets if number % 2 == 0 else targets[::-1]
                    for target in order:
                        run = measure(generator, target, LOADS[name], seconds, seed=number + 1)
                        runs.setdefault(name, {}).setdefault(target.name, []).append(run)
                print(line(name, runs[name]), file=sys.stderr, flush=True)
        finally:
            for target in targets:
                target.stop()
    return runs


def median(runs: list[Run], field: str) -> float:
    return statistics.median(getattr(run, field) for run in runs)


def line(name: str, by_target: dict[str, list[Run]]) -> str:
    """One row of the table."""
    redis, ours = by_target["redis"], by_target["sidecar"]
    ratios = [theirs.cpu_us / own.cpu_us for theirs, own in zip(redis, ours, strict=True)]
    goal = LOADS[name].goal
    return (
        f"| {name} | {median(redis, 'cpu_us'):.2f} | {median(ours, 'cpu_us'):.2f} | **{statistics.median(ratios):.2f}** "
        f"| {goal if goal else '-'} | {median(redis, 'operations_per_s') / 1e3:.0f} | {median(ours, 'operations_per_s') / 1e3:.0f} "
        f"| {median(redis, 'p50_us'):.0f} / {median(redis, 'p99_us'):.0f} / {median(redis, 'p999_us'):.0f} "
        f"| {median(ours, 'p50_us'):.0f} / {median(ours, 'p99_us'):.0f} / {median(ours, 'p999_us'):.0f} "
        f"| {max(run.generator_share for run in ours):.0%} |"
    )


HEADER = """| load | redis us/op | sidecar us/op | ratio | goal | redis k op/s | sidecar k op/s | redis p50 / p99 / p99.9 us | sidecar p50 / p99 / p99.9 us | generator |
|---|---|---|---|---|---|---|---|---|---|"""


def cpu_model() -> str:
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            return text.partition(":")[2].strip()
    return platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--loads", default=",".join(LOADS))
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    names = options.loads.split(",")
    runs = compare(names, options.rounds, options.seconds)
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    text = (
        "# Hits beside redis-server\n\n"
        f"Made by `python tests/bench/run.py --rounds {options.rounds} --seconds {options.seconds}` on {time.strftime('%Y-%m-%d')}: "
        f"{cpu_model()}, Linux {platform.release()}, Python {platform.python_version()}, redis-server {redis.removeprefix('v=')}.\n"
        "us/op is the server's user and system CPU time per command; ratio = redis / sidecar, median of the rounds' own ratios.\n"
        "50 connections unless the name says otherwise; loads are described in tests/bench/README.md.\n\n"
        + HEADER + "\n" + "\n".join(line(name, runs[name]) for name in names) + "\n"
    )  # fmt: skip
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
