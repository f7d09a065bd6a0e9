"""Restarts with --snapshot: warm, and never older than what was acknowledged, whatever happened to process and file."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest
from compat.wire import Wire, encode
from servers.sidecar_process import SidecarProcess

RESTARTS = int(os.environ.get("SIDECAR_RESTARTS", "24" if os.environ.get("CI") else "9"))
SEED = int(os.environ.get("SIDECAR_RESTART_SEED", "1"))
KEYS = 200
BATCH = 40
POLICY = (
    "version: 1\ndefaults: {{ttl: {ttl}, jitter: 0%, stale_while_revalidate: 0s, deadline: 20s, write_deadline: 20s}}\n"
)
READS = 'origin_requests_total{operation="read",origin="sqlite",outcome="found"}'


class Restarted:
    """One sidecar after the other on one database and one snapshot."""

    def __init__(self, start, folder, ttl: str = "1h", more: str = "") -> None:
        self._start = start
        self._policy = POLICY.format(ttl=ttl) + more
        self.folder = folder
        self.snapshot = folder / "snapshot"
        self.sidecar: SidecarProcess
        self.wire: Wire

    def start(self) -> Wire:
        self.sidecar = self._start(
            "--snapshot",
            str(self.snapshot),
            folder=self.folder,
            origin=f"sqlite:///{self.folder / 'features.db'}",
            policy=self._policy,
        )
        self.wire = Wire(self.sidecar.connect())
        return self.wire

    def restart(self) -> Wire:
        """A clean stop, and the next process."""
        assert self.sidecar.stop() == 0, self.sidecar.log()
        return self.start()

    def kill(self) -> None:
        self.sidecar.process.kill()
        self.sidecar.process.wait(20)

    def keys(self, outcome: str) -> float:
        return self.sidecar.metric(f'warm_start_keys_total{{outcome="{outcome}"}}')

    def age_s(self, key: str) -> float:
        return float(json.loads(self.sidecar.fetch(f"/explain?key={key}"))["age_s"])

    def until(self, condition) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, self.sidecar.log()
            time.sleep(0.01)


@pytest.fixture
def restarted(start, tmp_path):
    """A Restarted that keeps everything for an hour."""
    folder = tmp_path / "restarted"
    folder.mkdir()
    return Restarted(start, folder)


def fill(wire: Wire) -> None:
    strings = [[b"SET", b"s:%d" % number, b"value %d" % number] for number in range(KEYS)]
    rows = [[b"HSET", b"h:%d" % number, b"a", b"%d" % number, b"b", b"x" * number] for number in range(KEYS)]
    assert wire.exchange(strings + rows) == [b"+OK\r\n"] * KEYS + [b":2\r\n"] * KEYS
    wire.exchange([[b"HGETALL", b"h:%d" % number] for number in range(KEYS)])


def check_fill(wire: Wire) -> None:
    for number in range(KEYS):
        assert wire.one(b"GET", b"s:%d" % number) == b"$%d\r\nvalue %d\r\n" % (len(b"value %d" % number), number)
        reply = wire.one(b"HMGET", b"h:%d" % number, b"a", b"b", b"none")
        assert reply == b"*3\r\n$%d\r\n%d\r\n$%d\r\n%b\r\n$-1\r\n" % (
            len(b"%d" % number),
            number,
            number,
            b"x" * number,
        )


def test_after_a_clean_stop_memory_answers_everything_and_ages_go_on(restarted):
    """Not one read of the origin; an entry is as old as if its process had not ended."""
    fill(restarted.start())
    before_s, asked_s = restarted.age_s("h:7"), time.monotonic()
    wire = restarted.restart()
    assert restarted.keys("restored") == 2 * KEYS
    check_fill(wire)
    passed_s = time.monotonic() - asked_s
    assert restarted.age_s("h:7") >= before_s + passed_s - 0.03  # ticks of 10 ms
    assert restarted.sidecar.metric(READS) == 0
    restarted.until(lambda: restarted.sidecar.fetch("/readyz") == b"ready\n")
    assert json.loads(restarted.sidecar.fetch("/overview"))["warm_start"]["warmth"] == 1
    assert restarted.sidecar.metric('snapshots_refused_total{reason="corrupt"}') == 0


def write_behind(restarted: Restarted, value: bytes) -> None:
    """Another process changes s:7 in the origin."""
    database = sqlite3.connect(restarted.folder / "features.db")
    (body,) = database.execute("SELECT body FROM documents WHERE key = ?", (b"s:7",)).fetchone()
    assert b"value 7" in bytes(body)
    changed = bytes(body).replace(b"value 7", value)
    database.execute("UPDATE documents SET body = ? WHERE key = ?", (changed, b"s:7"))
    database.commit()
    database.close()


def test_no_value_outlives_its_ttl_over_a_restart(start, tmp_path):
    """What others wrote between stop and start is seen when the entry's time is up, and not later."""
    folder = tmp_path / "bounded"
    folder.mkdir()
    restarted = Restarted(start, folder, ttl="3s")
    fill(restarted.start())
    filled_s = time.monotonic()
    assert restarted.sidecar.stop() == 0
    write_behind(restarted, b"newer 7")
    wire = restarted.start()
    assert restarted.keys("restored") == 2 * KEYS
    time.sleep(max(0.0, filled_s + 3.1 - time.monotonic()))
    assert wire.one(b"GET", b"s:7") == b"$7\r\nnewer 7\r\n"


