"""Rows of a file of features: JSONL, CSV or Parquet, each row a key and the fields of its hash."""

import csv
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from sidecar.origins.document import NotAHash, decode_hash

KEY_COLUMN = "key"
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_MAX_LINE_BYTES = 32 << 20  # a document is at most 20 MiB
_PARQUET_ROWS = 1000  # read at a time


class Row(NamedTuple):
    """One hash to write."""

    key: bytes
    fields: dict[bytes, bytes]


class BadRow(Exception):
    """A row that cannot be loaded; the message has the file, the line, what was found and what is expected."""


class KeyTemplate:
    """Makes a row's key of its columns; the columns used are no fields."""

    def __init__(self, template: str | None) -> None:
        """Args:
        template: such as ``user:{user_id}``; None: the key is the column ``key``.
        """
        self._template = f"{{{KEY_COLUMN}}}" if template is None else template
        self.columns = tuple(dict.fromkeys(_PLACEHOLDER.findall(self._template)))
        if not self.columns:
            raise ValueError(f"--key: found {template!r}, expected a template such as user:{{user_id}}")

    def row(self, columns: dict[bytes, bytes], place: str) -> Row:
        """Split a row's columns into key and fields.

        Raises:
            BadRow: a column of the template is missing.
        """
        for name in self.columns:
            if name.encode() not in columns:
                raise BadRow(f"{place}: found no column {name!r}, expected it for the key {self._template!r}")
        key = _PLACEHOLDER.sub(lambda match: _text(columns[match[1].encode()]), self._template)
        used = {name.encode() for name in self.columns}
        return Row(
            key.encode("utf-8", "surrogateescape"), {name: value for name, value in columns.items() if name not in used}
        )


class Source(NamedTuple):
    """A file being read.

    Attributes:
        name: for messages.
        total: how much there is, in the unit of ``position``; None: not known.
        position: how much was read.
        rows: the rows.
    """

    name: str
    total: int | None
    position: Callable[[], int]
    rows: Iterator[Row]


def open_rows(path: str, key: KeyTemplate) -> Source:
    """Open a file by its suffix; ``-`` is JSONL on stdin.

    Raises:
        BadRow: it cannot be opened, or its kind is not known. Reading the rows raises it too.
    """
    if path == "-":
        return Source("stdin", None, lambda: 0, _jsonl(sys.stdin.buffer, "stdin", key))
    suffix = Path(path).suffix
    try:
        if suffix == ".parquet":
            return _open_parquet(path, key)
        if suffix not in (".jsonl", ".ndjson", ".csv"):
            raise BadRow(f"{path}: found {suffix or 'no'} suffix, expected .jsonl, .csv or .parquet")
        file = open(path, "rb")  # noqa: SIM115 - closed by whoever exhausts the rows
        size = Path(path).stat().st_size
    except OSError as exc:
        raise BadRow(f"{path}: cannot be read: {exc.strerror}") from exc
    read = _csv if suffix == ".csv" else _jsonl
    return Source(path, size, file.tell, read(file, path, key))


def _jsonl(file: IO[bytes], name: str, key: KeyTemplate) -> Iterator[Row]:
    """A JSON object a line, numbers kept as they are written, nulls left out: the same form that origins keep."""
    number = 0
    while line := file.readline(_MAX_LINE_BYTES):
        number += 1
        if not line.strip():
            continue
        columns = decode_hash(line, None, 0)
        if isinstance(columns, NotAHash):
            raise BadRow(f"{name}:{number}: found no JSON object, expected one in each line")
        yield key.row(columns.fields, f"{name}:{number}")


def _csv(file: IO[bytes], name: str, key: KeyTemplate) -> Iterator[Row]:
    """A header line, then a row a line; empty cells are left out."""
    lines = enumerate(iter(file.readline, b""))
    reader = csv.reader((line.decode("utf-8" if number else "utf-8-sig") for number, line in lines), strict=True)
    try:
        header = [column.encode() for column in next(reader, [])]
        for cells in reader:
            if not cells:
                continue
            place = f"{name}:{reader.line_num}"
            if len(cells) != len(header):
                raise BadRow(f"{place}: found {len(cells)} cells, expected {len(header)} as in the header")
            yield key.row({column: cell.encode() for column, cell in zip(header, cells, strict=True) if cell}, place)
    except (csv.Error, UnicodeDecodeError) as exc:
        raise BadRow(f"{name}:{reader.line_num + 1}: found {exc}, expected CSV in UTF-8") from exc


def _open_parquet(path: str, key: KeyTemplate) -> Source:
    try:
        import pyarrow.parquet
    except ImportError as exc:
        raise BadRow(f"{path}: Parquet needs pyarrow: pip install 'feature-sidecar[parquet]'") from exc
    file = pyarrow.parquet.ParquetFile(path)
    read = 0

    def rows() -> Iterator[Row]:
        nonlocal read
        for batch in file.iter_batches(_PARQUET_ROWS):
            for columns in batch.to_pylist():
                read += 1
                present = {
                    name.encode(): value if isinstance(value, bytes) else _cell(value)
                    for name, value in columns.items()
                    if value is not None
                }
                yield key.row(present, f"{path}: row {read}")

    return Source(path, file.metadata.num_rows, lambda: read, rows())


def _cell(value: object) -> bytes:
    """A Parquet value as its JSON text, strings as they are."""
    import orjson

    return value.encode() if isinstance(value, str) else orjson.dumps(value, default=str)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
