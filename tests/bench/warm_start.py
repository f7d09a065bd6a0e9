"""Hit ratio after a restart: cold, with the keys of a snapshot (kill -9), with its values (a clean stop).

    python tests/bench/warm_start.py [--keys 200000] [--seconds 10] [--rate 4000] [--memory 10MiB]

One SQLite file, zipf reads at a fixed rate, memory for less than half of the keys. First the steady hit ratio is measured,
then the process is stopped or killed, started again, and asked from its first PONG on; each window has the share of
reads that memory answered, by the server's own count.
"""

import itertools
import json
import random
import shutil
import signal
import statistics
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from dataset import STRINGS, Client, read_key
from options import parser as options_parser
from options import settled
from results import publish, table
from targets import Sidecar

GOAL, GOAL_S = 0.9, 10.0  # of the steady hit ratio, within so many seconds
EXPONENT = 0.9
PIPELINE = 20
WINDOW_S = 0.5
EVERY_S = 2  # a snapshot's period
SNAPSHOT_S = 60  # a busy machine's, not a target
POLICY = f"""version: 1
defaults: {{ttl: 1d, deadline: 10s, write_deadline: 30s}}
snapshot: {{every: {EVERY_S}s}}
"""


class Restarted(Sidecar):
    """A sidecar over a SQLite file, with a snapshot or without, that can be started again."""

    policy = POLICY
    memory = "10MiB"

    @property
    def origin(self) -> str:  # type: ignore[override]
        return f"sqlite://{self.folder / 'features.db'}"

    @property
    def snapshot(self) -> Path:
        """Where it is kept."""
        return self.folder / "snapshot"

    @property
    def options(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("--max-memory", self.memory, "--snapshot", str(self.snapshot))

    def end(self, number: signal.Signals) -> float:
        """Send the process a signal; how many seconds it took to end."""
        process = self.processes.pop()
        began_s = time.monotonic()
        process.send_signal(number)
        process.wait(30)
        return time.monotonic() - began_s

    def start_again(self) -> float:
        """Seconds until PING is answered."""
        began_s = time.monotonic()
        self.start()
        self.wait_until_ready()
        return time.monotonic() - began_s

    def page(self, path: str) -> bytes | None:
        """A page of the admin port; None: not 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as response:
                return bytes(response.read())
        except urllib.error.URLError:
            return None

    def origin_reads(self) -> int:
        """Documents asked of the origin by this process."""
        requests = json.loads(self.page("/overview") or b"{}")["origin"]["requests"]
        return sum(number for name, number in requests.items() if name.startswith("read "))


class Course(NamedTuple):
    """What became of a restart.

    Attributes:
        ratios: hit ratio of each window.
        worst_ms: the 99th percentile of a pipeline's time.
        ready_s: from the first PONG until /readyz; None: not within the time.
        reads: documents asked of the origin in all that time.
    """

    ratios: list[float]
    worst_ms: float
    ready_s: float | None
    reads: int


class Traffic:
    """Zipf reads at a fixed rate, one pipeline after the other."""

    def __init__(self, keys: int, rate: float) -> None:
        self._draw = random.Random(1)
        self._numbers = list(range(keys))
        random.Random(2).shuffle(self._numbers)  # hot keys lie anywhere
        self._weights = list(itertools.accumulate(1 / (rank + 1) ** EXPONENT for rank in range(keys)))
        self._rate = rate

    def pipeline(self) -> list[bytes]:
        """The next reads."""
        chosen = self._draw.choices(self._numbers, cum_weights=self._weights, k=PIPELINE)
        return [read_key(number) for number in chosen]

    def run(self, target: Restarted, seconds: float) -> Course:
        """Ask for so long; requests are due at fixed times, whatever the server does."""
        with Client(target.port) as client:
            times_ms, ratios, ready_s = [], [], None
            began_s = time.monotonic()
            hits, misses = counts(client)
            for window in range(1, round(seconds / WINDOW_S) + 1):
                until_s = began_s + window * WINDOW_S
                while (now_s := time.monotonic()) < until_s:
                    client.ask(self.pipeline())
                    times_ms.append((time.monotonic() - now_s) * 1e3)
                    time.sleep(max(0.0, began_s + len(times_ms) * PIPELINE / self._rate - time.monotonic()))
                seen_hits, seen_misses = counts(client)
                ratios.append((seen_hits - hits) / max(1, seen_hits - hits + seen_misses - misses))
                hits, misses = seen_hits, seen_misses
                if ready_s is None and target.page("/readyz"):
                    ready_s = time.monotonic() - began_s
        return Course(ratios, statistics.quantiles(times_ms, n=100)[98], ready_s, target.origin_reads())


def counts(client: Client) -> tuple[int, int]:
    """Entries answered from memory, and not."""
    return client.info("stats", "keyspace_hits"), client.info("stats", "keyspace_misses")


def row_of(name: str, course: Course, steady: float, start_s: float) -> list[object]:
    """A line of the table."""
    goal = GOAL * steady
    reached = next((n for n in range(len(course.ratios)) if min(course.ratios[n:]) >= goal), None)
    reached_s = "-" if reached is None else f"{(reached + 1) * WINDOW_S:g}"
    windows = [f"{statistics.mean(course.ratios[n : n + 2]):.1%}" for n in (0, 4, len(course.ratios) - 2)]
    is_met = reached is not None and (reached + 1) * WINDOW_S <= GOAL_S
    met = "-" if name == "cold" else "yes" if is_met else "no"
    ready = "-" if course.ready_s is None else f"{course.ready_s:.1f}"
    return [name, f"{start_s:.2f}", *windows, reached_s, met, ready, course.reads, f"{course.worst_ms:.1f}"]


def wait_for_snapshot(target: Restarted) -> None:
    """Until one was written after now."""
    asked_s = time.time()
    while (
        json.loads(target.page("/overview") or b'{"snapshot": {"written_at": 0}}')["snapshot"]["written_at"] < asked_s
    ):
        if time.time() > asked_s + SNAPSHOT_S:
            raise RuntimeError(f"no snapshot was written in {SNAPSHOT_S} s")
        time.sleep(0.05)


def main() -> None:
    """All three restarts, and the section of RESULTS.md."""
    parser = options_parser(__doc__)
    parser.add_argument("--keys", type=int, help="200,000, if quick 20,000")
    parser.add_argument("--seconds", type=float, help=f"of each course ({GOAL_S:g}, if quick 3)")
    parser.add_argument("--rate", type=float, default=4000, help="reads a second (default: 4000)")
    parser.add_argument("--memory", default="10MiB")
    arguments = settled(parser.parse_args(), keys=(200_000, 20_000), seconds=(GOAL_S, 3.0))
    Restarted.memory = arguments.memory
    target = Restarted()
    try:
        traffic = Traffic(arguments.keys, arguments.rate)
        with Client(target.port) as client:
            client.store(STRINGS._replace(items=arguments.keys))
            for _ in range(5 * arguments.keys // PIPELINE):
                client.ask(traffic.pipeline())
        steady_course = traffic.run(target, arguments.seconds)
        steady = statistics.mean(steady_course.ratios)
        rows = [["steady", "-", *[f"{steady:.1%}"] * 3, "-", "-", "-", "-", f"{steady_course.worst_ms:.1f}"]]
        stop_s = target.end(signal.SIGTERM)
        size = target.snapshot.stat().st_size
        start_s = target.start_again()
        rows.append(row_of("values", traffic.run(target, arguments.seconds), steady, start_s))
        wait_for_snapshot(target)
        target.end(signal.SIGKILL)
        keys_size = target.snapshot.stat().st_size
        start_s = target.start_again()
        rows.append(row_of("keys", traffic.run(target, arguments.seconds), steady, start_s))
        target.end(signal.SIGKILL)
        target.snapshot.unlink()
        start_s = target.start_again()
        rows.append(row_of("cold", traffic.run(target, arguments.seconds), steady, start_s))
    finally:
        target.stop()
        shutil.rmtree(target.folder, ignore_errors=True)
    last = f"{arguments.seconds:g}"
    head = ["start", "PONG after s", "first s", "third s", f"s {last}", f"{GOAL:.0%} of steady after s"]
    head += [f"within {GOAL_S:g} s", "ready after s", "origin reads", "p99 of a pipeline, ms"]
    words = (
        f"Share of reads answered from memory: {arguments.keys:,} keys of 24 bytes with 64-byte values in SQLite, zipf "
        f"{EXPONENT}, {arguments.rate:g} reads a second in pipelines of {PIPELINE}, `--max-memory {arguments.memory}`.\n"
        f"*values*: after SIGTERM (it took {stop_s:.2f} s; {size / 1e6:.1f} MB). *keys*: after kill -9, from the periodic "
        f"snapshot ({keys_size / 1e6:.1f} MB). *cold*: without a snapshot."
    )
    publish("Warm start", f"{words}\n\n{table(head, rows)}", arguments.results)
    if not arguments.quick and any(row[6] == "no" for row in rows):
        sys.exit(f"not warm: expected {GOAL:.0%} of the steady hit ratio within {GOAL_S:g} s")


if __name__ == "__main__":
    main()
