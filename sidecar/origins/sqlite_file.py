"""The SQLite file: its layout, its version, and what to tell the operator when it cannot be opened.

One table with a rowid and a unique index on the key. Measured on 20,000 documents of 1.7 KB and 100,000 of 64 bytes:
reading 100 documents by IN costs 3.5 us each, against 14 us WITHOUT ROWID (6.4 us with pages of 8 KiB), whose rows of
that size leave little room in a page; 64 upserts 344 us against 957 us; and count(*) walks the small index only.
"""

import sqlite3
import time
from pathlib import Path

from sidecar.origins.base import Cause, OriginUnavailable
from sidecar.origins.errors import OriginSetupError

LAYOUT_VERSION = 1  # user_version
APPLICATION_ID = 0x46536361  # "FSca": tells our files from those of other programs
STRING, HASH, HASH_WITH_DEADLINES = 0, 1, 2  # documents.kind; the last may be without a live field

_LAYOUT = f"""
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    body BLOB NOT NULL,
    expiry_ms INTEGER
);
CREATE INDEX documents_expiry ON documents (expiry_ms) WHERE expiry_ms IS NOT NULL;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {LAYOUT_VERSION};
"""
_STATEMENTS_KEPT = 64  # SQLite's compiled statements: ours number about 20
_PAGE_CACHE_KIB = 512  # a connection's, outside --max-memory: 2 MiB each made reads 5% cheaper, and RSS 1.05x of 64 MiB
_SETUP_PATIENCE_S = 5.0  # several processes may create one file at the same moment


def open_file(path: Path, busy_ms: int) -> sqlite3.Connection:
    """A connection to a file of our layout, made where there is none; WAL, and COMMIT returns after fsync.

    Raises:
        OriginSetupError: what is wrong with the file or its directory, and what to do.
    """
    _check_place(path)
    give_up_at = time.monotonic() + _SETUP_PATIENCE_S
    while True:
        try:
            return _connect(path, busy_ms)
        except sqlite3.Error as exc:
            if not is_busy(exc) or time.monotonic() >= give_up_at:
                raise OriginSetupError(f"origin: {path}: {_explanation(path, exc)}") from exc
            time.sleep(0.01)  # in a thread; switching to WAL does not wait by busy_timeout


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process holds the lock that was wanted."""
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def unavailable(error: sqlite3.Error) -> OriginUnavailable:
    """What the miss path is told of an error at a read."""
    return OriginUnavailable(Cause.BUSY if is_busy(error) else Cause.STORAGE)


def _connect(path: Path, busy_ms: int) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=busy_ms / 1e3, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS_KEPT
    )
    try:
        _check_owner(path, connection)  # before anything is changed in a file that may not be ours
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise OriginSetupError(
                f"origin: {path}: SQLite cannot use write-ahead logging here (journal mode {mode}): use a local disk"
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
        if _version(connection) == 0:
            _create(connection)
        connection.execute("SELECT count(*) FROM documents WHERE id = 0")  # the table is there and can be read
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) == 0:  # no other process was faster
            for statement in _LAYOUT.split(";"):
                connection.execute(statement)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check_place(path: Path) -> None:
    parent = path.absolute().parent
    if not parent.exists():
        raise OriginSetupError(f"origin: {path}: the directory {parent} does not exist: create it")
    if not parent.is_dir():
        raise OriginSetupError(f"origin: {path}: {parent} is not a directory: name another file")
    if path.exists() and not path.is_file():
        raise OriginSetupError(f"origin: {path} is not a regular file: name a file")


def _check_owner(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")  # one snapshot: another process may be creating the layout at this moment
    version = _version(connection)
    ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    connection.execute("ROLLBACK")
    if not ours and (version or tables):
        raise OriginSetupError(f"origin: {path} is a database of another program: name another file")
    if version > LAYOUT_VERSION:
        raise OriginSetupError(
            f"origin: {path} has layout {version}, this version knows up to {LAYOUT_VERSION}:"
            " a newer feature-sidecar wrote it; upgrade, or name another file"
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _explanation(path: Path, error: sqlite3.Error) -> str:
    code = _primary_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return "is not a SQLite database: name another file"
    if code == sqlite3.SQLITE_CORRUPT:
        return "the database is damaged: restore it from a backup, or name another file"
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return (
            "cannot be opened for writing: this user must be able to write the file and its directory"
            f" {path.absolute().parent} (SQLite keeps -wal and -shm files beside it)"
        )
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full"
    if is_busy(error):
        return "another process keeps the database locked: stop it, or name another file"
    return f"SQLite says: {error}"


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
