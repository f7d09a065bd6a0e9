"""Every statement on the table ``documents``, and nothing else."""

import sqlite3
from collections.abc import Iterator, Sequence

from sidecar.origins.document import EXPIRE_MEMBER
from sidecar.origins.sqlite_file import HASH, HASH_WITH_DEADLINES, STRING
from sidecar.origins.stored_document import Document

_KEYS_PER_STATEMENT = 128  # us a document: 7.6 one by one, 3.4 by 16, 3.1 by 100; more in one gains nothing
_DEADLINES_MARK = f'"{EXPIRE_MEMBER}":'.encode()

_UPSERT = (
    "INSERT INTO documents (key, kind, body, expiry_ms) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE"
    " SET kind = excluded.kind, body = excluded.body, expiry_ms = excluded.expiry_ms"  # REPLACE: 4 times dearer
)


def load(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Document]:
    """The documents there are of ``keys``, expired ones included."""
    return {
        key: Document(body, kind != STRING, expiry_ms)
        for chunk in _chunks(keys)
        for key, kind, body, expiry_ms in connection.execute(
            f"SELECT key, kind, body, expiry_ms FROM documents WHERE key IN ({','.join('?' * len(chunk))})", chunk
        )
    }


def store(connection: sqlite3.Connection, documents: Sequence[tuple[bytes, Document]]) -> None:
    """Insert or replace; call inside a transaction."""
    connection.executemany(
        _UPSERT, [(key, _kind(document), document.body, document.expiry_ms) for key, document in documents]
    )


def remove(connection: sqlite3.Connection, keys: Sequence[bytes]) -> None:
    """Delete where present; call inside a transaction."""
    connection.executemany("DELETE FROM documents WHERE key = ?", [(key,) for key in keys])


def has_expired(connection: sqlite3.Connection, now_ms: int) -> bool:
    """Whether an expired document takes up space."""
    row = connection.execute("SELECT 1 FROM documents WHERE expiry_ms <= ? LIMIT 1", (now_ms,)).fetchone()
    return row is not None


def remove_expired(connection: sqlite3.Connection, now_ms: int, limit: int) -> int:
    """Delete up to ``limit`` expired documents, and say how many; call inside a transaction."""
    return connection.execute(
        "DELETE FROM documents WHERE id IN (SELECT id FROM documents WHERE expiry_ms <= ? LIMIT ?)", (now_ms, limit)
    ).rowcount


def count(connection: sqlite3.Connection) -> int:
    """All rows, by the index of keys: 0.8 ms for 120,000."""
    return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])


def walk(
    connection: sqlite3.Connection, after: bytes | None, prefix: bytes, limit: int
) -> list[tuple[bytes, Document]]:
    """Up to ``limit`` documents in the order of their keys, beginning behind ``after``, whose keys have ``prefix``.

    Only a hash that has field deadlines brings its body, without which nobody can say whether it is still there. Other
    bodies are left empty, which `live` takes as present: they may lie on many pages.
    """
    start, comparison = (prefix, ">=") if after is None or after < prefix else (after, ">")
    end = _behind(prefix)
    rows = connection.execute(
        f"SELECT key, kind, CASE kind WHEN {HASH_WITH_DEADLINES} THEN body ELSE x'' END, expiry_ms FROM documents"
        f" WHERE key {comparison} ?{'' if end is None else ' AND key < ?'} ORDER BY key LIMIT ?",
        (start, limit) if end is None else (start, end, limit),
    )
    return [(key, Document(body, kind != STRING, expiry_ms)) for key, kind, body, expiry_ms in rows]


def _kind(document: Document) -> int:
    if not document.is_json:
        return STRING
    return HASH_WITH_DEADLINES if _DEADLINES_MARK in document.body else HASH


def _chunks(keys: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The keys in lists of a power of two, the last key repeated: eight statements to compile, not one a length."""
    for start in range(0, len(keys), _KEYS_PER_STATEMENT):
        chunk = list(keys[start : start + _KEYS_PER_STATEMENT])
        yield chunk + chunk[-1:] * ((1 << (len(chunk) - 1).bit_length()) - len(chunk))


def _behind(prefix: bytes) -> bytes | None:
    """The first key behind all that begin with ``prefix``; None: there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
