"""Hits at full speed, and what each costs the loop's thread: made by the compiled load generator of tests/bench."""

import json
import statistics
import subprocess
from pathlib import Path
from typing import NamedTuple

from chaos.faulty_sidecar import FaultySidecar

SOURCE = Path(__file__).resolve().parents[1] / "bench" / "loadgen.c"
SERVER_CORE, GENERATOR_CORE = 0, 1
CONNECTIONS, DEPTH = 50, 16
KEYS = 20_000


def key(number: int) -> bytes:
    """As the generator makes them."""
    return b"key:%020d" % number


class CpuPairs(NamedTuple):
    """Microseconds of the loop's thread per hit, normal and with the fault, of interleaved runs."""

    pairs: list[tuple[float, float]]

    @property
    def ratio(self) -> float:
        """The median of the pairs' own."""
        return statistics.median(faulty / normal for normal, faulty in self.pairs)

    def medians(self) -> tuple[float, float]:
        """Of the normal runs, and of those with the fault."""
        normal, faulty = zip(*self.pairs, strict=True)
        return statistics.median(normal), statistics.median(faulty)


class Hits:
    """The generator, compiled into a folder."""

    def __init__(self, folder: Path) -> None:
        self._binary = folder / "loadgen"
        subprocess.run(["cc", "-O2", "-o", str(self._binary), str(SOURCE), "-lm"], check=True)

    def cpu_us(self, sidecar: FaultySidecar, seconds: float, seed: int) -> float:
        """Run GETs of KEYS keys; CPU time of the loop's thread per answer.

        Raises:
            RuntimeError: an error or a nil came back.
        """
        command = [
            "taskset",
            "-c",
            str(GENERATOR_CORE),
            str(self._binary),
            "--port",
            str(sidecar.port),
            "--load",
            "get",
        ]
        command += ["--depth", str(DEPTH), "--connections", str(CONNECTIONS), "--keys", str(KEYS)]
        # no warm-up: its commands are not counted, and when it is over may be learned too late on a busy machine
        command += ["--seconds", str(seconds), "--seed", str(seed), "--warm-up", "0"]
        before_s = sidecar.cpu_s()
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        used_s = sidecar.cpu_s() - before_s
        result = json.loads(output.splitlines()[-1])
        if result["errors"] or result["nils"]:
            raise RuntimeError(f"hits: {result['errors']} errors and {result['nils']} nils")
        return float(used_s / result["operations"] * 1e6)
