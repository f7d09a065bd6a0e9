"""What the README promises, on the sample features and the example policy, started as `make run` starts it."""

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from servers.couchbase_node_process import CouchbaseNodeProcess
from servers.sidecar_process import SidecarProcess

EXAMPLES = Path(__file__).parents[2] / "examples"
POLICY = (EXAMPLES / "policy.yaml").read_text()
JITTER = 0.1  # the example's: a ttl is shorter by up to this
TICK_S = 0.01  # what ages are rounded up to
KILLS = 4


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated features, loaded into features.db."""
    folder = tmp_path_factory.mktemp("sample")
    made = [sys.executable, str(EXAMPLES / "make_features.py"), str(folder)]
    subprocess.run(made, check=True, capture_output=True, timeout=120)
    files = sorted(map(str, folder.glob("*.jsonl")))
    assert len(files) == 3
    load = [sys.executable, "-P", "-m", "sidecar.cli", "load", *files, "--to", f"sqlite:///{folder}/features.db"]
    loaded = subprocess.run(
        [*load, "--policy", str(EXAMPLES / "policy.yaml")], capture_output=True, text=True, timeout=120, check=False
    )
    assert loaded.returncode == 0 and "30000 rows written" in loaded.stderr, loaded.stderr
    return folder


def serve(folder: Path, sample: Path) -> SidecarProcess:
    """A sidecar on the loaded file; several may share it."""
    return SidecarProcess(folder, origin=f"sqlite:///{sample}/features.db", policy=POLICY)


@pytest.fixture
def sidecar(sample: Path, tmp_path: Path) -> Iterator[SidecarProcess]:
    """The one that is looked at, with an empty memory."""
    server = serve(tmp_path, sample)
    yield server
    assert server.stop() == 0, server.log()


@pytest.fixture
def other(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A client of another pod's sidecar: what it writes changes behind the first one's back."""
    server = serve(tmp_path_factory.mktemp("other"), sample)
    with client_of(server) as client:
        yield client
    assert server.stop() == 0, server.log()


def client_of(sidecar: SidecarProcess) -> redis.Redis:
    """redis-py, reading text."""
    return redis.Redis(port=sidecar.port, decode_responses=True)


