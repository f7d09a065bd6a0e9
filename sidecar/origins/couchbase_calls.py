"""Calls into the Couchbase SDK: each bounded by a deadline, none ever cancelled.

The SDK sets a result on its future whether or not that was cancelled, which raises in the loop. So a caller that
gives up leaves the call to end by its own timeout, and its late result is dropped here.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from typing import Any

from sidecar.clock import Clock
from sidecar.resilience.deadline import Deadline

# The SDK is told to give up a little earlier than we do: its verdict tells whether a write was sent, ours does not.
_VERDICT_S = 0.010
_SHORTEST_S = 0.001


class DeadlinePassed(Exception):
    """The deadline passed before a call was made."""


class CouchbaseCalls:
    """The calls under way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way: set[asyncio.Task[Any]] = set()

    def timeout(self, deadline: Deadline) -> timedelta:
        """What to tell the SDK as timeout.

        Raises:
            DeadlinePassed: nothing is left of the deadline.
        """
        left_s = deadline.remaining_s(self._clock.now_ns())
        if left_s <= 0.0:
            raise DeadlinePassed
        return timedelta(seconds=max(_SHORTEST_S, left_s - min(_VERDICT_S, left_s / 4)))

    async def gather(self, calls: Iterable[Coroutine[Any, Any, Any]], deadline: Deadline) -> list[asyncio.Task[Any]]:
        """Run calls at once until all ended or the deadline passed; the tasks, in order, perhaps unfinished."""
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(call) for call in calls]
        self._under_way.update(tasks)
        left = len(tasks)
        all_ended = loop.create_future()

        def ended(task: asyncio.Task[Any]) -> None:
            nonlocal left
            left -= 1
            self._under_way.discard(task)
            if not task.cancelled():
                task.exception()  # seen: whoever waited reads it, or has given up
            if not left and not all_ended.done():
                all_ended.set_result(None)

        for task in tasks:  # one callback each; asyncio.wait would add a second
            task.add_done_callback(ended)
        timer = loop.call_later(deadline.remaining_s(self._clock.now_ns()), _give_up, all_ended)
        try:
            await all_ended
        finally:
            timer.cancel()
        return tasks

    async def drain(self, timeout_s: float) -> None:
        """Wait until no call is under way."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=timeout_s)


def _give_up(all_ended: asyncio.Future[None]) -> None:
    if not all_ended.done():
        all_ended.set_result(None)
