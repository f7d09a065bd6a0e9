"""Reading rows of JSONL and CSV: keys, fields, exact text, and what is said of a bad line."""

from pathlib import Path

import pytest

from sidecar.load_rows import BadRow, KeyTemplate, Row, open_rows


def rows_of(path: Path, key: str | None = None) -> list[Row]:
    """Every row of a file."""
    return list(open_rows(str(path), KeyTemplate(key)).rows)


def test_jsonl_keeps_numbers_as_they_are_written(tmp_path: Path):
    """1.10 stays 1.10 and a big integer loses nothing; null is no field; lists are compact JSON."""
    file = tmp_path / "f.jsonl"
    file.write_text('{"key":"user:1","a":1.10,"b":12345678901234567890,"c":null,"d":true,"e":[1, 2],"f":"x y"}\n\n')
    assert rows_of(file) == [
        Row(b"user:1", {b"a": b"1.10", b"b": b"12345678901234567890", b"d": b"true", b"e": b"[1,2]", b"f": b"x y"})
    ]


def test_a_template_makes_the_key_and_its_columns_are_no_fields(tmp_path: Path):
    """user:{user_id}:{region} takes two columns out of the fields."""
    file = tmp_path / "f.jsonl"
    file.write_text('{"user_id":7,"region":"eu","tier":"gold"}\n')
    assert rows_of(file, "user:{user_id}:{region}") == [Row(b"user:7:eu", {b"tier": b"gold"})]


def test_csv_leaves_empty_cells_out_and_reads_quotes_and_a_mark(tmp_path: Path):
    """A byte order mark is no part of the first column; quoted cells hold commas and line ends."""
    file = tmp_path / "f.csv"
    file.write_bytes(b'\xef\xbb\xbfkey,tier,note\r\nuser:1,gold,"a,\r\nb"\r\nuser:2,,\r\n')
    assert rows_of(file) == [Row(b"user:1", {b"tier": b"gold", b"note": b"a,\r\nb"}), Row(b"user:2", {})]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("f.jsonl", '{"key":"a"}\n[1]\n', "f.jsonl:2: found no JSON object"),
        ("f.jsonl", '{"key":"a"}\n{"key":', "f.jsonl:2: found no JSON object"),
        ("f.jsonl", '{"id":"a"}\n', "f.jsonl:1: found no column 'key'"),
        ("f.csv", "key,a\nx,1,2\n", "f.csv:2: found 3 cells, expected 2 as in the header"),
        ("f.csv", 'key,a\nx,"1\n', "f.csv:3: found unexpected end of data"),
        ("f.txt", "", "f.txt: found .txt suffix"),
        ("f", "", "f: found no suffix"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, name: str, content: str, problem: str):
    """File and line, what was found and what is expected."""
    (tmp_path / name).write_text(content)
    with pytest.raises(BadRow) as caught:
        rows_of(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path}/{problem}")


def test_a_missing_file_is_told(tmp_path: Path):
    """Not a traceback."""
    with pytest.raises(BadRow, match="cannot be read: No such file"):
        rows_of(tmp_path / "none.jsonl")


def test_a_template_without_columns_is_refused():
    """Every row would have the same key."""
    with pytest.raises(ValueError, match="expected a template such as"):
        KeyTemplate("user")


def test_position_reaches_the_total_when_all_is_read(tmp_path: Path):
    """The progress bar ends at 100%."""
    file = tmp_path / "f.jsonl"
    file.write_text('{"key":"a","b":1}\n' * 50)
    source = open_rows(str(file), KeyTemplate(None))
    assert source.position() == 0
    assert len(list(source.rows)) == 50
    assert source.position() == source.total == file.stat().st_size


def test_parquet_rows_come_as_json_text(tmp_path: Path):
    """Strings and binary as they are, numbers as JSON text, nulls left out."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'feature-sidecar[parquet]' to run it")
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"key": ["a", "b"], "n": [1, None], "s": ["x", "y"], "l": [[1.5], None]})
    parquet.write_table(table, tmp_path / "f.parquet")
    assert rows_of(tmp_path / "f.parquet") == [
        Row(b"a", {b"n": b"1", b"s": b"x", b"l": b"[1.5]"}),
        Row(b"b", {b"s": b"y"}),
    ]
