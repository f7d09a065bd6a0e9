"""Feast's own Redis online store, unmodified, pointed at the sidecar.

Two sidecars share one SQLite file: what is written through the second one changes behind the first one's back.
"""

import itertools
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
import redis
from compat.clients.program import CLIENTS
from compat.clients.programs import python_program
from servers.sidecar_process import SidecarProcess

from policies.feast import entity_key, feature_field

pytestmark = pytest.mark.slow  # Feast is large, and takes seconds to import

REPOSITORY = Path(__file__).parent / "feast_repo"
FEAST = python_program("feast 0.67.0", CLIENTS / "feast", "requirements.txt", "drive.py", resp=2, slow=True)
INT64 = 4  # Feast's number of the type
KEY_TTL_S = 14 * 86400  # key_ttl_seconds of feature_store.yaml
TTL_S = 3.0  # conv_rate's; its neighbours live for days
HOURLY = ["driver_hourly:conv_rate", "driver_hourly:acc_rate"]

_drivers = itertools.count(1000)


class Feast:
    """One Feast process, and the repository that it works on."""

    def __init__(self, repository: Path) -> None:
        FEAST.prepared()
        self.repository = repository
        self.process = FEAST.start([str(repository)])
        assert self.process.stdout and self.process.stdout.readline() == "ready\n", self.process.communicate()[1]

    def ask(self, sidecar: SidecarProcess | None, do: str, **request: object) -> dict:
        """Have something done against one sidecar."""
        address = f"127.0.0.1:{sidecar.port if sidecar else 1}"
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, "redis": address, **request}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.process.communicate()[1]
        return json.loads(answer)

    def write(self, sidecar: SidecarProcess, driver: int, hour: int, conv_rate: float, acc_rate: float) -> None:
        """Push one row of driver_hourly to the online store."""
        self.ask(sidecar, "write", view="driver_hourly", rows=[hourly(driver, hour, conv_rate, acc_rate)])

    def read(self, sidecar: SidecarProcess, driver: int, *features: str) -> list:
        """The values of some features of one driver, in the order asked."""
        found = self.ask(sidecar, "read", drivers=[driver], features=features or HOURLY)
        return [found[name.partition(":")[2]][0] for name in features or HOURLY]

    def materialize(self, sidecar: SidecarProcess, view: str, *rows: dict) -> None:
        """From a Parquet file of the offline store into the online store."""
        request = {"source": view.removeprefix("driver_"), "rows": rows}
        self.ask(sidecar, "materialize", view=view, start="2026-10-31T00:00:00", end="2026-11-02T00:00:00", **request)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def hourly(driver: int, hour: int, conv_rate: float, acc_rate: float) -> dict:
    """A row of driver_hourly; the rates are quarters, which a Float32 keeps exactly."""
    return {"driver_id": driver, "event_timestamp": at(hour), "conv_rate": conv_rate, "acc_rate": acc_rate}


def daily(driver: int, hour: int, trips: int, city: str) -> dict:
    """A row of driver_daily."""
    return {"driver_id": driver, "event_timestamp": at(hour), "trips": trips, "city": city}


def at(hour: int) -> str:
    return f"2026-11-01T{hour:02}:00:00+00:00"


@pytest.fixture(scope="module")
def feast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feast]:
    """The repository of this folder, applied."""
    repository = tmp_path_factory.mktemp("feast") / "repository"
    shutil.copytree(REPOSITORY, repository, ignore=shutil.ignore_patterns("__pycache__"))
    (repository / "data").mkdir()
    started = Feast(repository)
    try:
        started.ask(None, "apply")
        yield started
    finally:
        started.end()


