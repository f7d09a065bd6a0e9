"""From one process to the next: what is taken over, what is read again, when memory is warm, what is written."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import policies
from sidecar.clock import ManualClock, ceil_tick, floor_tick
from sidecar.health import Health
from sidecar.memory import Store
from sidecar.metrics import Counters
from sidecar.origins.base import Found
from sidecar.snapshot import WarmStart, keeper, replay, warm_start
from sidecar.snapshot.header import STATE_AT, State

POLICY = """
version: 1
defaults: {ttl: 10s, jitter: 0%, stale_while_revalidate: 5s, stale_if_error: 1h}
snapshot: {values: true, every: 1s}
warmup: {level: 50%, timeout: 30s}
"""
MAPPED = POLICY + "feature_views:\n  - {name: user, keys: 'user:{id}', origin: {collection: users, document: '{id}'}}\n"
ORIGIN = "sqlite:////data/features.db"
FAR_S = 1e9  # of the loop's time


class Process:
    """A store with its warm start, and an origin that is asked through ``speculate``.

    Attributes:
        reads: keys that were read again, in order.
        has_place: whether the origin has spare concurrency.
        fails: keys whose read brings nothing.
    """

    def __init__(
        self,
        path: Path | None,
        clock: ManualClock,
        policy: str = POLICY,
        origin: str = ORIGIN,
        max_memory: int = 1 << 20,
    ) -> None:
        self.clock = clock
        self.policy = SimpleNamespace(current=policies.parse(policy, "policy.yaml").compile())
        self.store = Store(max_memory, self.policy.current.table, Counters())
        self.health = Health(accepting=True, policy_loaded=True)
        self.reads: list[bytes] = []
        self.has_place = True
        self.fails: set[bytes] | None = set()
        self.set_time()
        self.warm_start = WarmStart(
            None if path is None else str(path), origin, clock, self.store, self.policy, self.speculate, self.health
        )
        self.status = self.warm_start.status

    def set_time(self) -> None:
        self.store.set_time(ceil_tick(self.clock.now_ns()), self.clock.wall_ms())

    def fill(self, key: bytes, value: Any = b"value") -> None:
        rule = self.policy.current.row_rule(key)
        self.store.install(key, Found(value), floor_tick(self.clock.now_ns()), rule)

    def speculate(self, key: bytes, then: Callable[[bool], None] | None = None) -> bool:
        if not self.has_place:
            return False
        self.reads.append(key)
        kept = self.fails is not None and key not in self.fails

        def land() -> None:
            if kept:
                self.fill(key, b"read again")
            assert then is not None
            then(kept)

        asyncio.get_running_loop().call_soon(land)
        return True

    async def start(self) -> None:
        await self.warm_start.take_over()
        self.warm_start.serve()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.002)

    async def stop(self, until_s: float = FAR_S) -> None:
        await self.warm_start.close(until_s)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for what the constants are, nor for a disk that others keep busy."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for module, name in ((replay, "PAUSE_S"), (replay, "NO_PLACE_S"), (keeper, "PAUSE_S")):
        monkeypatch.setattr(module, name, 0)
    monkeypatch.setattr(replay, "FAILING_PAUSE_S", 0.001)


@pytest.fixture
def clock() -> ManualClock:
    """Its wall clock is the real one: snapshots that are too old are refused by it."""
    import time

    return ManualClock(wall_ms=round(time.time() * 1000))


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def leave(path: Path, clock: ManualClock, policy: str = POLICY, keys: int = 100, origin: str = ORIGIN) -> None:
    """What a process that was stopped leaves: keys user:0 and on, filled now."""
    process = Process(path, clock, policy, origin)
    await process.start()
    for number in range(keys):
        process.fill(b"user:%d" % number)
    await process.stop()
    assert process.status.writes["written"] == 1 and process.status.written_keys == keys
    assert process.status.written_bytes == os.stat(path).st_size


def test_values_of_a_clean_stop_are_there_before_the_first_client(tmp_path: Path, clock: ManualClock):
    """No read of the origin; ages go on; ready without waiting."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        await leave(path, clock)
        clock.advance(3)
        process = Process(path, clock)
        await process.warm_start.take_over()
        assert len(process.store) == process.status.keys["restored"] == 100
        assert process.store.lookup(b"user:7") == Found(b"value")
        assert 300 <= process.store.explain(b"user:7")["age_ticks"] <= 301
        process.warm_start.serve()
        await process.until(lambda: not process.status.replaying)
        assert process.reads == [] and process.status.keys["answered"] == 100
        assert process.health.warmed_up and process.status.warmth == 1
        clock.advance(7)
        process.set_time()
        assert process.store.lookup(b"user:7") is None, "10 s after it was filled"
        await process.stop()

    run(work())