def test_values_are_taken_over_once(restarted):
    """A process that began with them, wrote, and was killed must not see them again: only their keys are good."""
    fill(restarted.start())
    wire = restarted.restart()
    assert restarted.keys("restored") == 2 * KEYS
    assert wire.one(b"SET", b"s:7", b"newer") == b"+OK\r\n"
    restarted.kill()
    wire = restarted.start()
    assert restarted.keys("restored") == 0
    assert wire.one(b"GET", b"s:7") == b"$5\r\nnewer\r\n"
    restarted.until(lambda: restarted.keys("replayed") + restarted.keys("answered") == 2 * KEYS)
    reads = restarted.sidecar.metric(READS)
    check = Wire(restarted.sidecar.connect())
    for number in range(8, KEYS):
        check.one(b"GET", b"s:%d" % number)
        check.one(b"HGETALL", b"h:%d" % number)
    assert restarted.sidecar.metric(READS) == reads, "all was read again before anybody asked"


def end(restarted: Restarted, chance: random.Random) -> str:
    """One of the ways in which a process ends."""
    process = restarted.sidecar.process
    how = chance.choice(("stop", "stop", "kill", "kill in the stop"))
    if how == "kill":
        process.kill()
    else:
        process.send_signal(signal.SIGTERM)
        if how == "kill in the stop":
            time.sleep(chance.uniform(0, 0.06))
            process.kill()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        pytest.fail(f"it did not end:\n{restarted.sidecar.log()}")
    return how


def read(wire: Wire, size: int) -> bytes:
    data = b""
    while len(data) < size and (received := wire.client.recv(65536)):
        data += received
    return data


def write_some(restarted: Restarted, chance: random.Random, counters: list[list[int]]) -> None:
    """Rounds of acknowledged SETs of rising numbers, the last one cut by the end of the process.

    Args:
        counters: for each key the last number acknowledged and the last number sent.
    """
    wire = restarted.wire
    for last in [False] * chance.randrange(1, 6) + [True]:
        chosen = chance.sample(range(KEYS), BATCH)
        for number in chosen:
            counters[number][1] += 1
        wire.send(b"".join(encode([b"SET", b"n:%d" % number, b"%d" % counters[number][1]]) for number in chosen))
        if last:
            return  # nobody knows what becomes of these
        assert read(wire, 5 * BATCH) == b"+OK\r\n" * BATCH
        for number in chosen:
            counters[number][0] = counters[number][1]
        for number in chance.sample(range(KEYS), BATCH):
            wire.one(b"GET", b"n:%d" % number)


def test_no_restart_brings_back_an_overwritten_value(restarted):
    """Stopped, killed, killed while it stopped: every key answers with its last acknowledged write or a later one."""
    chance = random.Random(SEED)
    counters = [[0, 0] for _ in range(KEYS)]
    seen = {"restored": 0.0, "replayed": 0.0}
    for _ in range(RESTARTS):
        wire = restarted.start()
        for number, (acknowledged, sent) in enumerate(counters):
            reply = wire.one(b"GET", b"n:%d" % number)
            held = 0 if reply == b"$-1\r\n" else int(reply.split(b"\r\n")[1])
            assert acknowledged <= held <= sent, (number, held, acknowledged, sent, restarted.sidecar.log())
            counters[number][0] = held  # it was seen: nothing older may be
        for outcome in seen:
            seen[outcome] += restarted.keys(outcome)
        write_some(restarted, chance, counters)
        end(restarted, chance)
        restarted.wire.close()
    assert seen["restored"] > 0, "no values were taken over: nothing was tried"
    assert "Traceback" not in restarted.sidecar.log()


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "another version"])
def test_a_damaged_snapshot_costs_warmth_and_nothing_else(restarted, damage: str):
    """One line in the log, with the path and the reason; everything is answered from the origin."""
    fill(restarted.start())
    assert restarted.sidecar.stop() == 0
    whole = bytearray(restarted.snapshot.read_bytes())
    if damage == "flipped":
        whole[len(whole) // 2] ^= 4
    elif damage == "another version":
        whole[8] = 77
    restarted.snapshot.write_bytes({"cut": whole[: len(whole) // 2], "emptied": b""}.get(damage, whole))
    wire = restarted.start()
    check_fill(wire)
    lines = [json.loads(line) for line in restarted.sidecar.log().splitlines() if "snapshot refused" in line]
    assert [line["path"] for line in lines] == [str(restarted.snapshot)]
    assert ("version" if damage == "another version" else "corrupt") in lines[0]["reason"]
    assert restarted.keys("restored") == 0 and restarted.sidecar.metric("ready") == 1
    wire = restarted.restart()
    assert restarted.keys("restored") == 2 * KEYS, "the next snapshot is a good one"


def test_a_file_that_is_no_snapshot_is_left_alone(start, tmp_path):
    """--snapshot names the database by mistake: it is not overwritten, and the sidecar serves."""
    folder = tmp_path / "mistaken"
    folder.mkdir()
    database = folder / "features.db"
    arguments = ("--snapshot", str(database))
    sidecar = start(*arguments, folder=folder, origin=f"sqlite:///{database}")
    Wire(sidecar.connect()).one(b"SET", b"k", b"v")
    assert sidecar.stop() == 0
    again = start(*arguments, folder=folder, origin=f"sqlite:///{database}")
    assert Wire(again.connect()).one(b"GET", b"k") == b"$1\r\nv\r\n"
    assert "not_a_snapshot" in again.log()


def test_the_snapshot_is_as_secret_as_the_origin(restarted):
    """Only its owner may read it, and nothing is left beside it."""
    fill(restarted.start())
    assert restarted.sidecar.stop() == 0
    assert restarted.snapshot.stat().st_mode & 0o7777 == 0o600
    assert [name for name in os.listdir(restarted.folder) if name.startswith("snapshot")] == ["snapshot"]
