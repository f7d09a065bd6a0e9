"""Feast in a process of its own, told what to do line by line: JSON in, JSON out.

Every request names the Redis that it goes to, so that two writers can be played by one process.
"""

import json
import os
import sys
from datetime import datetime

import pandas
from feast import FeatureStore
from feast.cli.cli import cli

REPOSITORY = os.path.abspath(sys.argv[1])  # commands change the folder


def command(*words: str) -> None:
    """One of Feast's own commands, as typed in a shell."""
    cli.main(["--chdir", REPOSITORY, *words], standalone_mode=False)


def frame(rows: list[dict]) -> pandas.DataFrame:
    for row in rows:
        row["event_timestamp"] = datetime.fromisoformat(row["event_timestamp"])
    return pandas.DataFrame(rows)


def apply(request: dict) -> None:
    command("apply")


def materialize(request: dict) -> None:
    frame(request["rows"]).to_parquet(f"{REPOSITORY}/data/{request['source']}.parquet")
    command("materialize", "--views", request["view"], request["start"], request["end"])


def write(request: dict) -> None:
    FeatureStore(REPOSITORY).write_to_online_store(request["view"], frame(request["rows"]))


def read(request: dict) -> dict:
    rows = [{"driver_id": driver_id} for driver_id in request["drivers"]]
    found = FeatureStore(REPOSITORY).get_online_features(features=request["features"], entity_rows=rows)
    return found.to_dict()


def forget_view(request: dict) -> None:
    store = FeatureStore(REPOSITORY)
    store.apply([], objects_to_delete=[store.get_feature_view(request["view"])], partial=False)


def teardown(request: dict) -> None:
    command("teardown")


answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what Feast prints is for people
answers.write("ready\n")
for line in sys.stdin:
    request = json.loads(line)
    os.environ["SIDECAR_ADDRESS"] = request["redis"]
    answers.write(json.dumps(globals()[request["do"]](request)) + "\n")
