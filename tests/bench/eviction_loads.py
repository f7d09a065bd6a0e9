"""Which keys are asked, in which order: what eviction is judged by."""

import itertools
import lzma
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

POPULATION, DRAWS, ROUNDS = 200_000, 1_000_000, 20


class EvictionLoad(NamedTuple):
    """One load.

    Attributes:
        numbers: the keys asked, afresh at each call.
        entries: how many entries the cache is given room for.
        published: what S3-FIFO reaches with items of one size and no overhead.
        best: what an eviction that knows the future reaches.
    """

    numbers: Callable[[], Iterator[int]]
    entries: int
    published: float | None
    best: float | None


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


def loop(keys: int, rounds: int) -> Iterator[int]:
    """All keys in the same order, again and again."""
    return itertools.chain.from_iterable(range(keys) for _ in range(rounds))


def read_trace(path: Path) -> list[int]:
    """The ids of a trace file: xz of big-endian 64-bit ids in the order asked."""
    return [number for (number,) in struct.iter_unpack(">Q", lzma.decompress(path.read_bytes()))]


def trace_loads(path: Path, share: float) -> dict[str, EvictionLoad]:
    """A trace at 1% and 10% of its ids; ids are numbered as they come, so that keys have one length.

    ``share``: of the requests, from the start.
    """
    seen: dict[int, int] = {}
    numbers = [seen.setdefault(identity, len(seen)) for identity in read_trace(path)]
    numbers = numbers[: int(len(numbers) * share)]
    return {
        f"{path.name.partition('.')[0]} {part:.0%}": EvictionLoad(
            lambda: iter(numbers), int(len(seen) * part), None, None
        )
        for part in (0.01, 0.1)
    }


def synthetic(share: float) -> dict[str, EvictionLoad]:
    """The made-up loads; ``share``: of the requests. Only of all of them are the published figures."""
    draws, rounds = int(DRAWS * share), max(1, int(ROUNDS * share))
    return {
        "zipf 0.8, 10%": EvictionLoad(lambda: zipf(0.8, POPULATION, draws), 20_000, 0.540, 0.675),
        "zipf 0.99, 10%": EvictionLoad(lambda: zipf(0.99, POPULATION, draws), 20_000, 0.768, 0.833),
        "zipf 0.99 with scans, 10%": EvictionLoad(
            lambda: zipf_with_scans(0.99, POPULATION, draws), 20_000, 0.532, 0.595
        ),
        "loop 1.1x of 20,000": EvictionLoad(lambda: loop(22_000, rounds), 20_000, 0.750, 0.860),
        "loop 1.1x of 100,000": EvictionLoad(lambda: loop(110_000, rounds), 100_000, 0.750, 0.860),
    }
