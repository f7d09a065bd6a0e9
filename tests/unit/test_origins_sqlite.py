"""The SQLite origin keeps the contract, outlives its process, and never blocks reads behind writes."""

import asyncio
import sqlite3
import threading

import pytest
from unit.origin_contract import OriginContract
from unit.origin_expiry_contract import ExpiryContract, KnownExpiryContract
from unit.origin_field_expiry_contract import FieldExpiryContract
from unit.origin_scan_contract import ScanContract
from unit.sqlite_subject import opened_again, rows, sqlite_foreign_lock, sqlite_path, sqlite_subject, until  # noqa: F401 - fixtures

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


async def test_reads_do_not_wait_for_a_write(subject, foreign_lock):
    """While some process holds the write lock reads answer with the last commit."""
    assert await subject.read(b"s") == ABSENT
    foreign_lock.execute("INSERT INTO documents (key, kind, body) VALUES (?, 0, ?)", (b"s", b"v"))
    assert await subject.read(b"s") == ABSENT
    foreign_lock.execute("COMMIT")
    assert await subject.read(b"s") == Found(b"v")


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
    errors, run, gate = [], [], threading.Event()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))

    def ask(job, budget_ms):
        return subject.origin._reader.ask(job, Deadline.after(budget_ms, subject.clock.now_ns()))

    with pytest.raises(OriginTimeout):
        await ask(lambda connection: gate.wait(10), 50)
    with pytest.raises(OriginTimeout):
        await ask(run.append, 1)
    with pytest.raises(OriginTimeout):
        await subject.origin.fetch_many([Read(b"s")], Deadline.after(0, subject.clock.now_ns()))
    gate.set()
    assert await subject.read(b"s") == ABSENT
    assert run == [], "a job that nobody waits for was run"
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


def test_late_answers_after_the_loop_has_closed_are_dropped(path):
    """The threads outlive a loop that closes under them, apply what they had, and serve the next loop."""
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

    async def write_again():
        answers = await origin.write_many([SetValue(b"t", b"v")], deadline)
        await origin.close()
        return answers

    assert asyncio.run(write_again()) == [Applied((True, None))]
    assert rows(path) == 2


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
