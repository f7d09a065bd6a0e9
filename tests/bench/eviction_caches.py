"""The caches whose hit ratios are compared, each from empty and with the same bytes."""

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from dataset import Client, command, read_key, write_key
from memory import SidecarOverFile
from targets import Redis

SMALLEST = 1 << 20  # what --max-memory takes; below, tier_alone.py is run
PIPELINE = 50
STORED_AT_ONCE = 500


def batches(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Runs of at most PIPELINE keys, none twice: asked together they hit and miss as if one by one."""
    batch: dict[int, None] = {}
    for number in numbers:
        if number in batch or len(batch) == PIPELINE:
            yield list(batch)
            batch.clear()
        batch[number] = None
    if batch:
        yield list(batch)


class RealRedis:
    """A redis-server that evicts; the client reads through: GET, and on nil SET."""

    def __init__(self, policy: str) -> None:
        self._policy = policy

    def hit_ratio(self, numbers: Iterable[int], size: int) -> float:
        """The share of GETs that were answered. ``size`` comes on top of what an empty server uses."""
        target = Redis()
        try:
            with Client(target.port) as client:
                client.ask([read_key(0)] * PIPELINE)  # its buffers for this client count as used
                used = client.info("memory", "used_memory")
                client.ask(
                    [
                        command(b"CONFIG", b"SET", b"maxmemory", b"%d" % (used + size)),
                        command(b"CONFIG", b"SET", b"maxmemory-policy", self._policy.encode()),
                    ]
                )
                asked = answered = 0
                for batch in batches(numbers):
                    replies = client.ask([read_key(n) for n in batch])
                    missing = [n for n, reply in zip(batch, replies, strict=True) if reply is None]
                    asked += len(batch)
                    answered += len(batch) - len(missing)
                    if missing:
                        client.ask([write_key(n) for n in missing])
                return answered / asked
        finally:
            target.stop()


class RealSidecar:
    """The sidecar in front of a SQLite file that has every key; it reads through by itself."""

    def hit_ratio(self, numbers: Iterable[int], size: int, population: Iterable[int]) -> float:
        """The share of GETs that memory answered, by its own count. ``population``: every key."""
        with tempfile.TemporaryDirectory() as folder:

            class Filled(SidecarOverFile):
                database = Path(folder) / "features.db"

            class Small(Filled):
                options = ("--max-memory", f"{size // 1024}KiB")

            writer = Filled()
            try:
                with Client(writer.port) as client:
                    every = iter(population)
                    while some := list(itertools.islice(every, STORED_AT_ONCE)):
                        client.ask([write_key(n) for n in some])
            finally:
                writer.stop()
            target = Small()
            try:
                with Client(target.port) as client:
                    before, asked = client.info("stats", "keyspace_hits"), 0
                    for batch in batches(numbers):
                        if None in client.ask([read_key(n) for n in batch]):
                            raise RuntimeError("the origin has lost a key")
                        asked += len(batch)
                    return (client.info("stats", "keyspace_hits") - before) / asked
            finally:
                target.stop()
