"""The benchmarks run: each in its shortest form, judged by what it writes and never by how fast it was."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
SHORT = ("--quick", "--share", "0.005")
needs = [program for program in ("redis-server", "cc", "taskset") if shutil.which(program) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        (bool(needs) and not os.environ.get("CI")) or sys.platform != "linux",
        reason=f"benchmarks need Linux, redis-server, a C compiler and taskset; missing: {', '.join(needs) or 'Linux'}",
    ),
]


def run(results: Path, program: str, *options: str) -> str:
    """What a benchmark wrote to its results."""
    command = [sys.executable, "-I", str(BENCH / program), *SHORT, "--results", str(results), *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return results.read_text()


def rows(text: str, section: str) -> dict[str, list[str]]:
    """All table rows of a section by their first cell."""
    body = text.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip("|") for line in body.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_hits_are_compared_with_redis(tmp_path):
    """Every load has a CPU time of each server and a ratio; sections of other benchmarks stay as they are."""
    results = tmp_path / "RESULTS.md"
    results.write_text("# Results\n\n## Memory\n\nkept\n\n## Tails\n\nkept too\n")
    loads = ("get16", "hmgetr8", "mix16", "unix1_c1", "hgetall8")
    chosen = ("--loads", ",".join(loads), "--targets", "redis,sidecar,empty server")
    text = run(results, "hits.py", "--seconds", "0.1", *chosen)
    first = text.split("### CPU time per command", 1)[1].split("###", 1)[0]
    table = rows("## Hits\n" + first, "Hits")
    for load in loads:
        redis, sidecar, empty = table[load][:3]
        assert float(redis) > 0 and float(sidecar.split()[0]) > 0 and float(empty.split()[0]) > 0
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Hits", "## Memory", "## Tails"]
    assert "kept\n" in text and "kept too\n" in text


def test_memory_and_the_start_are_measured(tmp_path):
    """Bytes per entry beside redis, filled by reads and written, each read back as a hit; start and idle memory."""
    text = run(tmp_path / "RESULTS.md", "memory.py", "--data", "rows", "--starts", "1")
    (cells,) = [cells for name, cells in rows(text, "Memory").items() if name.startswith("rows")]
    assert len(cells) == 4
    start = rows(text, "Start")
    assert start["PING answered after"][0].endswith(" s") and start["idle RSS"][0].endswith(" MB")


def test_hit_ratios_are_those_of_an_eviction(tmp_path):
    """Of the memory tier alone: a small part of a load has some hits and some misses."""
    text = run(tmp_path / "RESULTS.md", "eviction.py", "--tier-alone", "--loads", "zipf 0.99, 10%")
    ratio = float(rows(text, "Eviction")["zipf 0.99, 10%"][1].split()[0])
    assert 0 < ratio < 1


def test_steps_of_the_loop_are_seen(tmp_path):
    """Turns and their CPU time, with nothing and with scrapes beside them; no collection while there are only hits."""
    text = run(tmp_path / "RESULTS.md", "tails.py", "--pairs", "0", "--only", "scrape", "--seconds", "1.5")
    seen = rows(text, "Tails")
    for name in ("quiet", "full scrape every second"):
        assert int(seen[name][0]) > 10 and "ms" in seen[name][1]
    assert seen["quiet"][3].startswith("0 / 0 / 0")


def test_a_profile_names_the_parts(tmp_path):
    """Shares of the time, by part and by function, and the floor."""
    text = run(tmp_path / "RESULTS.md", "profile_hits.py", "--loads", "get16", "--seconds", "0.5")
    profile = rows(text, "Profile")
    assert len(profile["get16"]) > 8 and float(profile["get16"][0]) > 0
    assert any(part.startswith("kernel:") for part in profile)


def test_restarts_are_measured(tmp_path):
    """Values need no read of the origin; keys are read again; a cold start has neither."""
    text = run(tmp_path / "RESULTS.md", "warm_start.py", "--keys", "2000", "--seconds", "2.5")
    table = rows(text, "Warm start")
    assert {"steady", "values", "keys", "cold"} <= table.keys()
    assert float(table["values"][1].rstrip("%")) > float(table["cold"][1].rstrip("%"))
    assert int(table["values"][7]) == 0 < int(table["keys"][7])
