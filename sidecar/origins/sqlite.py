"""The embedded origin: documents in one SQLite file, durable once a write is answered, off the event loop."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection

from sidecar.clock import Clock
from sidecar.origins import sqlite_documents, stored_document
from sidecar.origins.base import (
    Cause,
    Expiries,
    Origin,
    OriginAnswer,
    OriginUnavailable,
    Read,
    Refusal,
    Refused,
    ScanPage,
    Write,
    WriteAnswer,
)
from sidecar.origins.document import DtypeOf
from sidecar.origins.key_glob import key_matcher, literal_prefix
from sidecar.origins.sqlite_file import open_file
from sidecar.origins.sqlite_reader import SqliteReader
from sidecar.origins.sqlite_writer import SqliteWriter
from sidecar.origins.stored_document import live
from sidecar.resilience.deadline import Deadline

_BUSY_MS = 100  # one wait for another process's lock; the writer goes on waiting until its writes' deadlines
_MAX_SCAN_DOCUMENTS = 1000  # a page's most, so that reads wait for a page 2 ms at most


class SqliteOrigin(Origin):
    """One file, several processes; a reader thread and a writer thread in each.

    Reads see the last commit and never wait for a write (WAL).
    """

    name = "sqlite"

    def __init__(self, path: Path, clock: Clock, dtype_of: DtypeOf | None = None) -> None:
        self.path = path
        self._clock = clock
        self._dtype_of = dtype_of
        self._reader: SqliteReader | None = None
        self._writer: SqliteWriter | None = None

    async def start(self) -> None:
        """Open the file, making it where there is none.

        Raises:
            OriginSetupError: it cannot be used; the text says what to do.
        """
        writing, reading = await asyncio.to_thread(_open_both, self.path)
        self._writer = SqliteWriter(writing, self._clock, self._dtype_of)
        self._reader = SqliteReader(reading, self._clock)

    async def close(self) -> None:
        """Commit what waits, then close; SQLite empties the log as the last process goes."""
        reader, writer = self._reader, self._writer
        if reader is not None and writer is not None:
            await asyncio.to_thread(writer.close)
            await asyncio.to_thread(reader.close)

    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        return await self._open_reader().ask(partial(self._fetch, reads), deadline)

    async def write_many(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        if self._writer is None:
            return [Refused(Refusal.NOT_SENT, Cause.CLOSED)] * len(writes)
        return await self._writer.submit(writes, deadline)

    async def expiries(self, key: bytes, fields: tuple[bytes, ...], deadline: Deadline) -> Expiries:
        return await self._open_reader().ask(partial(self._expiries, key, fields), deadline)

    async def scan(self, position: bytes | None, match: bytes | None, count: int, deadline: Deadline) -> ScanPage:
        """A page in the order of keys; ``position`` is the last key looked at."""
        count = max(1, min(count, _MAX_SCAN_DOCUMENTS))
        return await self._open_reader().ask(partial(self._scan, position, match, count), deadline)

    async def count(self, deadline: Deadline) -> int | None:
        """The documents stored, those included that have expired and are not yet removed, as in Redis."""
        return await self._open_reader().ask(sqlite_documents.count, deadline)

    def _open_reader(self) -> SqliteReader:
        if self._reader is None:
            raise OriginUnavailable(Cause.CLOSED)
        return self._reader

    def _fetch(self, reads: Sequence[Read], connection: Connection) -> list[OriginAnswer]:
        documents = sqlite_documents.load(connection, [read.key for read in reads])
        now_ms = self._clock.wall_ms()
        return [stored_document.read(documents.get(read.key), read.fields, now_ms) for read in reads]

    def _expiries(self, key: bytes, fields: tuple[bytes, ...], connection: Connection) -> Expiries:
        document = sqlite_documents.load(connection, [key]).get(key)
        return stored_document.expiries(document, fields, self._clock.wall_ms())

    def _scan(self, position: bytes | None, match: bytes | None, count: int, connection: Connection) -> ScanPage:
        rows = sqlite_documents.walk(connection, position, literal_prefix(match), count)
        matches = key_matcher(match)
        now_ms = self._clock.wall_ms()
        found = [
            (key, b"hash" if document.is_json else b"string")
            for key, document in rows
            if matches(key) and live(document, now_ms) is not None
        ]
        return ScanPage(rows[-1][0] if len(rows) == count else None, found)


def _open_both(path: Path) -> tuple[Connection, Connection]:
    writing = open_file(path, _BUSY_MS)
    try:
        return writing, open_file(path, _BUSY_MS)
    except BaseException:
        writing.close()
        raise
