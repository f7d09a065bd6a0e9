"""`feature-sidecar serve` as an operator meets it: loading, the admin port, reloads, signals, refusals."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from servers.sidecar_process import SidecarProcess

POLICY = """\
version: 1
defaults: {jitter: 0%, stale_while_revalidate: 0s}
feature_views:
  - name: user_profile
    keys: "user:{user_id}"
    ttl: TTL
"""


class Sidecar:
    """A running sidecar over SQLite, a client of it and its admin port."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.origin = f"sqlite:///{folder}/features.db"
        self.process = SidecarProcess(folder, *arguments, origin=self.origin, policy=POLICY.replace("TTL", "1h"))
        self.client = redis.Redis(unix_socket_path=str(self.process.unix_socket), decode_responses=True)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.process.admin_port}{path}", timeout=20) as answer:
            return answer.read().decode()

    def metric(self, sample: str) -> float:
        found = re.search(rf"^feature_sidecar_{re.escape(sample)} (\S+)$", self.get("/metrics"), re.MULTILINE)
        assert found, sample
        return float(found[1])

    def write_behind(self, **fields: str) -> None:
        """Change user:1 in the origin, past the sidecar."""
        (self.folder / "behind.jsonl").write_text(json.dumps({"key": "user:1", **fields}))
        run("load", str(self.folder / "behind.jsonl"), "--to", self.origin)


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    started = Sidecar(tmp_path)
    yield started
    started.client.close()
    started.process.stop()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of the command line, which must succeed."""
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "sidecar.cli", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended


def within(seconds: float, condition: Callable[[], bool]) -> float:
    """Wait until a condition holds; how long that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds}s"
        time.sleep(0.01)
    return time.monotonic() - began


def test_rows_loaded_through_the_proxy_are_served_and_durable(sidecar: Sidecar, tmp_path: Path):
    """`load --to redis://` writes through: the origin has the rows when it is done."""
    file = tmp_path / "rows.csv"
    file.write_text("user_id,tier,score\n" + "".join(f"{n},gold,{n}.50\n" for n in range(1, 1201)))
    ended = run("load", str(file), "--key", "user:{user_id}", "--to", f"unix://{sidecar.process.unix_socket}")
    assert ended.stderr.startswith("1200 rows written")
    assert sidecar.client.hgetall("user:1200") == {"tier": "gold", "score": "1200.50"}
    sidecar.process.process.kill()
    sidecar.process.process.wait()
    again = SidecarProcess(tmp_path, origin=sidecar.origin)
    try:
        with redis.Redis(unix_socket_path=str(again.unix_socket), decode_responses=True) as client:
            assert client.hget("user:1", "score") == "1.50"
    finally:
        again.stop()


