"""A SQLite origin for its tests: fixtures and the helpers they share."""

import asyncio
import sqlite3

import pytest
from unit.origin_subject import OriginSubject

from sidecar.clock import ManualClock
from sidecar.origins import open_origin


@pytest.fixture(name="path")
def sqlite_path(tmp_path):
    return tmp_path / "features.db"


@pytest.fixture(name="subject")
async def sqlite_subject(path):
    clock = ManualClock()
    origin = open_origin(f"sqlite:///{path}", clock=clock)
    await origin.start()
    yield OriginSubject(origin, clock)
    await origin.close()


@pytest.fixture(name="foreign_lock")
def sqlite_foreign_lock(subject, path):
    """Another process's connection that holds the write lock; ``rollback`` gives it back."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


async def opened_again(path):
    clock = ManualClock()
    origin = open_origin(f"sqlite:///{path}", clock=clock)
    await origin.start()
    return OriginSubject(origin, clock)


async def until(condition, timeout_s=10.0):
    """Wait for what a thread does."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)


def rows(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT count(*) FROM documents").fetchone()[0]
