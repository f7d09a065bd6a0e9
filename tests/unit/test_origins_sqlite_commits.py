"""Group commit in the SQLite origin: what is shared, in which order, and what a write is told when things go wrong."""

import asyncio
import sqlite3
import threading

import pytest
from unit.sqlite_subject import rows, sqlite_foreign_lock, sqlite_path, sqlite_subject, until  # noqa: F401 - fixtures

from sidecar.origins import sqlite_writer
from sidecar.origins.base import (
    ABSENT,
    UNKNOWN,
    Applied,
    Cause,
    Found,
    HashSet,
    OriginUnavailable,
    Refusal,
    Refused,
    SetValue,
)
from sidecar.origins.sqlite_transaction import apply_writes
from sidecar.resilience.deadline import Deadline


class FailingCommit:
    """A connection whose disk fails at the worst moment."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, statement, *parameters):
        if statement == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(statement, *parameters)


async def test_commit_waits_for_the_disk(subject):
    """The writer's connection runs in WAL with synchronous=FULL: COMMIT returns after fsync."""
    connection = subject.origin._writer._connection
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_write_waits_for_the_lock(subject, foreign_lock):
    """Longer than SQLite's own busy timeout, and applies once the lock is free."""
    write = asyncio.ensure_future(subject.write(SetValue(b"s", b"v")))
    await asyncio.sleep(0.25)  # time must pass here: SQLite's busy timeout is 0.1 s of real time
    assert not write.done()
    foreign_lock.execute("ROLLBACK")
    assert await write == [Applied((True, None))]


async def test_a_write_that_never_got_the_lock_is_certainly_not_applied(subject, foreign_lock):
    """Its deadline passes while it waits: Refused(NOT_SENT), not Unknown, and it is not applied later."""
    soon = Deadline.after(30, subject.clock.now_ns())
    answers = await subject.origin.write_many([SetValue(b"s", b"v")] * 2, soon)
    assert answers == [Refused(Refusal.NOT_SENT, Cause.TIMEOUT)] * 2
    foreign_lock.execute("ROLLBACK")
    assert await subject.result(SetValue(b"t", b"v")) == (True, None)
    assert await subject.read(b"s") == ABSENT


async def test_writes_that_wait_share_one_transaction(subject, path, foreign_lock):
    """100 HSETs of 100 calls to one hash, waiting for the lock, are one commit that writes one row."""
    before = foreign_lock.execute("PRAGMA data_version").fetchone()
    calls = [asyncio.ensure_future(subject.write(HashSet(b"h", {b"f%d" % each: b"v"}))) for each in range(100)]
    await until(lambda: len(subject.origin._writer._waiting) == 100)
    statements = []
    subject.origin._writer._connection.set_trace_callback(statements.append)
    foreign_lock.execute("ROLLBACK")
    assert await asyncio.gather(*calls) == [[Applied(1)]] * 100
    assert foreign_lock.execute("PRAGMA data_version").fetchone() != before
    assert statements.count("COMMIT") == 1
    assert sum(each.startswith("INSERT") for each in statements) == 1
    assert len((await subject.read(b"h")).value) == 100


async def test_order_on_one_key_holds_over_calls(subject, foreign_lock):
    """Calls that share a transaction take effect in the order they were made."""
    calls = [
        asyncio.ensure_future(subject.write(SetValue(b"s", b"%d" % each, want_previous=True))) for each in range(50)
    ]
    await until(lambda: len(subject.origin._writer._waiting) == 50)
    foreign_lock.execute("ROLLBACK")
    previous = [None, *(b"%d" % each for each in range(49))]
    assert await asyncio.gather(*calls) == [[Applied((True, each))] for each in previous]


async def test_more_than_one_commit_takes(subject, foreign_lock):
    """A crowd larger than a transaction's share is applied by several, every write once."""
    total = sqlite_writer.MAX_WRITES_PER_COMMIT + 100
    calls = [asyncio.ensure_future(subject.write(HashSet(b"h%d" % each, {b"f": b"v"}))) for each in range(total)]
    await until(lambda: len(subject.origin._writer._waiting) == total)
    foreign_lock.execute("ROLLBACK")
    assert await asyncio.gather(*calls) == [[Applied(1)]] * total
    assert await subject.origin.count(subject.deadline()) == total


async def test_a_write_whose_commit_outlasts_its_deadline_is_unknown(subject, monkeypatch):
    """Claimed by a transaction and not yet committed: only Unknown is true."""
    begun, gate = threading.Event(), threading.Event()

    def slow_transaction(*arguments):
        begun.set()
        gate.wait(10)
        return apply_writes(*arguments)

    monkeypatch.setattr(sqlite_writer, "apply_writes", slow_transaction)
    assert await subject.origin.write_many([SetValue(b"s", b"v")], Deadline.after(50, subject.clock.now_ns())) == [
        UNKNOWN
    ]
    assert begun.is_set()
    gate.set()
    assert await subject.result(SetValue(b"t", b"v")) == (True, None)
    assert await subject.read(b"s") == Found(b"v")


async def test_a_failed_commit_is_unknown(subject):
    """When COMMIT itself reports an error nobody can say what a restart will find; the writer goes on."""
    writer = subject.origin._writer
    real = writer._connection
    writer._connection = FailingCommit(real)
    assert await subject.write(SetValue(b"s", b"v"), SetValue(b"t", b"v")) == [UNKNOWN] * 2
    writer._connection = real
    assert await subject.result(SetValue(b"u", b"v")) == (True, None)


async def test_a_bug_in_a_write_reaches_its_caller_only(subject, monkeypatch):
    """The caller gets the exception, nothing is applied, and the thread serves the next write."""
    monkeypatch.setattr(sqlite_writer, "apply_writes", lambda *arguments: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        await subject.write(SetValue(b"s", b"v"))
    monkeypatch.undo()
    assert await subject.result(SetValue(b"t", b"v")) == (True, None)
    assert await subject.read(b"s") == ABSENT


async def test_close_commits_what_waits(subject, monkeypatch, path):
    """Writes accepted before close, that of a transaction under way and those behind it, are answered and durable."""
    begun, gate = threading.Event(), threading.Event()

    def slow_transaction(*arguments):
        begun.set()
        gate.wait(10)
        return apply_writes(*arguments)

    monkeypatch.setattr(sqlite_writer, "apply_writes", slow_transaction)
    first = asyncio.ensure_future(subject.write(SetValue(b"s", b"v")))
    await until(begun.is_set)
    behind = asyncio.ensure_future(subject.write(SetValue(b"t", b"v")))
    await until(lambda: len(subject.origin._writer._waiting) == 1)
    close = asyncio.ensure_future(subject.origin.close())
    await until(lambda: subject.origin._writer._closed)
    gate.set()
    assert await asyncio.gather(first, behind) == [[Applied((True, None))]] * 2
    await close
    assert rows(path) == 2


async def test_a_broken_disk_refuses_writes_and_fails_reads(subject, path):
    """What SQLite reports before COMMIT is certainly not applied; reads say that storage failed."""
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE documents RENAME TO elsewhere")
    assert await subject.write(SetValue(b"s", b"v")) == [Refused(Refusal.NOT_SENT, Cause.STORAGE)]
    with pytest.raises(OriginUnavailable) as error:
        await subject.read(b"s")
    assert error.value.cause is Cause.STORAGE
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE elsewhere RENAME TO documents")
    assert await subject.result(SetValue(b"s", b"v")) == (True, None)