def test_values_that_no_reader_may_have_any_more_are_read_again(tmp_path: Path, clock: ManualClock):
    """Past ttl and stale_while_revalidate; they stay for an origin that fails."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        await leave(path, clock)
        clock.advance(15)
        process = Process(path, clock)
        process.has_place = False
        await process.start()
        assert process.store.lookup(b"user:7") is None and process.store.lookup(b"user:7", None, 2) is not None
        process.has_place = True
        await process.until(lambda: not process.status.replaying)
        assert sorted(process.reads) == sorted(b"user:%d" % number for number in range(100))
        assert process.store.lookup(b"user:7") == Found(b"read again")
        await process.stop()

    run(work())


def spoil_state(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(STATE_AT)
        file.write(State.USED.value)


@pytest.mark.parametrize("why", ["used", "boot", "policy", "mapping", "earlier clock", "keys only"])
def test_of_any_other_snapshot_only_the_keys_are_taken(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, why: str
):
    """Used before; another boot; values not wanted, now or then; documents elsewhere; a clock that went back."""
    new_policy = POLICY

    async def work() -> None:
        nonlocal new_policy
        path = tmp_path / "snapshot"
        await leave(path, clock, POLICY.replace("values: true", "values: false") if why == "keys only" else POLICY)
        if why == "used":
            spoil_state(path)
        elif why == "boot":
            monkeypatch.setattr(warm_start, "boot_identity", lambda: b"x" * 16)
        elif why == "policy":
            new_policy = POLICY.replace("values: true", "values: false")
        elif why == "mapping":
            new_policy = MAPPED
        elif why == "earlier clock":
            clock.ns -= 10**12
        process = Process(path, clock, new_policy)
        await process.warm_start.take_over()
        assert len(process.store) == 0 and process.status.keys["restored"] == 0
        process.warm_start.serve()
        await process.until(lambda: not process.status.replaying)
        assert len(process.reads) == 100 == process.status.keys["replayed"]
        assert sum(process.status.refusals.values()) == 0
        await process.stop()

    run(work())


def test_values_of_an_origin_that_begins_empty_are_not_taken(tmp_path: Path, clock: ManualClock):
    """memory:// has forgotten them."""

    async def work() -> None:
        await leave(tmp_path / "snapshot", clock, origin="memory://")
        process = Process(tmp_path / "snapshot", clock, origin="memory://")
        await process.warm_start.take_over()
        assert len(process.store) == 0 and process.status.found_keys == 100

    run(work())


