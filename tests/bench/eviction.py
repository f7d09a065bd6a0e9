"""Hit ratios of the memory tier under the loads that PERFORMANCE figures are given for; real memory limits as sizes.

    python tests/bench/eviction.py [TRACE.xz] [--load NAME]

Every key has 24 bytes and every value 64; a cache of n entries gets n x 114 bytes in all: items, index, ghosts. A look-up
that misses installs. What it does not show: sizes that differ, writes, expiry.
TRACE: xz of big-endian 64-bit ids in the order asked.
"""

import argparse
import itertools
import lzma
import random
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from policies._table import RuleTable
from sidecar.memory import Store
from sidecar.metrics._counters import Counters
from sidecar.origins.base import Found

ENTRY_BYTES = 114  # 88 of key and value, 10 header, 10 index, 5 ghost, 1 for segments being filled or emptied
NEVER = 1 << 30
VALUE = Found(b"v" * 64)
SEED = bytes(range(16))


class OneRule:
    """A policy in which nothing ages."""

    def row_rule(self, key: bytes) -> int:
        return 0

    def field_rules(self, row_rule: int, names: list[bytes]) -> list[int]:
        return [0] * len(names)


def store_for(entries: int) -> Store:
    """A memory tier of about so many entries."""
    table = RuleTable([(NEVER, NEVER, NEVER, NEVER, 0, 0, 0)], 1, 0, OneRule())
    return Store(max(entries * ENTRY_BYTES, 65536), table, Counters(), SEED)


def hit_ratio(keys: Iterable[int], entries: int) -> float:
    """The share of look-ups that a cache of about so many entries answers, from empty."""
    store = store_for(entries)
    hits = asked = 0
    for number in keys:
        key = b"%024d" % number
        asked += 1
        if store.lookup(key) is not None:
            hits += 1
        else:
            store.install(key, VALUE, 0, 0)
    return hits / asked


def zipf(exponent: float, keys: int, count: int, seed: int = 1) -> Iterator[int]:
    """Independent draws: key k has weight 1 / (k + 1) ** exponent, numbers shuffled."""
    chance = random.Random(seed)
    names = list(range(keys))
    chance.shuffle(names)
    cumulative = list(itertools.accumulate((k + 1) ** -exponent for k in range(keys)))
    while count > 0:
        yield from chance.choices(names, cum_weights=cumulative, k=min(count, 10_000))
        count -= 10_000


def zipf_with_scans(exponent: float, keys: int, count: int) -> Iterator[int]:
    """After every 50,000 draws, 20,000 keys that are used once."""
    fresh = itertools.count(keys)
    draws = zipf(exponent, keys, count)
    for _ in range(count // 50_000):
        yield from itertools.islice(draws, 50_000)
        yield from itertools.islice(fresh, 20_000)


def loop(times: float, entries: int, rounds: int) -> Iterator[int]:
    """`times` as many keys as the cache really holds, in the same order, again and again."""
    full = store_for(entries)
    for number in range(2 * entries):
        full.install(b"%024d" % number, VALUE, 0, 0)
    return itertools.chain.from_iterable(range(int(times * len(full))) for _ in range(rounds))


def read_trace(path: Path) -> list[int]:
    """The ids of a trace file."""
    data = lzma.decompress(path.read_bytes())
    return [number for (number,) in struct.iter_unpack(">Q", data)]


LOADS = {  # name: (keys, cache entries, what S3-FIFO of one size and no overhead reaches)
    "zipf 0.8, 10%": (lambda: zipf(0.8, 200_000, 1_000_000), 20_000, 0.540),
    "zipf 0.99, 10%": (lambda: zipf(0.99, 200_000, 1_000_000), 20_000, 0.768),
    "zipf 0.99 with scans, 10%": (lambda: zipf_with_scans(0.99, 200_000, 1_000_000), 20_000, 0.532),
    "loop 1.1x": (lambda: loop(1.1, 20_000, 20), 20_000, 0.750),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", nargs="?", type=Path)
    parser.add_argument("--load", choices=LOADS)
    arguments = parser.parse_args()
    for name, (make, entries, published) in LOADS.items():
        if arguments.load in (None, name):
            print(f"{name:28} {hit_ratio(make(), entries):.3f}  (S3-FIFO {published:.3f})", flush=True)
    if arguments.trace:
        ids = read_trace(arguments.trace)
        distinct = len(set(ids))
        for share, published in ((0.01, 0.427), (0.1, 0.628)):
            ratio = hit_ratio(ids, int(distinct * share))
            print(f"{arguments.trace.name} {share:.0%}   {ratio:.3f}  (S3-FIFO {published:.3f})", flush=True)


if __name__ == "__main__":
    main()
