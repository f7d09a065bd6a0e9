"""Hit ratios at equal bytes: the sidecar beside Redis's allkeys-lru and allkeys-lfu, all of them run, not modelled.

    python tests/bench/eviction.py [TRACE.xz] [--loads "loop 1.1x of 20,000"] [--tier-alone]

Every key has 24 bytes and every value 64. A cache of n entries gets n x 114 bytes: for the sidecar that is --max-memory,
items, index and all; Redis gets it on top of what it uses while empty. A miss is read through, so every cache asks for
the same keys. What it does not show: sizes that differ, writes, expiry.
TRACE: xz of big-endian 64-bit ids in the order asked.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from eviction_caches import SMALLEST, RealRedis, RealSidecar
from eviction_loads import EvictionLoad, synthetic, trace_loads
from options import parser as options_parser
from options import settled
from results import publish, table
from tier_alone import ENTRY_BYTES, hit_ratio


def compare(name: str, load: EvictionLoad, tier_alone: bool) -> list[str]:
    """One row of the table."""
    size = load.entries * ENTRY_BYTES
    if tier_alone or size < SMALLEST:
        ratios = [f"{hit_ratio(load.numbers(), load.entries):.3f} (tier alone)"]
    else:
        ratios = [f"{RealSidecar().hit_ratio(load.numbers(), size, sorted(set(load.numbers()))):.3f}"]
    for policy in ("allkeys-lru", "allkeys-lfu"):
        ratios.append("-" if tier_alone else f"{RealRedis(policy).hit_ratio(load.numbers(), size):.3f}")
    known = ["-" if figure is None else f"{figure:.3f}" for figure in (load.published, load.best)]
    row = [name, f"{size / 1024:.0f} KiB", *ratios, *known]
    print(" | ".join(row), file=sys.stderr, flush=True)
    return row


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("trace", nargs="?", type=Path)
    names = "; ".join(synthetic(1)).replace("%", "%%")
    parser.add_argument("--loads", help=f"separated by semicolons, of {names}; the trace is always run")
    parser.add_argument("--tier-alone", action="store_true", help="only our memory tier, in this process")
    options = settled(parser.parse_args())
    loads = synthetic(options.share)
    if options.loads:
        loads = {name.strip(): loads[name.strip()] for name in options.loads.split(";")}
    if options.trace:
        loads |= trace_loads(options.trace, options.share)
    rows = [compare(name, load, options.tier_alone) for name, load in loads.items()]
    head = ["load", "bytes", "sidecar", "redis allkeys-lru", "redis allkeys-lfu", "S3-FIFO published", "best possible"]
    note = (
        "Hit ratios from empty, at equal bytes. `tier alone`: the size is below what --max-memory takes, so the memory tier "
        "ran in the benchmark's own process."
    )
    publish("Eviction", note + "\n\n" + table(head, rows), options.results)


if __name__ == "__main__":
    main()
