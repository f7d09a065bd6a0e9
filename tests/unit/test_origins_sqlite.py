"""The SQLite origin keeps the contract, is durable, never blocks reads behind writes, and gives space back."""

import asyncio
import sqlite3

import pytest
from unit.origin_contract import OriginContract
from unit.origin_expiry_contract import ExpiryContract, KnownExpiryContract
from unit.origin_field_expiry_contract import FieldExpiryContract
from unit.origin_scan_contract import ScanContract
from unit.origin_subject import OriginSubject

from sidecar.clock import ManualClock
from sidecar.origins import open_origin, sqlite_writer
from sidecar.origins.base import (
    ABSENT,
    Applied,
    Cause,
    Expire,
    FieldExpire,
    Found,
    HashSet,
    OriginTimeout,
    OriginUnavailable,
    Read,
    Refusal,
    Refused,
    SetValue,
)
from sidecar.resilience.deadline import Deadline


@pytest.fixture
def path(tmp_path):
    return tmp_path / "features.db"


@pytest.fixture
async def subject(path):
    clock = ManualClock()
    origin = open_origin(f"sqlite:///{path}", clock=clock)
    await origin.start()
    yield OriginSubject(origin, clock)
    await origin.close()


@pytest.fixture
def foreign_lock(subject, path):
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
        while not condition():  # noqa: ASYNC110 - a thread changes it, which can set no asyncio.Event
            await asyncio.sleep(0.002)


def rows(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT count(*) FROM documents").fetchone()[0]


class TestSqliteContract(OriginContract, ExpiryContract, KnownExpiryContract, FieldExpiryContract, ScanContract):
    """One origin, all suites."""


async def test_everything_is_there_after_reopening(subject, path):
    """Values, expiries and field deadlines outlive the process."""
    at = subject.in_ms(60_000)
    await subject.write(
        SetValue(b"\x00\xff", b"\xff\x00", expiry_ms=at), HashSet(b"h", {b"a": b"1"}), FieldExpire(b"h", (b"a",), at)
    )
    await subject.origin.close()
    again = await opened_again(path)
    assert await again.fetch(Read(b"\x00\xff"), Read(b"h")) == [
        Found(b"\xff\x00", expiry_ms=at),
        Found({b"a": b"1"}, expiry_ms=at),
    ]
    await again.origin.close()


async def test_commit_waits_for_the_disk(subject):
    """The writer's connection runs in WAL with synchronous=FULL: COMMIT returns after fsync."""
    connection = subject.origin._writer._connection
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_reads_do_not_wait_for_a_write(subject, foreign_lock):
    """While some process holds the write lock reads answer with the last commit."""
    assert await subject.read(b"s") == ABSENT
    foreign_lock.execute("INSERT INTO documents (key, kind, body) VALUES (?, 0, ?)", (b"s", b"v"))
    assert await subject.read(b"s") == ABSENT
    foreign_lock.execute("COMMIT")
    assert await subject.read(b"s") == Found(b"v")


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


async def test_two_processes_share_one_file(subject, path):
    """Each sees the other's commits, and counters of both add up: nothing read is stale at the write."""
    other = await opened_again(path)
    await asyncio.gather(
        *[
            each.write(HashSet(b"h", {b"%d-%d" % (who, n): b"v"}))
            for n in range(50)
            for who, each in enumerate((subject, other))
        ]
    )
    assert len((await subject.read(b"h")).value) == len((await other.read(b"h")).value) == 100
    await other.origin.close()


async def test_a_read_past_its_deadline_times_out(subject):
    """The loop does not wait for the thread, whose late result is dropped without an error in the loop."""
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    with pytest.raises(OriginTimeout):
        await subject.origin.fetch_many([Read(b"s")], Deadline.after(0, subject.clock.now_ns()))
    await subject.read(b"s")
    assert errors == []


async def test_a_closed_origin_says_so(subject):
    """After close, and before start, nothing can be asked; closing twice is fine."""
    await subject.origin.close()
    await subject.origin.close()
    with pytest.raises(OriginUnavailable) as error:
        await subject.read(b"s")
    assert error.value.cause is Cause.CLOSED
    assert await subject.write(SetValue(b"s", b"v")) == [Refused(Refusal.NOT_SENT, Cause.CLOSED)]
    unstarted = open_origin("sqlite:///./unstarted.db", clock=subject.clock)
    assert await unstarted.write_many([SetValue(b"s", b"v")], subject.deadline()) == [
        Refused(Refusal.NOT_SENT, Cause.CLOSED)
    ]
    with pytest.raises(OriginUnavailable):
        await unstarted.expiries(b"s", (), subject.deadline())


async def test_close_commits_what_waits(subject, path, foreign_lock):
    """A write accepted before close is answered and durable."""
    write = asyncio.ensure_future(subject.write(SetValue(b"s", b"v")))
    await until(lambda: len(subject.origin._writer._waiting) == 1)
    close = asyncio.ensure_future(subject.origin.close())
    await until(lambda: subject.origin._writer._closed)
    foreign_lock.execute("ROLLBACK")
    assert await write == [Applied((True, None))]
    await close
    assert rows(path) == 1


def test_late_answers_after_the_loop_has_closed_are_dropped(path):
    """The threads outlive a loop that closes under them; the next loop can close the origin."""
    clock = ManualClock()
    origin = open_origin(f"sqlite:///{path}", clock=clock)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(origin.start())
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    deadline = Deadline.after(10_000, clock.now_ns())
    write = loop.create_task(origin.write_many([SetValue(b"s", b"v")], deadline))
    loop.run_until_complete(asyncio.sleep(0))
    assert not write.done()
    write.cancel()
    loop.run_until_complete(asyncio.gather(write, return_exceptions=True))
    loop.close()
    lock.close()
    asyncio.run(origin.close())
    assert rows(path) == 1


async def test_space_of_the_dead_is_given_back(subject, path, monkeypatch):
    """Expired documents are removed without being asked for, more than one transaction's share too."""
    count = 2 * sqlite_writer._SWEEP_DOCUMENTS + 10
    at = subject.in_ms(1000)
    await subject.write(*[SetValue(b"k%d" % each, b"v", expiry_ms=at) for each in range(count)], SetValue(b"s", b"v"))
    assert rows(path) == count + 1
    await subject.pass_time(2)
    await subject.result(Expire(b"s", None))  # wakes the writer, which goes on by itself
    await until(lambda: rows(path) == 1)
    assert await subject.read(b"s") == Found(b"v")


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
