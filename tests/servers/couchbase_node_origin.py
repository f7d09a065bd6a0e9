"""A Couchbase origin connected to a wire-level node, as most tests want them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from servers.couchbase_node import CouchbaseNode

from sidecar.clock import Clock, SystemClock
from sidecar.origins import open_origin
from sidecar.origins.couchbase import CouchbaseOrigin
from sidecar.resilience.deadline import Deadline
from sidecar.secret import Secret

CLOCK = SystemClock()


def within(budget_ms: int = 5000) -> Deadline:
    """A deadline from now; the default is longer than anything a healthy node takes."""
    return Deadline.after(budget_ms, CLOCK.now_ns())


@asynccontextmanager
async def running_node(clock: Clock = CLOCK) -> AsyncIterator[CouchbaseNode]:
    """A node that listens and goes by ``clock``."""
    node = CouchbaseNode(now_s=lambda: clock.wall_ms() // 1000)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


@asynccontextmanager
async def started_origin(url: str, **options: Any) -> AsyncIterator[CouchbaseOrigin]:
    """An origin that has begun to connect, with the node's user unless told otherwise."""
    options = {"username": "sidecar", "password": Secret(b"secret"), "clock": CLOCK} | options
    origin = open_origin(url, **options)
    assert isinstance(origin, CouchbaseOrigin)
    await origin.start()
    try:
        yield origin
    finally:
        await origin.close()


async def eventually(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)
