"""`feature-sidecar load` into an origin, and the sample features it is shown with."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar import cli
from sidecar.clock import SystemClock
from sidecar.origins import open_origin
from sidecar.origins.base import Found, Read
from sidecar.resilience.deadline import Deadline

ROOT = Path(__file__).parents[2]


def read_back(url: str, *keys: bytes) -> list[object]:
    """What an origin holds under keys."""

    async def read() -> list[object]:
        clock = SystemClock()
        origin = open_origin(url, clock=clock)
        await origin.start()
        try:
            return await origin.fetch_many([Read(key) for key in keys], Deadline.after(10_000, clock.now_ns()))
        finally:
            await origin.close()

    return asyncio.run(read())


def make_features(directory: Path, *options: str) -> list[Path]:
    """Run the generator of the examples."""
    command = [sys.executable, str(ROOT / "examples/make_features.py"), str(directory), *options]
    subprocess.run(command, check=True, capture_output=True)
    return sorted(directory.glob("*.jsonl"))


def test_rows_arrive_in_the_origin(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What was loaded is read back, and the count is told on stderr."""
    file = tmp_path / "f.jsonl"
    file.write_text('{"key":"user:1","tier":"gold","n":1.10}\n{"key":"user:2","tier":"free"}\n')
    url = f"sqlite:///{tmp_path}/features.db"
    assert cli.main(["load", str(file), "--to", url, "--batch", "1"]) == 0
    assert read_back(url, b"user:1", b"user:2") == [Found({b"tier": b"gold", b"n": b"1.10"}), Found({b"tier": b"free"})]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("2 rows written in ")


def test_a_bad_line_ends_the_load_with_what_stands_before_it_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Exit code 1, the place of the bad line, and how many rows are in."""
    file = tmp_path / "f.jsonl"
    file.write_text('{"key":"user:1","tier":"gold"}\nnonsense\n')
    url = f"sqlite:///{tmp_path}/features.db"
    assert cli.main(["load", str(file), "--to", url, "--batch", "1"]) == 1
    assert read_back(url, b"user:1") == [Found({b"tier": b"gold"})]
    err = capsys.readouterr().err
    assert f"{file}:2: found no JSON object" in err and "1 rows written" in err and "safe to load" in err


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("mysql://x", "expected one of sqlite://"),
        ("couchbase://u:hunter2@host/b", "credentials in the URL"),
        ("redis://127.0.0.1:1", "the proxy does not answer"),
    ],
)
def test_a_target_that_cannot_be_written_to_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str, expected: str
):
    """Exit code 1 and one sentence; nothing of a password in it."""
    file = tmp_path / "f.jsonl"
    file.write_text('{"key":"user:1","tier":"gold"}\n')
    assert cli.main(["load", str(file), "--to", to]) == 1
    err = capsys.readouterr().err
    assert expected in err and "hunter2" not in err and "Traceback" not in err


def test_sample_features_are_the_same_for_one_seed_and_others_for_another(tmp_path: Path):
    """The README's answers must be what everyone sees."""
    first = [path.read_bytes() for path in make_features(tmp_path / "a", "--entities", "50")]
    again = [path.read_bytes() for path in make_features(tmp_path / "b", "--entities", "50")]
    other = [path.read_bytes() for path in make_features(tmp_path / "c", "--entities", "50", "--seed", "8")]
    assert first == again
    assert all(mine != theirs for mine, theirs in zip(first, other, strict=True))


def test_sample_features_hold_what_the_readme_asks_for(tmp_path: Path):
    """Three views, and the keys and fields that the README names."""
    rows = {}
    for path in make_features(tmp_path, "--entities", "50"):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            rows[row.pop("key")] = row
    assert len(rows) == 150
    assert {"tier", "ctr_7d", "last_click_at"} <= rows["user:42"].keys()
    assert "clicks_5m" in rows["user:42:sessions"]
    assert "category" in rows["item:7"]
