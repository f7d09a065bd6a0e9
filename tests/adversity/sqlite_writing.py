"""A process that writes to a SQLite origin until it is killed, saying what was confirmed.

Several writers at once count upwards, each on its own string and its own field of one shared hash; a line
``writer number`` leaves for stdout once both writes of that number were answered Applied. Arguments: the URL, the
first writer's number, and for each writer the number that it has reached.
"""

import asyncio
import os
import sys

from sidecar.clock import SystemClock
from sidecar.origins import open_origin
from sidecar.origins.base import Applied, HashSet, SetValue
from sidecar.resilience.deadline import Deadline

WRITERS = 8
HASH = b"counts"


def string_key(writer: int) -> bytes:
    return b"count:%d" % writer


def field(writer: int) -> bytes:
    return b"\xff%d" % writer


async def main(url: str, first: int, starts: list[int]) -> None:
    """Count on for ever."""
    clock = SystemClock()
    origin = open_origin(url, clock=clock)
    await origin.start()

    async def count(writer: int, number: int) -> None:
        while True:
            number += 1
            writes = [SetValue(string_key(writer), b"%d" % number), HashSet(HASH, {field(writer): b"%d" % number})]
            answers = await origin.write_many(writes, Deadline.after(60_000, clock.now_ns()))
            assert all(isinstance(answer, Applied) for answer in answers), answers
            os.write(1, b"%d %d\n" % (writer, number))

    await asyncio.gather(*[count(writer, start) for writer, start in enumerate(starts, first)])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), [int(start) for start in sys.argv[3:]]))
