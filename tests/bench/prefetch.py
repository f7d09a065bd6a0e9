"""Prefetching off, declared and learned, on generated sessions: hits, origin reads, latency, precision, coverage.

    python tests/bench/prefetch.py [--seconds 90] [--rate 40] [--loads recommender,fraud,shuffled,broken]

The real miss path, memory tier and prefetcher run on virtual time over an origin whose batch takes 1 ms and 20 us for each
document, so every run of the program gives the same figures. The first 60 s are for learning; what counts is asked after.
What it does not show: the sockets and the hot path (make bench), a busy origin (make chaos).
"""

import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from options import parser as options_parser
from options import settled
from prefetch_loads import LEARNING_S, LOADS, Load, Request
from prefetch_side import Side
from results import publish, table

TICK_S = 0.05
BASE_S, DOCUMENT_S = 0.001, 0.00002
POLICY = """version: 1
defaults: {ttl: 20s, jitter: 10%, stale_while_revalidate: 0s, negative_ttl: 20s, deadline: 1s}
"""
MODES = {"off": "learn: false", "declared": "learn: false", "learned": "learn: true"}


class Figures(NamedTuple):
    """Of one run, from the 60th second on; ``reads``: documents, of the whole run; ``all_reads_after``: of the later part."""

    asked: int
    followers: int
    follower_hits: int
    misses: int
    reads: int
    reads_after: int
    mean_ms: float
    p99_ms: float
    used: int
    wasted: int
    off_at_s: float | None
    on_at_end: int


class Run:
    """One workload under one mode."""

    def __init__(self, load: Load, mode: str) -> None:
        sets = load.sets if mode == "declared" else ""
        self.side = Side(f"{POLICY}prefetch: {{{MODES[mode]}}}\n{sets}")
        self.loop = self.side.loop
        self.load = load
        self.latencies: list[float] = []
        self.asked = self.followers = self.follower_hits = self.misses = 0
        self.reads_before = 0
        self.off_at_s: float | None = None
        self.outcomes_before: dict[tuple[str, str], int] = {}
        self.side.origin.seconds_for = lambda documents: BASE_S + DOCUMENT_S * documents

    def figures(self) -> Figures:
        """Run it."""
        end_s = self.load.requests[-1].at_s
        begin_s = self.loop.time()
        ticks = iter(range(1, int(end_s / TICK_S)))
        next_tick = next(ticks)
        for request in self.load.requests:
            while next_tick * TICK_S <= request.at_s:
                self._pass_to(begin_s + next_tick * TICK_S)
                self._tick(next_tick * TICK_S)
                next_tick = next(ticks, 1 << 40)
            self._pass_to(begin_s + request.at_s)
            self._ask(request)
        self._pass_to(begin_s + end_s + 1)
        return self._settle()

    def _pass_to(self, at_s: float) -> None:
        if at_s > self.loop.time():
            self.loop.settle(at_s)

    def _tick(self, at_s: float) -> None:
        self.side.settle(0)
        states = self._states()
        if any(not state.is_on for state in states) and self.off_at_s is None:
            self.off_at_s = at_s
        if at_s >= LEARNING_S and not self.reads_before:
            self.reads_before = self._documents()
            self.outcomes_before = dict(self.side.misses.prefetched)

    def _states(self) -> list[Any]:
        learned = [one.state for one in self.side.prefetcher.learned.rules.values()]
        return [*self.side.prefetcher.states, *learned]

    def _ask(self, request: Request) -> None:
        """One request, as the poller and the dispatcher would take it."""
        side = self.side
        counts = request.at_s >= LEARNING_S
        begun_s = self.loop.time()
        side.touches.begin(request.connection, side.now_tick())
        for key in request.keys:
            answer = side.memory(key)
            if answer is None:
                side.touches.add([key])
                if counts:
                    side.reads.read(key, None, lambda _: self.latencies.append(self.loop.time() - begun_s))
                else:
                    side.reads.read(key, None, lambda _: None)
            else:
                side.touches.touch(key, side.policy.row_rule(key))
                if counts:
                    self.latencies.append(0.0)
            if counts:
                self.asked += 1
                self.misses += answer is None
                if key in request.follows:
                    self.followers += 1
                    self.follower_hits += answer is not None
        side.touches.end()
        side.prefetcher.take()

    def _documents(self) -> int:
        return sum(number for (kind, _), number in self.side.misses.requests.items() if kind == "read")

    def _settle(self) -> Figures:
        def since(outcome: str) -> int:
            now, before = self.side.misses.prefetched, self.outcomes_before
            return sum(n - before.get(label, 0) for label, n in now.items() if label[1] == outcome)

        waits = sorted(self.latencies)
        return Figures(
            self.asked,
            self.followers,
            self.follower_hits,
            self.misses,
            self._documents(),
            self._documents() - self.reads_before,
            1000 * statistics.fmean(waits),
            1000 * waits[int(0.99 * len(waits))],
            since("used"),
            since("wasted"),
            self.off_at_s,
            sum(state.is_on for state in self._states()),
        )