def test_a_changed_policy_judges_what_is_taken_over(tmp_path: Path, clock: ManualClock):
    """Numbers of rules are another process's; limits are those of now."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        await leave(path, clock)
        clock.advance(3)
        views = "feature_views:\n  - {name: a, keys: 'a:{x}'}\n  - {name: user, keys: 'user:{id}', ttl: 2s}\n"
        process = Process(path, clock, POLICY + views)
        await process.start()
        assert len(process.store) == 100 and process.store.lookup(b"user:7") is None
        assert process.store.lookup(b"user:7", None, 1) == Found(b"value"), "stale by the view's own ttl"
        await process.stop()

    run(work())


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("corrupt", lambda path, _: path.write_bytes(path.read_bytes()[:-1])),
        ("corrupt", lambda path, _: path.write_bytes(path.read_bytes()[:-1] + b"?")),
        ("version", lambda path, _: path.write_bytes(path.read_bytes()[:8] + b"\x09" + path.read_bytes()[9:])),
        ("old", lambda _, clock: clock.advance(-25 * 3600)),
        ("origin", None),
        ("not_a_snapshot", lambda path, _: path.write_bytes(b"SQLite format 3\0")),
    ],
)
def test_a_snapshot_of_no_use_is_refused_with_one_line(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture, reason: str, spoil: Any
):
    """The path and the reason are logged once, counted, and the sidecar starts empty and ready."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        if reason == "old":
            spoil(path, clock)
        await leave(path, clock)
        if spoil is not None and reason != "old":
            spoil(path, clock)
        before = path.read_bytes()
        process = Process(path, clock, origin="sqlite:////other.db" if reason == "origin" else ORIGIN)
        await process.start()
        await process.until(lambda: not process.status.replaying)
        assert process.health.warmed_up and len(process.store) == 0 and process.reads == []
        assert process.status.refusals == dict.fromkeys(process.status.refusals, 0) | {reason: 1}
        assert process.status.warmth == 1
        lines = [record for record in caplog.records if record.getMessage() == "snapshot refused"]
        assert len(lines) == 1 and lines[0].levelname == "WARNING"
        assert lines[0].fields["path"] == str(path) and lines[0].fields["reason"].startswith(f"{reason}: ")
        process.fill(b"user:1")
        await process.stop()
        assert (path.read_bytes() == before) is (reason == "not_a_snapshot"), "what is not ours is left alone"

    run(work())


