"""Snapshot files: whole or refused, used once, and never over something that is not ours."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from sidecar.snapshot import header as head
from sidecar.snapshot.errors import SnapshotRefused
from sidecar.snapshot.header import HEAD_BYTES, Header, State
from sidecar.snapshot.identity import boot_identity, origin_identity, outlives_the_process
from sidecar.snapshot.reader import SnapshotFile
from sidecar.snapshot.writer import SnapshotWriter
from sidecar.snapshot_status import REFUSALS

HEADER = Header(b"b" * 16, b"o" * 16, b"m" * 16, 10**15, 1_800_000_000_000, 3, 0, 0, 0, True)
FRAMES = [b"first frame", b"x" * 3000, b"last"]


@pytest.fixture(autouse=True)
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No test waits for a disk that others keep busy; what would have been synced is noted."""
    descriptors: list[int] = []
    monkeypatch.setattr(os, "fsync", descriptors.append)
    return descriptors


def write(path: Path, state: State = State.CLEAN, frames: list[bytes] = FRAMES) -> int:
    async def run() -> int:
        writer = SnapshotWriter(str(path), is_clean=state is State.CLEAN)
        for frame in frames:
            writer.put(frame)
        return await writer.finish(HEADER, state, 10)

    return asyncio.run(run())


def refusal_of(path: Path) -> SnapshotRefused:
    with pytest.raises(SnapshotRefused) as refused:
        file = SnapshotFile(str(path))
        try:
            file.check_payload()
        finally:
            file.close()
    assert refused.value.reason in REFUSALS
    return refused.value


@pytest.mark.parametrize("state", [State.CLEAN, State.PERIODIC])
def test_what_is_written_is_read(tmp_path: Path, state: State, synced: list[int]):
    """Header and frames; nobody else may read the file, and nothing is left beside it.

    A periodic one is synced before it takes the old one's name, and its folder after it; a clean one is not waited for.
    """
    path = tmp_path / "snapshot"
    size = write(path, state)
    assert size == path.stat().st_size and path.stat().st_mode & 0o7777 == 0o600
    assert os.listdir(tmp_path) == ["snapshot"]
    assert len(synced) == (0 if state is State.CLEAN else 2)
    file = SnapshotFile(str(path))
    assert file.header[:6] == HEADER[:6] and file.header.frames == 3 and file.header.has_values
    assert file.may_hold_values is (state is State.CLEAN)
    assert file.check_payload() and list(file.frames()) == FRAMES
    file.close()


def test_values_are_good_once(tmp_path: Path, synced: list[int]):
    """The mark is in the file, and synced, before the first reader has it; the keys stay good."""
    path = tmp_path / "snapshot"
    write(path)
    first = SnapshotFile(str(path))
    assert len(synced) == 1
    second = SnapshotFile(str(path))
    assert first.may_hold_values and not second.may_hold_values
    assert second.check_payload() and list(second.frames()) == FRAMES
    first.close()
    second.close()


def test_the_values_of_a_file_that_cannot_be_marked_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A read-only volume would bring them back at every start."""
    path = tmp_path / "snapshot"
    write(path)
    opened = os.open

    def read_only(name: str, flags: int, *rest: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(30, "Read-only file system")
        return opened(name, flags, *rest)

    monkeypatch.setattr(os, "open", read_only)
    file = SnapshotFile(str(path))
    assert not file.may_hold_values and file.check_payload()
    file.close()


def test_the_values_of_a_file_that_others_may_write_are_not_taken(tmp_path: Path):
    """They could be anybody's."""
    path = tmp_path / "snapshot"
    write(path)
    path.chmod(0o620)
    file = SnapshotFile(str(path))
    assert not file.may_hold_values
    file.close()


def test_every_damaged_byte_is_found(tmp_path: Path):
    """Each byte of the file changed in turn: refused, whatever it is."""
    path = tmp_path / "snapshot"
    write(path, State.PERIODIC, [b"first frame", b"x" * 50, b"last"])  # a clean one is synced at each opening
    whole = path.read_bytes()
    for at in range(len(whole)):
        for change in (0x01, 0xFF):
            damaged = bytearray(whole)
            damaged[at] ^= change
            path.write_bytes(damaged)
            refused = refusal_of(path)
            expected = {"not_a_snapshot"} if at < 8 else {"version"} if at < 12 else {"corrupt"}
            assert refused.reason in expected, (at, refused)


@pytest.mark.parametrize("state", State)
def test_states_are_far_apart(state: State):
    """A snapshot that was used must not become clean by a few bits; the state is not part of the checksum."""
    for other in set(State) - {state}:
        differing = sum((a ^ b).bit_count() for a, b in zip(state.value, other.value, strict=True))
        assert differing >= 8


