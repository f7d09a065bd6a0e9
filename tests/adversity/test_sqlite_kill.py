"""kill -9 at any moment loses no write that the SQLite origin confirmed (F3, at the origin)."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

from adversity import sqlite_writing
from adversity.sqlite_writing import HASH, WRITERS, field, string_key

from sidecar.clock import SystemClock
from sidecar.origins import open_origin
from sidecar.origins.base import Absent, Read
from sidecar.resilience.deadline import Deadline

KILLS = int(os.environ.get("SQLITE_KILLS", "5"))  # CI: 200
SEED = int(os.environ.get("SQLITE_KILL_SEED", "1"))


def test_no_confirmed_write_is_lost(tmp_path):
    """Each writer's string and field hold at least the last number confirmed, and at most the one it was writing.

    One file lives through all kills, so each start recovers what the kill before left.
    """
    chance = random.Random(SEED)
    url = f"sqlite:///{tmp_path / 'features.db'}"
    held = [0] * WRITERS
    for kill in range(KILLS):
        confirmed = write_until_killed(url, held, after_lines=chance.randrange(1, 200))
        assert sum(confirmed) > sum(held), "nothing was confirmed before the kill"
        strings, fields = asyncio.run(read_back(url))
        for writer in range(WRITERS):
            where = f"seed {SEED}, kill {kill}, writer {writer}: confirmed {confirmed[writer]}"
            assert confirmed[writer] <= strings[writer] <= confirmed[writer] + 1, where
            assert confirmed[writer] <= fields[writer] <= confirmed[writer] + 1, where
        held = [max(pair) for pair in zip(strings, fields, strict=True)]


def test_several_processes_write_one_file_and_are_killed(tmp_path):
    """Three at once, each killed while the others write: no confirmed write is lost, the shared hash included."""
    url = f"sqlite:///{tmp_path / 'features.db'}"
    processes = [writing(url, first, [0] * 2) for first in range(0, 6, 2)]
    confirmed = [0] * WRITERS
    for process in processes:  # all have begun before the first is killed
        take_lines(process, confirmed, 1)
    for process in processes:
        take_lines(process, confirmed, 50)
        process.send_signal(signal.SIGKILL)
    for process in processes:
        take_lines(process, confirmed, None)
        assert process.wait() == -signal.SIGKILL, "the writing process ended by itself"
    strings, fields = asyncio.run(read_back(url))
    assert min(confirmed[:6]) > 0
    for writer in range(6):
        assert confirmed[writer] <= strings[writer] <= confirmed[writer] + 1, writer
        assert confirmed[writer] <= fields[writer] <= confirmed[writer] + 1, writer


def write_until_killed(url: str, starts: list[int], after_lines: int) -> list[int]:
    """The last number that each writer had confirmed when the process was killed."""
    process = writing(url, 0, starts)
    confirmed = list(starts)
    take_lines(process, confirmed, after_lines)
    process.send_signal(signal.SIGKILL)
    take_lines(process, confirmed, None)
    assert process.wait() == -signal.SIGKILL, "the writing process ended by itself"
    return confirmed


def writing(url: str, first: int, starts: list[int]) -> subprocess.Popen:
    """A process of sqlite_writing."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(Path(sqlite_writing.__file__)), url, str(first), *map(str, starts)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)


def take_lines(process: subprocess.Popen, confirmed: list[int], lines: int | None) -> None:
    """Note what the process confirmed in its next lines (None: in all that are left)."""
    for line in islice(process.stdout, lines):
        writer, number = map(int, line.split())
        confirmed[writer] = number


async def read_back(url: str) -> tuple[list[int], list[int]]:
    """What each writer's string and field hold; 0: nothing yet."""
    clock = SystemClock()
    origin = open_origin(url, clock=clock)
    await origin.start()
    try:
        reads = [Read(HASH), *[Read(string_key(writer)) for writer in range(WRITERS)]]
        whole, *strings = await origin.fetch_many(reads, Deadline.after(60_000, clock.now_ns()))
        return (
            [0 if isinstance(answer, Absent) else int(answer.value) for answer in strings],
            [int(whole.value.get(field(writer), 0)) for writer in range(WRITERS)],
        )
    finally:
        await origin.close()