def test_payload_damage_behind_a_right_checksum_leaves_memory_empty(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    """Records that are none: nothing of the file is trusted, and nothing half taken over."""
    monkeypatch.setattr(keeper, "frame_of_keys", lambda keys: b"\x07no record")

    async def work() -> None:
        path = tmp_path / "snapshot"
        writer = Process(path, clock)
        await writer.start()
        for number in range(10):
            writer.fill(b"user:%d" % number)
        assert writer.warm_start._keeper is not None
        await writer.warm_start._keeper.write_clean(FAR_S, [[b"left"]])
        process = Process(path, clock)
        await process.start()
        assert len(process.store) == 0 and process.status.refusals["corrupt"] == 1 and process.health.warmed_up

    run(work())


def test_readiness_waits_for_warmth_at_the_start_only(tmp_path: Path, clock: ManualClock):
    """Until `level` of the keys were read; never again after that."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        await leave(path, clock)
        spoil_state(path)
        process = Process(path, clock)
        process.has_place = False
        seen = set()
        real = process.warm_start._note_progress

        def note() -> None:
            seen.add((process.status.warmth >= 0.5, process.health.warmed_up))
            real()

        process.warm_start._note_progress = note  # type: ignore[method-assign]
        await process.start()
        assert process.health.reasons() == ["warming up"]
        process.has_place = True
        await process.until(lambda: process.health.warmed_up)
        await process.until(lambda: not process.status.replaying)
        assert (False, False) in seen and (False, True) not in seen, "ready before half of the keys were back"
        process.store.clear()
        assert process.health.ready
        await process.stop()

    run(work())


def test_readiness_does_not_wait_beyond_the_timeout(tmp_path: Path, clock: ManualClock):
    """An origin without a spare place must not keep traffic away for good; the replay goes on."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        await leave(path, clock)
        spoil_state(path)
        process = Process(path, clock, POLICY.replace("timeout: 30s", "timeout: 50ms"))
        process.has_place = False
        await process.start()
        assert not process.health.ready
        await process.until(lambda: process.health.ready)
        assert process.status.replaying and process.reads == []
        await process.stop()

    run(work())


def test_nothing_is_waited_for_without_a_snapshot(tmp_path: Path, clock: ManualClock):
    """No --snapshot, no file yet, or level 0%."""

    async def work() -> None:
        for path in (None, tmp_path / "none"):
            process = Process(path, clock)
            await process.start()
            assert process.health.ready
            await process.stop()
        assert (tmp_path / "none").exists(), "the first stop leaves one"
        path = tmp_path / "snapshot"
        await leave(path, clock)
        spoil_state(path)
        process = Process(path, clock, POLICY.replace("level: 50%", "level: 0%"))
        process.has_place = False
        await process.start()
        assert process.health.ready
        await process.stop()

    run(work())


def test_keys_are_read_again_hottest_first_and_what_memory_has_is_not(tmp_path: Path, clock: ManualClock):
    """A client that asked first saved a read; the rest comes without any traffic."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        writer = Process(path, clock)
        await writer.start()
        for number in range(300):
            writer.fill(b"user:%d" % number)
        hot = [b"user:%d" % number for number in range(0, 300, 10)]
        for key in hot:
            writer.store.lookup(key)
        await writer.stop()
        spoil_state(path)
        process = Process(path, clock)
        process.has_place = False
        await process.start()
        for key in hot[:5]:
            process.fill(key)
        process.has_place = True
        await process.until(lambda: not process.status.replaying)
        assert set(process.reads[:25]) == set(hot[5:])
        assert len(process.reads) == 295 == process.status.keys["replayed"]
        assert process.status.keys["answered"] == 5
        await process.stop()

    run(work())


def test_a_replay_ends_when_memory_is_full(tmp_path: Path, clock: ManualClock):
    """Reading colder keys would push hotter ones out."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        writer = Process(path, clock, max_memory=16 << 20)
        await writer.start()
        for number in range(30_000):
            writer.fill(b"user:%d" % number)
        await writer.stop()
        spoil_state(path)
        process = Process(path, clock, max_memory=256 << 10)
        await process.start()
        await process.until(lambda: not process.status.replaying)
        assert 1000 < len(process.reads) < 15_000
        assert process.store.evictions["capacity"] < 1100, "what was on its way when memory became full"
        assert process.health.ready
        await process.stop()

    run(work())


def test_a_key_that_cannot_be_read_is_given_up_after_some_attempts(tmp_path: Path, clock: ManualClock):
    """It does not hold up the others."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        await leave(path, clock)
        spoil_state(path)
        process = Process(path, clock)
        process.fails = {b"user:3", b"user:44"}
        await process.start()
        await process.until(lambda: not process.status.replaying)
        assert process.status.keys["replayed"] == 98 and process.status.keys["failed"] == 2
        assert process.reads.count(b"user:3") == replay.ATTEMPTS and process.reads.count(b"user:4") == 1
        await process.stop()

    run(work())


def test_an_origin_that_is_away_costs_no_keys(tmp_path: Path, clock: ManualClock):
    """While nothing can be read keys are tried one by one; when it is back all of them come."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        await leave(path, clock, keys=200)
        spoil_state(path)
        process = Process(path, clock)
        process.fails = None  # all of them
        await process.start()
        await process.until(lambda: len(process.reads) > 400)
        process.fails = set()
        await process.until(lambda: not process.status.replaying)
        assert process.status.keys["replayed"] == 200 and process.status.keys["failed"] == 0
        await process.stop()

    run(work())


def test_keys_are_written_while_clients_are_served(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch):
    """Periodically, without values: they might be older than writes that were acknowledged since."""
    slept = asyncio.sleep
    monkeypatch.setattr(keeper.asyncio, "sleep", lambda delay, *_: slept(min(delay, 0.001)))

    async def work() -> None:
        path = tmp_path / "snapshot"
        process = Process(path, clock)
        await process.start()
        for number in range(1000):
            process.fill(b"user:%d" % number, b"secret value")
        await process.until(lambda: process.status.written_keys == 1000)
        raw = path.read_bytes()
        assert raw[STATE_AT : STATE_AT + 8] == State.PERIODIC.value
        assert b"secret value" not in raw and b"user:999" in raw
        assert process.status.written_bytes == len(raw) and process.status.written_s > 0
        await process.stop()
        assert path.read_bytes()[STATE_AT : STATE_AT + 8] == State.CLEAN.value

    run(work())


def test_a_cold_memory_does_not_replace_the_keys_that_it_still_needs(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    """A process that is killed again and again before it is warm would forget what was hot."""
    slept = asyncio.sleep
    monkeypatch.setattr(keeper.asyncio, "sleep", lambda delay, *_: slept(min(delay, 0.001)))

    async def work() -> None:
        path = tmp_path / "snapshot"
        await leave(path, clock)
        spoil_state(path)
        before = path.read_bytes()
        process = Process(path, clock)
        process.has_place = False
        await process.start()
        for number in range(40):
            process.fill(b"other:%d" % number)
        await slept(0.1)
        assert path.read_bytes() == before and process.status.writes["written"] == 0
        for number in range(20):
            process.fill(b"another:%d" % number)
        await process.until(lambda: process.status.writes["written"] > 0)
        await process.stop()

    run(work())


def test_what_was_not_read_again_yet_is_written_at_the_stop(tmp_path: Path, clock: ManualClock):
    """A stop in the middle of the replay keeps the keys; those in memory have their values."""

    async def work() -> None:
        path = tmp_path / "snapshot"
        await leave(path, clock)
        spoil_state(path)
        process = Process(path, clock)
        process.has_place = False
        await process.start()
        file = process.warm_start._file
        assert file is not None
        await process.until(lambda: file.payload_is_good)
        process.fill(b"mine")
        await process.stop()
        third = Process(path, clock)
        await third.start()
        assert third.store.lookup(b"mine") == Found(b"value")
        await third.until(lambda: not third.status.replaying)
        assert len(third.reads) == 100
        await third.stop()

    run(work())


def test_a_stop_without_time_leaves_the_hottest(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch):
    """What was written by then is whole and clean; the rest is left out."""
    monkeypatch.setattr(keeper, "CLOSING_S", 1e6)  # it is over with the first step
    monkeypatch.setattr(keeper, "CLEAN_SLOTS", 1 << 30)

    async def work() -> None:
        path = tmp_path / "snapshot"
        process = Process(path, clock, max_memory=64 << 20)
        await process.start()
        for number in range(30_000):
            process.fill(b"user:%d" % number, bytes(500))
        process.store.lookup(b"user:77")
        await process.stop(asyncio.get_running_loop().time() + 100)
        assert process.status.writes["written"] == 1 and 0 < process.status.written_keys < 30_000
        second = Process(path, clock, max_memory=64 << 20)
        await second.warm_start.take_over()
        assert len(second.store) == process.status.written_keys
        assert second.store.lookup(b"user:77") == Found(bytes(500))

    run(work())


def test_a_stop_on_a_disk_that_does_not_answer_is_given_up(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    """The older file stays, and its values are not good any more: this process served since."""
    path = tmp_path / "snapshot"
    answers = threading.Event()

    def hang(*_: object) -> None:
        answers.wait(20)
        raise OSError(5, "Input/output error")

    async def work() -> None:
        await leave(path, clock)
        process = Process(path, clock)
        await process.start()
        assert len(process.store) == 100
        monkeypatch.setattr(os, "replace", hang)
        await process.stop(asyncio.get_running_loop().time() + 0.05)
        assert process.status.writes == {"written": 0, "failed": 0, "given_up": 1}
        second = Process(path, clock)
        await second.warm_start.take_over()
        assert len(second.store) == 0 and second.status.found_keys == 100

    try:
        run(work())
    finally:
        answers.set()