def test_every_truncation_is_found(tmp_path: Path):
    """A torn file is refused wherever it ends; an empty one too, and it may be written over."""
    path = tmp_path / "snapshot"
    write(path)
    whole = path.read_bytes()
    for size in [*range(HEAD_BYTES + 20), len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert refusal_of(path).reason == "corrupt", size
        assert not head.is_foreign(whole[:size])
    path.write_bytes(whole + b"\0")
    assert refusal_of(path).reason == "corrupt"


def test_another_version_is_refused_after_its_values_were_marked_used(tmp_path: Path):
    """Its own version must not take them over once this process has served and written."""
    path = tmp_path / "snapshot"
    write(path)
    newer = bytearray(path.read_bytes())
    newer[8:12] = (2).to_bytes(4, "little")
    path.write_bytes(newer)
    assert refusal_of(path).reason == "version"
    assert head.decode_prelude(path.read_bytes()) is State.USED


def test_a_file_that_is_none_of_ours_is_told_apart(tmp_path: Path):
    """A database that --snapshot names by mistake is not touched; what a crash leaves of ours is."""
    path = tmp_path / "features.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(2000))
    before = path.read_bytes()
    assert refusal_of(path).reason == "not_a_snapshot"
    assert path.read_bytes() == before
    assert head.is_foreign(before) and head.is_foreign(b"x")
    assert not head.is_foreign(b"") and not head.is_foreign(bytes(4096))


def test_what_cannot_be_read_is_refused(tmp_path: Path):
    """A folder, or a disk that fails; no file is no error."""
    assert refusal_of(tmp_path).reason == "unreadable"
    with pytest.raises(FileNotFoundError):
        SnapshotFile(str(tmp_path / "none"))


def test_one_process_at_a_time_takes_over(tmp_path: Path):
    """Two that begin at once must not both have the values."""
    import fcntl

    path = tmp_path / "snapshot"
    write(path)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert refusal_of(path).reason == "in_use"
        fcntl.flock(other, fcntl.LOCK_UN)
    SnapshotFile(str(path)).close()


def test_checking_ends_when_time_is_over(tmp_path: Path):
    """Clients wait for it."""
    path = tmp_path / "snapshot"
    write(path, frames=[bytes(1 << 20)] * 3)
    file = SnapshotFile(str(path))
    assert not file.check_payload(lambda: False) and not file.payload_is_good
    assert file.check_payload() and file.payload_is_good
    file.close()


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path):
    """Given up, failed, or what a killed process left: nothing of it is seen."""
    path = tmp_path / "snapshot"
    write(path)
    before = path.read_bytes()
    (tmp_path / "snapshot.periodic").write_bytes(b"left by a process that was killed")

    async def give_up() -> None:
        writer = SnapshotWriter(str(path), is_clean=False)
        writer.put(b"frame")
        await writer.abandon()

    asyncio.run(give_up())
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["snapshot"]

    async def fail() -> None:
        writer = SnapshotWriter(str(tmp_path / "no" / "such" / "folder"), is_clean=False)
        with pytest.raises(FileNotFoundError):
            await writer.finish(HEADER, State.PERIODIC, 10)
        assert writer.has_ended

    asyncio.run(fail())
    write(path, State.PERIODIC, [b"new"])
    file = SnapshotFile(str(path))
    assert list(file.frames()) == [b"new"]
    file.close()


def test_a_disk_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """TimeoutError in time, from a thread that keeps neither the loop nor the process."""
    held = []

    def hang(*_: object) -> None:
        held.append(True)
        while held:
            time.sleep(0.01)

    monkeypatch.setattr(os, "replace", hang)

    async def run() -> None:
        writer = SnapshotWriter(str(tmp_path / "snapshot"), is_clean=True)
        with pytest.raises(TimeoutError):
            await writer.finish(HEADER, State.CLEAN, 0.05)
        writer.give_up()

    asyncio.run(run())
    assert not (tmp_path / "snapshot").exists()
    held.clear()


def test_identities_tell_data_apart_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Hosts in any order, options and TLS do not matter; bucket, file and kind do. No login is in it."""
    same = [
        "couchbase://a,b/features",
        "couchbase://B,a/features?network=external",
        "couchbases://user:secret@b,a/features",
    ]
    assert len({origin_identity(url) for url in same}) == 1
    others = ["couchbase://a,b/other", "couchbase://a/features", "memory://", "sqlite:///./a.db", "sqlite:////b/a.db"]
    assert len({origin_identity(url) for url in [same[0], *others]}) == 6
    monkeypatch.chdir(tmp_path)
    assert origin_identity("sqlite:///./a.db") == origin_identity(f"sqlite:///{tmp_path}/a.db")
    assert boot_identity() == boot_identity() and len(boot_identity()) in (0, 16)
    assert outlives_the_process("sqlite:///./a.db") and not outlives_the_process("memory://")