@pytest.fixture(scope="module")
def policy(feast: Feast) -> str:
    """What `policy import-feast` makes of the repository, with a shorter ttl for one feature."""
    paths = os.pathsep.join(filter(None, [str(FEAST.home / "lib"), os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "sidecar.cli", "policy", "import-feast", str(feast.repository)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": paths, "SIDECAR_ADDRESS": "unused"},
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count('"conv_rate": {}') == 1, ended.stdout
    views = ended.stdout.replace('"conv_rate": {}', f'"conv_rate": {{ttl: {TTL_S:g}s, stale_while_revalidate: 0s}}')
    return f"version: 1\ndefaults: {{jitter: 0%}}\n{views}"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One file for both sidecars."""
    return f"sqlite:///{tmp_path_factory.mktemp('origin')}/features.db"


def started(folder: Path, origin: str, policy: str) -> Iterator[SidecarProcess]:
    """A sidecar that must end well."""
    server = SidecarProcess(folder, origin=origin, policy=policy)
    yield server
    assert server.stop() == 0, server.log()


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory, origin: str, policy: str) -> Iterator[SidecarProcess]:
    """The one that is looked at."""
    yield from started(tmp_path_factory.mktemp("sidecar"), origin, policy)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, origin: str, policy: str) -> Iterator[SidecarProcess]:
    """Another pod's."""
    yield from started(tmp_path_factory.mktemp("other"), origin, policy)


@pytest.fixture
def driver() -> int:
    """An entity of the test's own."""
    return next(_drivers)


def key_of(driver: int) -> bytes:
    """The hash of a driver."""
    return entity_key("fleet", [("driver_id", INT64, struct.pack("<q", driver))])


def explain(sidecar: SidecarProcess, driver: int, feature: str) -> dict:
    """What a read of a feature would be now."""
    field = quote_from_bytes(feature_field("driver_hourly", feature), safe="")
    path = f"/explain?key={quote_from_bytes(key_of(driver), safe='')}&field={field}"
    with urllib.request.urlopen(f"http://127.0.0.1:{sidecar.admin_port}{path}", timeout=20) as answer:
        return json.load(answer)


def forget(sidecar: SidecarProcess) -> None:
    """Let the next reads ask the origin."""
    url = f"http://127.0.0.1:{sidecar.admin_port}/invalidate"
    urllib.request.urlopen(url, data=b'{"match": "*"}', timeout=20).close()


def test_materialized_features_are_read(feast: Feast, sidecar: SidecarProcess) -> None:
    """Two views of three drivers, from Parquet; a driver that is not there is all None. Keys live as Feast says."""
    drivers = [next(_drivers) for _ in range(3)]
    feast.materialize(sidecar, "driver_hourly", *(hourly(each, 1, each / 4, 0.25) for each in drivers))
    feast.materialize(sidecar, "driver_daily", *(daily(each, 1, each * 7, f"Ærø {each}") for each in drivers[:2]))
    features = [*HOURLY, "driver_daily:trips", "driver_daily:city"]
    found = feast.ask(sidecar, "read", drivers=[*drivers, next(_drivers)], features=features)
    assert found["conv_rate"] == [*(each / 4 for each in drivers), None]
    assert found["acc_rate"] == [0.25, 0.25, 0.25, None]
    assert found["trips"] == [drivers[0] * 7, drivers[1] * 7, None, None]
    assert found["city"] == [f"Ærø {drivers[0]}", f"Ærø {drivers[1]}", None, None]
    with redis.Redis(port=sidecar.port) as client:
        assert KEY_TTL_S - 120 < client.ttl(key_of(drivers[0])) <= KEY_TTL_S


def test_late_data_is_ignored(feast: Feast, sidecar: SidecarProcess, driver: int) -> None:
    """Feast reads the event time before it writes; older rows stay out, newer ones come in."""
    feast.write(sidecar, driver, 5, 0.5, 0.5)
    feast.write(sidecar, driver, 4, 0.25, 0.25)
    assert feast.read(sidecar, driver) == [0.5, 0.5]
    feast.write(sidecar, driver, 6, 0.75, 0.75)
    assert feast.read(sidecar, driver) == [0.75, 0.75]


def test_one_feature_has_a_ttl_of_its_own(
    feast: Feast, sidecar: SidecarProcess, other: SidecarProcess, driver: int
) -> None:
    """Changed behind the sidecar's back, in one hash: the fast feature appears at its limit, its neighbour stays."""
    feast.write(sidecar, driver, 1, 0.25, 0.25)
    assert feast.read(sidecar, driver) == [0.25, 0.25]
    feast.write(other, driver, 2, 0.75, 0.75)
    assert feast.read(other, driver) == [0.75, 0.75]

    looked = 0
    while (before := explain(sidecar, driver, "conv_rate"))["age_s"] < TTL_S / 2:
        seen = feast.read(sidecar, driver)
        after = explain(sidecar, driver, "conv_rate")
        if after["age_s"] >= before["age_s"]:  # else a slow machine was late, and the row filled again
            assert (seen, after["outcome"]) == ([0.25, 0.25], "hit"), after
            looked += 1
    assert looked > 0, before
    while explain(sidecar, driver, "conv_rate")["outcome"] == "hit":
        time.sleep(0.02)

    assert feast.read(sidecar, driver, "driver_hourly:acc_rate") == [0.25], "its neighbour is fresh for days"
    assert feast.read(sidecar, driver, "driver_hourly:conv_rate") == [0.75]
    assert feast.read(sidecar, driver) == [0.75, 0.75], "the fill renewed the whole row"


def test_a_newer_row_written_behind_survives_older_data(
    feast: Feast, sidecar: SidecarProcess, other: SidecarProcess, driver: int
) -> None:
    """Two writers: the sidecar's memory holds an old event time, and yet the late-data check sees the new one."""
    feast.write(sidecar, driver, 1, 0.25, 0.25)
    assert feast.read(sidecar, driver) == [0.25, 0.25]
    feast.write(other, driver, 9, 0.75, 0.75)
    assert explain(sidecar, driver, "acc_rate")["outcome"] == "hit"
    feast.materialize(sidecar, "driver_hourly", hourly(driver, 5, 0.5, 0.5))
    for each in (other, sidecar):
        forget(each)
        assert feast.read(each, driver) == [0.75, 0.75]


def test_a_removed_view_leaves_its_neighbour(feast: Feast, sidecar: SidecarProcess, driver: int) -> None:
    """SCAN MATCH, HKEYS, HDEL and DEL with binary keys and fields."""
    alone = next(_drivers)
    feast.materialize(sidecar, "driver_hourly", hourly(driver, 1, 0.5, 0.25))
    feast.materialize(sidecar, "driver_daily", daily(driver, 1, 7, "Oslo"), daily(alone, 1, 8, "Bern"))
    with redis.Redis(port=sidecar.port) as client:
        assert client.hlen(key_of(driver)) == 6
        feast.ask(sidecar, "forget_view", view="driver_daily")
        assert client.hlen(key_of(driver)) == 3
        assert client.exists(key_of(alone)) == 0
    assert feast.read(sidecar, driver) == [0.5, 0.25]
    feast.ask(None, "apply")


def test_teardown_removes_all_and_nothing_else(feast: Feast, sidecar: SidecarProcess, driver: int) -> None:
    """Every hash of the project is gone from the origin; other projects and other keys stay."""
    stranger = key_of(driver).removesuffix(b"fleet") + b"other"
    with redis.Redis(port=sidecar.port) as client:
        client.hset("user:1", "tier", "gold")
        client.hset(stranger, "field", "value")
        feast.materialize(sidecar, "driver_hourly", *(hourly(next(_drivers), 1, 0.5, 0.5) for _ in range(200)))
        assert client.dbsize() > 200
        feast.ask(sidecar, "teardown")
        assert sorted(client.scan_iter()) == sorted([b"user:1", stranger])
        assert client.dbsize() == 2
    feast.ask(None, "apply")
    assert feast.read(sidecar, driver) == [None, None]
