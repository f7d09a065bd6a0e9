"""Group commit: one thread, one connection, and every write that arrives while a transaction commits shares the next.

A submission waits in the queue, unclaimed, until its transaction has begun; only then may its outcome be unknown.
So a write that times out while another process holds the lock is certainly not applied, and is answered so.

    waiting --claimed after BEGIN--> claimed --COMMIT returned--> Applied / Refused
       \\-- deadline --> Refused(NOT_SENT)  \\-- deadline, or COMMIT failed --> Unknown

In a transaction the documents concerned are read once, all writes are applied to them in the order they came, and
what has changed is written once: a pipeline of 100 HSETs to one hash writes one row.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from itertools import islice

from sidecar.clock import Clock
from sidecar.origins.base import UNKNOWN, Cause, Refusal, Refused, Write, WriteAnswer
from sidecar.origins.document import DtypeOf
from sidecar.origins.sqlite_documents import has_expired, remove_expired
from sidecar.origins.sqlite_file import is_busy
from sidecar.origins.sqlite_reader import hand_over
from sidecar.origins.sqlite_transaction import apply_writes
from sidecar.resilience.deadline import Deadline

MAX_WRITES_PER_COMMIT = 512  # 64 writes cost little more than one; past some hundreds waiting grows for nothing
_SWEEP_EVERY_S = 5.0  # expired documents are hidden at once; this only gives their space back
_SWEEP_ON_S = 0.02  # while there are more than one transaction may remove
_SWEEP_DOCUMENTS = 256  # per transaction, so that a write waits for 1 ms at most

_TOO_LATE = Refused(Refusal.NOT_SENT, Cause.TIMEOUT)
_CLOSED = Refused(Refusal.NOT_SENT, Cause.CLOSED)
_STORAGE = Refused(Refusal.NOT_SENT, Cause.STORAGE)


class _State(Enum):
    WAITING = "waiting"
    CLAIMED = "claimed"  # its transaction has begun
    GIVEN_UP = "given up"  # its deadline passed while it waited: never applied


class _Submission:
    """One call's writes.

    Attributes:
        state: changed and judged under the writer's lock only.
        answer: settled in its loop with one WriteAnswer per write.
    """

    __slots__ = ("answer", "deadline", "loop", "state", "writes")

    def __init__(self, writes: Sequence[Write], deadline: Deadline, loop: asyncio.AbstractEventLoop) -> None:
        self.writes = writes
        self.deadline = deadline
        self.loop = loop
        self.answer: asyncio.Future[list[WriteAnswer]] = loop.create_future()
        self.state = _State.WAITING


class SqliteWriter:
    """The one writer of this process; other processes take their turns by SQLite's lock."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock, dtype_of: DtypeOf | None) -> None:
        self._connection = connection
        self._clock = clock
        self._dtype_of = dtype_of
        self._waiting: deque[_Submission] = deque()
        self._changed = threading.Condition()  # guards _waiting, _closed and every submission's state
        self._closed = False
        self._sweep_again = False  # the last transaction removed all the expired documents it was allowed to
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def submit(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        """Apply the writes in one transaction, perhaps shared; answers come after COMMIT has returned."""
        loop = asyncio.get_running_loop()
        submission = _Submission(writes, deadline, loop)
        with self._changed:
            if self._closed:
                return [_CLOSED] * len(writes)
            self._waiting.append(submission)
            self._changed.notify()
        timer = loop.call_later(deadline.remaining_s(self._clock.now_ns()), self._time_out, submission)
        try:
            return await submission.answer
        finally:
            timer.cancel()

    def close(self) -> None:
        """Commit what waits and let go of the connection. Blocks until the thread ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _time_out(self, submission: _Submission) -> None:
        with self._changed:
            if submission.state is _State.WAITING:
                submission.state = _State.GIVEN_UP
            fate = UNKNOWN if submission.state is _State.CLAIMED else _TOO_LATE
        if not submission.answer.done():
            submission.answer.set_result([fate] * len(submission.writes))

    def _run(self) -> None:
        while self._wait_for_work():
            self._transact()
        self._connection.close()

    def _wait_for_work(self) -> bool:
        """Until something waits or a sweep is due. False: closed, and all is done."""
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(_SWEEP_ON_S if self._sweep_again else _SWEEP_EVERY_S)
            return bool(self._waiting) or not self._closed

    def _transact(self) -> None:
        """One transaction with what waits; or without, where only expired documents are to be removed."""
        connection = self._connection
        batch: list[_Submission] = []
        fate: WriteAnswer = _STORAGE  # everyone's, should the next step fail
        try:
            if not self._waiting and not has_expired(connection, self._clock.wall_ms()):
                return
            connection.execute("BEGIN IMMEDIATE")
            batch = self._claim()
            now_ms = self._clock.wall_ms()
            writes = [write for submission in batch for write in submission.writes]
            answers = apply_writes(connection, writes, now_ms, self._dtype_of)
            self._sweep_again = remove_expired(connection, now_ms, _SWEEP_DOCUMENTS) == _SWEEP_DOCUMENTS
            fate = UNKNOWN
            connection.execute("COMMIT")
        except sqlite3.Error as exc:
            if not batch and is_busy(exc):
                self._give_up_late()  # another process has the lock: all others wait on
                return
            self._undo()
            self._tell_all(batch or self._claim(), fate)
        except Exception as exc:  # a bug of ours: whoever asked must learn of it, and the thread lives on
            self._undo()
            _tell([(submission, exc) for submission in batch])
        else:
            self._tell_each(batch, answers)

    def _claim(self) -> list[_Submission]:
        """Take what waits, up to a commit's size."""
        self._give_up_late()
        batch: list[_Submission] = []
        writes = 0
        with self._changed:
            while self._waiting and writes < MAX_WRITES_PER_COMMIT:
                submission = self._waiting.popleft()
                if submission.state is _State.WAITING:
                    submission.state = _State.CLAIMED
                    writes += len(submission.writes)
                    batch.append(submission)
        return batch

    def _give_up_late(self) -> None:
        """Take out what has waited past its deadline: no timer does it once the loop has closed."""
        now_ns = self._clock.now_ns()
        with self._changed:
            late = [each for each in self._waiting if each.deadline.at_ns <= now_ns]
            if not late:
                return
            self._waiting = deque(each for each in self._waiting if each.deadline.at_ns > now_ns)
            told = [each for each in late if each.state is _State.WAITING]
            for each in told:
                each.state = _State.GIVEN_UP
        self._tell_all(told, _TOO_LATE)

    def _undo(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # it fails where SQLite has rolled back by itself
                self._connection.execute("ROLLBACK")

    def _tell_each(self, batch: list[_Submission], answers: list[WriteAnswer]) -> None:
        """Give each submission its own share of the answers."""
        rest = iter(answers)
        _tell([(submission, list(islice(rest, len(submission.writes)))) for submission in batch])

    def _tell_all(self, batch: list[_Submission], fate: WriteAnswer) -> None:
        _tell([(submission, [fate] * len(submission.writes)) for submission in batch])


def _tell(outcomes: list[tuple[_Submission, list[WriteAnswer] | Exception]]) -> None:
    """Settle the submissions, each in its loop, with one wake-up a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Submission, list[WriteAnswer] | Exception]]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].loop, []).append(outcome)
    for loop, own in by_loop.items():
        hand_over(loop, _settle, own)


def _settle(outcomes: list[tuple[_Submission, list[WriteAnswer] | Exception]]) -> None:
    for submission, outcome in outcomes:
        if submission.answer.done():  # timed out or cancelled
            continue
        if isinstance(outcome, Exception):
            submission.answer.set_exception(outcome)
        else:
            submission.answer.set_result(outcome)
