"""What makes the load: our compiled generator, and redis-benchmark where it can express the load."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from dataset import FIELDS, Data
from loads import Load
from targets import GENERATOR_CORE, Target

KEYS_ASKED, FIELDS_ASKED = 100, 50  # as in requests.h
PERCENTILE = re.compile(r"^(\d+\.\d+)% <= (\d+\.\d+) milliseconds", re.MULTILINE)
WARM_UP_S = 0.3
PINNED = ["taskset", "-c", str(GENERATOR_CORE)]


class Run(NamedTuple):
    """One measured window of one target under one load.

    Attributes:
        cpu_us: the server's user and system time per command.
        generator_share: of its core, that the generator used; near 1 it may be the bottleneck.
    """

    cpu_us: float
    operations_per_s: float
    p50_us: float
    p99_us: float
    p999_us: float
    generator_share: float


class LoadGenerator:
    """tests/bench/loadgen.c: draws every request anew, counts errors and nils, tells when its window begins."""

    def __init__(self, binary: Path, data: Data) -> None:
        self._binary = binary
        self._data = data

    def run(
        self, target: Target, load: Load, seconds: float, seed: int, rate: float = 0, keys: int = 0, writes: int = 5
    ) -> Run:
        """Run a load; CPU time is read at both ends of the generator's measured window.

        Args:
            rate: commands a second; 0: as fast as the server answers.
            keys: how many are asked for; 0: all.
            writes: percent, of the loads that write.

        Raises:
            RuntimeError: an error or a nil came back.
        """
        where = ["--unix", target.unix_path] if load.unix else ["--port", str(target.port)]
        options = ["--seconds", str(seconds), "--seed", str(seed)]
        options += ["--rate", str(rate), "--writes", str(writes), "--keys", str(keys or self._data.strings.items)]
        options += ["--rows", str(self._data.hashes.items), "--warm-up", str(min(WARM_UP_S, seconds))]
        process = subprocess.Popen(
            [*PINNED, str(self._binary), *where, *load.options(), *options], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        if process.stdout.readline() != "start\n":
            raise RuntimeError(f"{target.name}: the generator ended with {process.wait()}")
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


class RedisBenchmark:
    """redis-benchmark: no nils seen, no warm-up, connecting is in the figures; a second opinion on the ratios."""

    COMMANDS = {
        "get": ["GET", "key:00000000__rand_int__"],
        "mget": ["MGET", *["key:00000000__rand_int__"] * KEYS_ASKED],
        "hmget": ["HMGET", "row:00000000__rand_int__", *(f"f{n:04}" for n in range(0, FIELDS, FIELDS // FIELDS_ASKED))],
        "hgetall": ["HGETALL", "row:00000000__rand_int__"],
    }

    def __init__(self, data: Data) -> None:
        self._data = data

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("redis-benchmark") is not None

    def can(self, load: Load) -> bool:
        """Whether it has words for this load."""
        return load.kind in self.COMMANDS

    def run(self, target: Target, load: Load, operations: int) -> Run:
        """Run so many commands of a load."""
        where = ["-s", target.unix_path] if load.unix else ["-p", str(target.port)]
        options = ["-c", str(load.connections), "-P", str(load.depth), "-n", str(operations), "--precision", "3"]
        asked = self._data.strings if load.kind in ("get", "mget") else self._data.hashes
        numbers = ["-r", str(asked.items)]
        command = [*PINNED, "redis-benchmark", *where, *options, *numbers, *self.COMMANDS[load.kind]]
        before = target.cpu_s()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        output = process.stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        used = target.cpu_s() - before
        rate = re.search(r"throughput summary: (\d+\.\d+)", output)
        if process.returncode or rate is None:
            raise RuntimeError(f"{target.name}: redis-benchmark ended with {process.returncode}:\n{output[-500:]}")
        distribution = [(float(share) / 100, float(ms) * 1000) for share, ms in PERCENTILE.findall(output)]
        percentiles = [next(us for share, us in distribution if share >= wanted) for wanted in (0.5, 0.99, 0.999)]
        seconds = operations / float(rate[1])
        return Run(
            used / operations * 1e6, float(rate[1]), *percentiles, (usage.ru_utime + usage.ru_stime) / seconds
        )  # fmt: skip