def test_a_refused_row_is_reported_and_fails_the_load(sidecar: Sidecar, tmp_path: Path):
    """A key that holds a string is no hash: exit 1, the key and Redis's words, the other rows are in."""
    sidecar.client.set("user:2", "a string")
    file = tmp_path / "rows.jsonl"
    file.write_text('{"key":"user:1","tier":"gold"}\n{"key":"user:2","tier":"gold"}\n')
    command = [sys.executable, "-P", "-m", "sidecar.cli", "load", str(file)]
    command += ["--to", f"unix://{sidecar.process.unix_socket}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "user:2: WRONGTYPE" in ended.stderr and "1 rows written" in ended.stderr
    assert sidecar.client.hget("user:1", "tier") == "gold"


def test_a_second_read_is_a_hit_and_costs_no_origin_read(sidecar: Sidecar):
    """By the metrics, as the README says."""
    sidecar.write_behind(tier="free", ctr_7d="0.5")
    assert sidecar.client.hmget("user:1", "tier", "ctr_7d") == ["free", "0.5"]
    reads = 'origin_requests_total{operation="read",origin="sqlite",outcome="found"}'
    hits = 'lookups_total{outcome="hit",view="user_profile"}'
    assert (sidecar.metric(reads), sidecar.metric(hits)) == (1, 0)
    assert sidecar.client.hmget("user:1", "tier", "ctr_7d") == ["free", "0.5"]
    assert (sidecar.metric(reads), sidecar.metric(hits)) == (1, 2)


def test_a_lowered_ttl_applies_to_what_is_cached_within_a_second(sidecar: Sidecar):
    """An hour becomes 200 ms; the value changed behind the sidecar's back appears."""
    sidecar.write_behind(tier="free")
    assert sidecar.client.hget("user:1", "tier") == "free"
    sidecar.write_behind(tier="gold")
    assert sidecar.client.hget("user:1", "tier") == "free"
    sidecar.process.policy_path.write_text(POLICY.replace("TTL", "200ms"))
    within(1.5, lambda: sidecar.client.hget("user:1", "tier") == "gold")  # a second, and some for a busy machine
    assert json.loads(sidecar.get("/policy"))["generation"] == 2


def test_a_broken_policy_leaves_the_one_in_force_and_is_told(sidecar: Sidecar):
    """On /policy, in the metrics and once in the log with file and line; mended, it is taken."""
    sidecar.process.policy_path.write_text(POLICY.replace("TTL", "30"))
    within(5, lambda: json.loads(sidecar.get("/policy"))["last_error"] is not None)
    assert "policy.yaml:6" in json.loads(sidecar.get("/policy"))["last_error"]
    assert sidecar.metric("policy_reload_failures_total") == 1
    assert sidecar.metric("policy_generation") == 1
    assert sidecar.process.log().count("policy_refused") == 1
    sidecar.process.policy_path.write_text(POLICY.replace("TTL", "30s"))
    within(5, lambda: sidecar.metric("policy_generation") == 2)


def test_invalidate_makes_the_next_read_ask_the_origin(sidecar: Sidecar):
    """By key and by pattern."""
    for number, body in enumerate((b'{"keys": ["user:1"]}', b'{"match": "user:*"}')):
        sidecar.write_behind(tier=f"before{number}")
        sidecar.client.hget("user:1", "tier")
        sidecar.write_behind(tier=f"after{number}")
        url = f"http://127.0.0.1:{sidecar.process.admin_port}/invalidate"
        urllib.request.urlopen(url, data=body, timeout=20).close()
        within(5, lambda number=number: sidecar.client.hget("user:1", "tier") == f"after{number}")


def test_explain_agrees_with_what_a_read_does(sidecar: Sidecar):
    """A miss before the first read, a hit after it, with the age and the limits of the policy."""
    sidecar.write_behind(tier="free")
    path = "/explain?key=user:1&field=tier"
    assert json.loads(sidecar.get(path))["outcome"] == "miss"
    sidecar.client.hget("user:1", "tier")
    shown = json.loads(sidecar.get(path))
    assert (shown["outcome"], shown["view"], shown["fresh_until_s"]) == ("hit", "user_profile", 3600)
    assert 0 <= shown["age_s"] < 60


def test_quit_stops_like_sigterm(sidecar: Sidecar):
    """POST /quit and SIGTERM: exit 0 within the drain timeout, and unready before."""
    assert sidecar.get("/readyz") == "ready\n"
    urllib.request.urlopen(f"http://127.0.0.1:{sidecar.process.admin_port}/quit", data=b"", timeout=20).close()
    assert sidecar.process.process.wait(10) == 0


def test_sigterm_ends_within_two_seconds_though_a_client_stays(sidecar: Sidecar):
    """A connection that is open and silent is closed, not waited for."""
    sidecar.client.ping()
    began = time.monotonic()
    sidecar.process.process.send_signal(signal.SIGTERM)
    assert sidecar.process.process.wait(10) == 0
    assert time.monotonic() - began < 2


def test_idle_it_is_small(sidecar: Sidecar):
    """At most 55 MB with SQLite, after a scrape and a first request."""
    sidecar.client.ping()
    sidecar.get("/metrics")
    status = Path(f"/proc/{sidecar.process.process.pid}/status").read_text()
    assert int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024 <= 55


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--listen", "tcp://0.0.0.0:0"), 2, "--requirepass-file"),
        (("--listen", "tcp://0.0.0.0:0", "--requirepass-file", "none"), 1, "none: cannot be read"),
        (("--policy", "none.yaml"), 1, "none.yaml"),
        (("--origin", "sqlite:////proc/none/features.db"), 1, "features.db"),
        (("--origin", "couchbase://host/bucket"), 1, "SIDECAR_ORIGIN_USERNAME"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start_in_words(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
):
    """No traceback: the setting, what is wrong with it, and an exit code."""
    base = ["--listen", f"unix://{tmp_path}/s.sock", "--admin", "127.0.0.1:0", "--origin", "memory://"]
    command = [sys.executable, "-P", "-m", "sidecar.cli", "serve", *base, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert ended.returncode == code
    assert words in ended.stderr and "Traceback" not in ended.stderr


def test_a_port_in_use_is_told(sidecar: Sidecar, tmp_path: Path):
    """Which address, and exit 1."""
    address = f"tcp://127.0.0.1:{sidecar.process.port}"
    command = [sys.executable, "-P", "-m", "sidecar.cli", "serve", "--listen", address, "--origin", "memory://"]
    ended = subprocess.run(
        [*command, "--admin", "127.0.0.1:0"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert address in ended.stderr and "Traceback" not in ended.stderr
