"""One thread with a connection of its own, in which all reads are done: WAL readers never wait for the writer.

A trip to a thread and back costs ten times a read, so the caller brings a whole turn's reads as one job.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from sidecar.clock import Clock
from sidecar.origins.base import Cause, OriginTimeout, OriginUnavailable
from sidecar.origins.sqlite_file import unavailable
from sidecar.resilience.deadline import Deadline

Result = TypeVar("Result")
Job = Callable[[sqlite3.Connection], Result]


class SqliteReader:
    """Runs jobs one after the other; a job whose caller has given up is skipped."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._jobs: SimpleQueue[tuple[Job[Any], asyncio.AbstractEventLoop, asyncio.Future[Any]] | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="sqlite-reader", daemon=True)
        self._thread.start()

    async def ask(self, job: Job[Result], deadline: Deadline) -> Result:
        """The job's result.

        Raises:
            OriginTimeout: the deadline passed first; the job may still be running, its result is dropped.
            OriginUnavailable: SQLite failed, or this reader is closed.
        """
        if self._closed:
            raise OriginUnavailable(Cause.CLOSED)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        timer = loop.call_later(deadline.remaining_s(self._clock.now_ns()), _time_out, answer)
        self._jobs.put((job, loop, answer))
        try:
            return await answer
        finally:
            timer.cancel()

    def close(self) -> None:
        """Finish the jobs that are waiting and let go of the connection. Blocks until the thread ends."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (waiting := self._jobs.get()) is not None:
            job, loop, answer = waiting
            if answer.done():
                continue
            result: Any = None
            error: Exception | None = None
            try:
                result = job(self._connection)
            except sqlite3.Error as exc:
                error = unavailable(exc)
                error.__cause__ = exc  # as `raise ... from` does: this one is raised in the loop
            except Exception as exc:  # a bug of ours: whoever asked must learn of it, and the thread lives on
                error = exc
            hand_over(loop, _settle, answer, result, error)
        self._connection.close()


def hand_over(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: object) -> None:
    """Call back in the loop; if it has closed in the meantime nobody waits any more."""
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _settle(answer: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if answer.done():  # timed out or cancelled
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


def _time_out(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(OriginTimeout())
