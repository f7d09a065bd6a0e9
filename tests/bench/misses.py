"""What a miss through Couchbase costs beside the bare SDK: added latency, documents a second, CPU per document.

    python tests/bench/misses.py [--rounds 5] [--documents 2000]

In one process, against the wire-level node of the tests in another: the miss path as it is assembled in a sidecar, over
hashes of 20 fields, with a policy that keeps nothing, beside as many gathered ``get`` of the SDK's asynchronous API,
which is given its bytes and decodes nothing. The two take turns; figures are medians of the rounds.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from options import parser as options_parser
from options import settled
from results import publish, table
from servers.couchbase_node_origin import started_origin, within
from servers.couchbase_node_process import CouchbaseNodeProcess

import policies
from sidecar.clock import SystemClock
from sidecar.fetch import build_miss_path
from sidecar.memory import Store
from sidecar.metrics import Counters
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import HashSet
from sidecar.origins.couchbase import CouchbaseOrigin

BATCHES = (1, 10, 100)
FIELDS = 20
KEYS = 500
TIMEOUT = timedelta(seconds=5)
POLICY = "version: 1\ndefaults: {ttl: 0s, deadline: 5s, write_deadline: 5s}\n"
GOAL_ADDED_US, GOAL_CPU = 60, 1.3
NOTE = f"""us. *Added*: what the miss path takes longer than the bare SDK for one batch. Hashes of {FIELDS} fields, which the
miss path decodes and the bare SDK does not. Goals: added p50 of a single read <= {GOAL_ADDED_US} us, CPU per document in
batches of 100 <= {GOAL_CPU} times the bare SDK's."""

Read = Callable[[list[bytes]], Awaitable[object]]


class Figures(NamedTuple):
    """Of one way and one size of batch: us of a batch, and of CPU for a document."""

    p50: float
    p99: float
    cpu: float
    documents_per_s: float


class Policy:
    """Where the miss path finds the running policy."""

    def __init__(self) -> None:
        self.current = policies.parse(POLICY, "policy.yaml").compile(None)


async def measured(read: Read, batch: int, documents: int) -> Figures:
    """Ask for ``documents`` in batches, one batch after the other."""
    walls = []
    cpu, began = time.process_time(), time.perf_counter()
    rounds = max(10, documents // batch)
    for number in range(rounds):
        keys = [b"user:%d" % ((number * batch + at) % KEYS) for at in range(batch)]
        start = time.perf_counter()
        await read(keys)
        walls.append((time.perf_counter() - start) * 1e6)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    cuts = statistics.quantiles(walls, n=100, method="inclusive")
    return Figures(statistics.median(walls), cuts[98], cpu * 1e6 / rounds / batch, rounds * batch / took)


async def ways(origin: CouchbaseOrigin) -> dict[str, Read]:
    """The bare SDK, and the miss path over it."""
    collection = await origin._connection.collection("", "_default", "_default")
    policy, clock, counters = Policy(), SystemClock(), Counters()
    store = Store(16 << 20, policy.current.table, counters)
    loop = asyncio.get_running_loop()
    path = build_miss_path(loop, clock, store, origin, policy, counters, MissPathCounters("couchbase"))

    async def bare(keys: list[bytes]) -> object:
        return await asyncio.gather(*[collection.get(key.decode(), timeout=TIMEOUT) for key in keys])

    async def ours(keys: list[bytes]) -> object:
        return await path.reads.get_many([(key, None) for key in keys])

    return {"bare SDK": bare, "miss path": ours}


async def compare(url: str, rounds: int, documents: int) -> dict[int, dict[str, Figures]]:
    """Both ways in turn, for each size of batch; medians over the rounds."""
    found: dict[int, dict[str, Figures]] = {}
    async with started_origin(url) as origin:
        writes = [
            HashSet(b"user:%d" % key, {b"feature_%d" % at: b"%d" % (key * at) for at in range(FIELDS)})
            for key in range(KEYS)
        ]
        await origin.write_many(writes, within())
        while not await _opened(origin):
            await asyncio.sleep(0.01)
        by_way = await ways(origin)
        for batch in BATCHES:
            runs: dict[str, list[Figures]] = {name: [] for name in by_way}
            for number in range(rounds + 1):
                for name, read in list(by_way.items())[:: -1 if number % 2 else 1]:
                    figures = await measured(read, batch, documents)
                    if number:  # the first round warms up
                        runs[name].append(figures)
            found[batch] = {
                name: Figures(*(statistics.median(column) for column in zip(*figures, strict=True)))
                for name, figures in runs.items()
            }
            print(f"{batch}: {found[batch]}", file=sys.stderr, flush=True)
    return found


async def _opened(origin: CouchbaseOrigin) -> bool:
    """Whether batches have the way that they have in a sidecar that runs for a while."""
    batches = origin._connection.batches
    if taken := batches.take(max(BATCHES)):
        await batches.get(("", "_default", "_default"), ["none"], TIMEOUT, len)
    return taken


def report(found: dict[int, dict[str, Figures]]) -> str:
    """The section."""
    head = ("batch", "way", "p50", "p99", "added p50", "added p99", "CPU a document", "ratio", "documents a second")
    rows = []
    for batch, by_way in found.items():
        bare = by_way["bare SDK"]
        for name, each in by_way.items():
            added = ("", "") if each is bare else (f"{each.p50 - bare.p50:+.0f}", f"{each.p99 - bare.p99:+.0f}")
            ratio = "" if each is bare else f"{each.cpu / bare.cpu:.2f}"
            rate = f"{each.documents_per_s:,.0f}"
            rows.append((batch, name, f"{each.p50:.0f}", f"{each.p99:.0f}", *added, f"{each.cpu:.0f}", ratio, rate))
    return f"{NOTE}\n\n{table(head, rows)}"


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--rounds", type=int, help="5, if quick 1")
    parser.add_argument("--documents", type=int, help="asked in each window (4000, if quick 300)")
    options = settled(parser.parse_args(), rounds=(5, 1), documents=(4000, 300))
    with CouchbaseNodeProcess() as node:
        found = asyncio.run(compare(node.url, options.rounds, options.documents))
    publish("Misses through Couchbase", report(found), options.results)


if __name__ == "__main__":
    main()