def metric(sidecar: SidecarProcess, sample: str) -> float:
    """One sample of /metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{sidecar.admin_port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    found = re.search(rf"^feature_sidecar_{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    assert found, sample
    return float(found[1])


def test_a_feature_is_read_and_the_second_read_is_a_hit(sidecar: SidecarProcess, sample: Path) -> None:
    """HMGET user:42 tier ctr_7d: what the generator made, first from SQLite, then from memory."""
    rows = map(json.loads, (sample / "user_profile.jsonl").read_text().splitlines())
    row = next(each for each in rows if each["key"] == "user:42")
    expected = [row["tier"], str(row["ctr_7d"])]
    outcomes = [f'lookups_total{{outcome="{outcome}",view="user_profile"}}' for outcome in ("miss", "hit")]
    with client_of(sidecar) as client:
        assert client.hmget("user:42", "tier", "ctr_7d") == expected
        assert [metric(sidecar, each) for each in outcomes] == [2, 0]
        assert client.hmget("user:42", "tier", "ctr_7d") == expected
        assert [metric(sidecar, each) for each in outcomes] == [2, 2]


@pytest.mark.parametrize(
    ("template", "feature", "ttl_s", "hard_limit_s"),
    [("user:{}", "last_click_at", 2.0, 2.0), ("user:{}:sessions", "clicks_5m", 5.0, 7.0)],
)
def test_a_change_behind_appears_not_before_the_ttl_and_by_the_hard_limit(
    sidecar: SidecarProcess, other: redis.Redis, template: str, feature: str, ttl_s: float, hard_limit_s: float
) -> None:
    """Read all the time it is refreshed in between; not read at all it is asked for at its hard limit.

    Judged by when a read was sent and answered, so that a slow machine cannot fail it.
    """
    watched, quiet = template.format(7), template.format(8)
    with client_of(sidecar) as client:
        sent = time.monotonic()
        old = [client.hget(key, feature) for key in (watched, quiet)]
        filled = time.monotonic()
        assert None not in old
        for key in (watched, quiet):
            other.hset(key, feature, "-1")
        while True:
            asked = time.monotonic()
            if client.hget(watched, feature) == "-1":
                break
            assert asked < filled + hard_limit_s, "older than its hard limit"
        assert time.monotonic() >= sent + ttl_s * (1 - JITTER) - TICK_S, "asked the origin before its ttl"
        while time.monotonic() < filled + hard_limit_s:
            time.sleep(0.01)
        assert client.hget(quiet, feature) == "-1"


def test_a_slow_feature_stays_when_its_neighbour_is_due(sidecar: SidecarProcess, other: redis.Redis) -> None:
    """In one hash: tier lives for a day, last_click_at for 2 s; only what is due asks the origin."""
    with client_of(sidecar) as client:
        tier, _ = client.hmget("user:9", "tier", "last_click_at")
        filled = time.monotonic()
        other.hset("user:9", mapping={"tier": "changed", "last_click_at": "-1"})
        while time.monotonic() < filled + 2:
            time.sleep(0.01)
        assert client.hget("user:9", "tier") == tier != "changed"
        assert client.hget("user:9", "last_click_at") == "-1"


def test_kill_and_restart_lose_no_acknowledged_write(sample: Path, tmp_path: Path) -> None:
    """kill -9 in the middle of pipelines; every value that was answered is there after the restart."""
    for life in range(KILLS):
        sidecar = serve(tmp_path, sample)
        acknowledged: dict[str, int] = {}
        enough = threading.Event()
        writer = threading.Thread(target=write_until_it_dies, args=(sidecar, life, acknowledged, enough))
        writer.start()
        try:
            assert enough.wait(30), sidecar.log()
        finally:
            sidecar.process.kill()
            sidecar.process.wait()
            writer.join()
        again = serve(tmp_path, sample)
        try:
            with client_of(again) as client:
                for key, value in acknowledged.items():
                    assert int(client.hget(key, "written") or -1) >= value, key
        finally:
            assert again.stop() == 0, again.log()


def write_until_it_dies(
    sidecar: SidecarProcess, life: int, acknowledged: dict[str, int], enough: threading.Event
) -> None:
    """Pipelines of rising numbers into ten rows; what was answered is noted."""
    with redis.Redis(port=sidecar.port, retry=Retry(NoBackoff(), 0)) as client:
        number = 0
        while True:
            with client.pipeline(transaction=False) as pipeline:
                sent = {}
                for _ in range(20):
                    number += 1
                    sent[f"killed:{life}:{number % 10}"] = number
                    pipeline.hset(f"killed:{life}:{number % 10}", "written", number)
                try:
                    pipeline.execute()
                except redis.ConnectionError:
                    return
            acknowledged.update(sent)
            if number >= 400:
                enough.set()


OUTAGE_POLICY = """\
version: 1
defaults: {jitter: 0%, stale_while_revalidate: 0s, deadline: 500ms, read_error_backoff: 100ms}
feature_views:
  - {name: slow, keys: "slow:{id}", ttl: 1h}
  - {name: fast, keys: "fast:{id}", ttl: 200ms, stale_if_error: 3s}
"""


def test_an_origin_that_stops_leaves_hits_and_bounded_stale_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Couchbase gone: fresh is served, stale until its bound, then an error; back again: all is well."""
    monkeypatch.setenv("SIDECAR_ORIGIN_USERNAME", "sidecar")
    monkeypatch.setenv("SIDECAR_ORIGIN_PASSWORD", "secret")
    with CouchbaseNodeProcess() as node:
        sidecar = SidecarProcess(tmp_path, origin=node.url, policy=OUTAGE_POLICY)
        try:
            with client_of(sidecar) as client:
                within(20, lambda: answers(lambda: client.hset("fast:1", "f", "v") == 1))
                client.hset("slow:1", "f", "v")
                assert (client.hget("slow:1", "f"), client.hget("fast:1", "f")) == ("v", "v")
                filled = time.monotonic()
                node.command("stop")
                stale = 0
                while (asked := time.monotonic()) < filled + 2:
                    assert (client.hget("slow:1", "f"), client.hget("fast:1", "f")) == ("v", "v")
                    stale += asked > filled + 0.2
                assert stale > 0
                while True:
                    asked = time.monotonic()
                    try:
                        assert client.hget("fast:1", "f") == "v"
                    except redis.ResponseError as error:
                        assert re.match("(TIMEOUT|UNAVAILABLE) the origin ", str(error))
                        break
                    assert asked < filled + 3.2, "older than its bound"
                assert client.hget("slow:1", "f") == "v"
                node.command("start")
                within(20, lambda: answers(lambda: client.hget("fast:1", "f") == "v"))
        finally:
            assert sidecar.stop() == 0, sidecar.log()


def answers(ask: Callable[[], bool]) -> bool:
    """Whether a command got its answer, not an error."""
    try:
        return ask()
    except redis.ResponseError:
        return False


def within(seconds: float, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds}s"
        time.sleep(0.01)