def share(part: float, whole: float) -> str:
    """As a percentage; - of nothing."""
    return f"{100 * part / whole:.1f}%" if whole else "-"


def rows_of(name: str, runs: dict[str, Figures]) -> list[list[str]]:
    """One row a mode."""
    off = runs["off"]
    rows = []
    for mode, one in runs.items():
        saved = off.misses - one.misses
        rows.append(
            [
                name,
                mode,
                share(one.follower_hits, one.followers),
                share(one.asked - one.misses, one.asked),
                str(one.reads_after),
                f"{100 * (one.reads_after / off.reads_after - 1):+.1f}%",
                f"{one.mean_ms:.3f}",
                f"{one.p99_ms:.2f}",
                share(one.used, one.used + one.wasted),
                share(saved, off.misses),
            ]
        )
    return rows


def judge(name: str, runs: dict[str, Figures]) -> list[str]:
    """The bars, each with what was measured."""
    off, declared, learned = runs["off"], runs["declared"], runs["learned"]

    def bar(what: str, good: bool, measured: str) -> str:
        return f"- {name}: {what}: {measured} {'**reached**' if good else '**missed**'}"

    wasted = learned.wasted / max(1, learned.reads_after)
    extra = learned.reads / off.reads - 1
    if name == "broken":
        after = learned.reads_after / off.reads_after - 1
        return [
            f"- broken: what was learned is wrong after the 60th second: {learned.on_at_end} rules guess at the end, "
            f"{learned.wasted} documents were wasted and {100 * after:+.2f}% read since"
        ]
    if name == "shuffled":
        quiet = learned.on_at_end == 0
        return [
            bar("learned is off within 60 s (rules that guess at the end)", quiet, str(learned.on_at_end)),
            bar("and costs < 1% extra reads over the whole run", extra < 0.01, f"{100 * extra:+.2f}%"),
            f"- {name}: a declared set that is wrong is off after {declared.off_at_s:.0f} s and costs "
            f"{100 * (declared.reads / off.reads - 1):+.2f}% reads over the whole run"
            if declared.off_at_s is not None
            else f"- {name}: the declared set was not turned off",
        ]
    saved, best = off.misses - learned.misses, off.misses - declared.misses
    hits = declared.follower_hits / declared.followers
    precision = learned.used / max(1, learned.used + learned.wasted)
    return [
        bar("declared, members after the first hit >= 99%", hits >= 0.99, f"{100 * hits:.2f}%"),
        bar("learned reaches >= 80% of declared's coverage", saved >= 0.8 * best, share(saved, best)),
        bar("learned, precision >= 80%", precision >= 0.8, f"{100 * precision:.1f}%"),
        bar("learned, wasted reads <= 10%", wasted <= 0.1, f"{100 * wasted:.1f}%"),
    ]


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--seconds", type=float, help="of virtual time (90, if quick 65); 60 are for learning")
    parser.add_argument("--rate", type=float, help="sessions a second (40, if quick 20)")
    parser.add_argument("--loads", default=",".join(LOADS), help="separated by commas")
    options = settled(parser.parse_args(), seconds=(90.0, 65.0), rate=(40.0, 20.0))
    rows, bars = [], []
    for name in options.loads.split(","):
        load = LOADS[name](options.seconds, options.rate)
        runs = {}
        for mode in MODES:
            runs[mode] = Run(load, mode).figures()
            print(name, mode, runs[mode], file=sys.stderr, flush=True)
        rows += rows_of(name, runs)
        bars += judge(name, runs)
    head = [
        "load",
        "prefetch",
        "followers hit",
        "all hit",
        "origin reads",
        "to off",
        "mean ms",
        "p99 ms",
        "precision",
        "coverage",
    ]
    note = (
        "Virtual time, after 60 s. *Followers*: reads that an earlier request of the session foretold. *Coverage*: the share "
        "of the misses without prefetching that it saved. ms: until a key was answered, hits included."
    )
    publish("Prefetch", "\n\n".join([note, table(head, rows), "\n".join(bars)]), options.results)


if __name__ == "__main__":
    main()
