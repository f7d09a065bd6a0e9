"""The SQLite file: which one a URL names, its layout's version, and errors that say what to do."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from sidecar.clock import ManualClock
from sidecar.origins import OriginSetupError, open_origin
from sidecar.origins.sqlite_file import APPLICATION_ID, LAYOUT_VERSION
from sidecar.origins.sqlite_path import path_of


async def start(path):
    origin = open_origin(f"sqlite:///{path}", clock=ManualClock())
    await origin.start()
    await origin.close()


def pragma(path, name):
    with sqlite3.connect(path) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///./features.db", "features.db"),
        ("sqlite:///../data/features.db", "../data/features.db"),
        ("sqlite:///data/features.db", "/data/features.db"),
        ("sqlite:////data/features.db", "/data/features.db"),
        ("sqlite:///data/my%20features%3F.db", "/data/my features?.db"),
    ],
)
def test_the_path_of_a_url(url, path):
    """A dot makes it relative to the working directory; anything else is absolute; escapes are undone."""
    assert path_of(url) == Path(path)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///features.db", "sqlite://host/x.db", "sqlite:///d/x.db?a=1"]
)
def test_a_url_that_names_no_usable_file(url):
    """A host, options, no file, or a file of the root directory are refused with what to write instead."""
    with pytest.raises(OriginSetupError, match=r"sqlite:///\./features.db"):
        open_origin(url, clock=ManualClock())


async def test_a_new_file_carries_the_layouts_version(tmp_path):
    """So that later versions know what they find."""
    await start(tmp_path / "f.db")
    assert pragma(tmp_path / "f.db", "user_version") == LAYOUT_VERSION
    assert pragma(tmp_path / "f.db", "application_id") == APPLICATION_ID


async def test_a_newer_layout_is_refused_untouched(tmp_path):
    """A file of a later version is not opened, and says who wrote it."""
    path = tmp_path / "f.db"
    await start(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(OriginSetupError, match=r"layout 99, this version knows up to 1: .*newer.*upgrade"):
        await start(path)
    assert pragma(path, "user_version") == 99


async def test_a_database_of_another_program_is_refused_untouched(tmp_path):
    """Nothing is created in it, and its journal mode stays."""
    path = tmp_path / "f.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(OriginSetupError, match="another program"):
        await start(path)
    assert pragma(path, "journal_mode") == "delete"
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


async def test_a_file_that_is_no_database(tmp_path):
    """Text, say: refused, not overwritten."""
    path = tmp_path / "f.db"
    path.write_bytes(b"not a database\n" * 100)
    with pytest.raises(OriginSetupError, match="is not a SQLite database"):
        await start(path)
    assert path.read_bytes() == b"not a database\n" * 100


async def test_an_absent_directory(tmp_path):
    """It is not made behind the operator's back: a mount may be missing."""
    with pytest.raises(OriginSetupError, match=f"directory {tmp_path}/no does not exist: create it"):
        await start(tmp_path / "no" / "f.db")
    assert not (tmp_path / "no").exists()


async def test_a_directory_in_the_files_place(tmp_path):
    """Named as what it is."""
    with pytest.raises(OriginSetupError, match="is not a regular file"):
        await start(tmp_path)


async def test_a_file_in_the_directorys_place(tmp_path):
    """Named as what it is."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OriginSetupError, match="is not a directory"):
        await start(tmp_path / "file" / "f.db")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, where nobody can make a file, root included")
async def test_an_unwritable_directory():
    """The error names the directory and what this user must be able to do."""
    with pytest.raises(OriginSetupError, match=r"must be able to write the file and its directory /proc"):
        await start("/proc/f.db")


async def test_many_processes_create_one_file_at_once(tmp_path):
    """All open it; the layout is made once."""
    await asyncio.gather(*[start(tmp_path / "f.db") for _ in range(8)])
    assert pragma(tmp_path / "f.db", "user_version") == LAYOUT_VERSION


async def test_a_locked_file_at_start(tmp_path, monkeypatch):
    """A lock that is never given back is named as the cause."""
    path = tmp_path / "f.db"
    await start(path)
    monkeypatch.setattr("sidecar.origins.sqlite_file._SETUP_PATIENCE_S", 0.05)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OriginSetupError, match="another process keeps the database locked"):
            await start(path)
