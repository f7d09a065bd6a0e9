"""Events about pods: what they are about, and that they are bounded in every way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_schemas import schema_errors
from pod_corpus import pod, review
from servers.kubernetes_api_server import TOKEN, KubernetesApiServer

from sidecar.injector import events
from sidecar.injector.counters import InjectorCounters
from sidecar.injector.events import QUEUE, REMEMBERED, REPEAT_AFTER_S, Events
from sidecar.injector.kubernetes_api import KubernetesApi

DEADLINE_S = 20.0


class Side:
    """Events and the API server they go to."""

    def __init__(self, api: KubernetesApi, server: KubernetesApiServer) -> None:
        self.server = server
        self.now = 1000.0
        self.counters = InjectorCounters()
        self.events = Events(api, self.counters, lambda: self.now, "replica-1")

    async def written(self, number: int) -> list[tuple[str, dict[str, Any]]]:
        """The first events, when there are so many."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.server.events) < number:
                await asyncio.sleep(0.005)
        return self.server.events


@pytest.fixture
async def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Side]:
    """Events that are written as fast as they can be."""
    monkeypatch.setattr(events, "INTERVAL_S", 0.0)
    server = KubernetesApiServer()
    url = await server.start()
    (tmp_path / "token").write_text(TOKEN)
    async with KubernetesApi(url, tmp_path / "token", None) as api:
        side = Side(api, server)
        task = asyncio.ensure_future(side.events.run())
        yield side
        task.cancel()
    await server.stop()


def request(one: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The request of a review."""
    return review(pod() if one is None else one, **changes)["request"]


async def test_an_event_is_one_that_kubernetes_takes(side: Side):
    """By its schema; in the pod's namespace, with the text."""
    side.events.tell(request(), "SidecarNotInjected", "x" * 5000)
    ((namespace, event),) = await side.written(1)
    assert namespace == "ml"
    assert schema_errors(event) == []
    assert event["involvedObject"] == {"apiVersion": "v1", "kind": "Pod", "name": "ranker", "namespace": "ml"}
    assert (event["type"], event["reason"], len(event["message"])) == ("Warning", "SidecarNotInjected", 1024)


async def test_an_event_is_about_the_owner_where_there_is_one(side: Side):
    """The pod is not there yet; its ReplicaSet is, and `kubectl describe` shows it."""
    one = pod()
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "ranker-7c", "uid": "u1", "controller": True}
    one["metadata"] = {"generateName": "ranker-7c-", "ownerReferences": [None, {"controller": True}, owner]}
    side.events.tell(request(one), "R", "text")
    ((_, event),) = await side.written(1)
    del owner["controller"]
    assert event["involvedObject"] == {**owner, "namespace": "ml"}


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"generateName": "ranker-7c-"}, "ranker-7c"),
        ({}, "unnamed"),
        ({"name": 7, "ownerReferences": 7}, "unnamed"),
        (None, "unnamed"),
        ([], "unnamed"),
        ({"name": "x" * 1000}, "x" * 253),
    ],
)
async def test_strange_metadata_makes_an_event_still(side: Side, metadata: Any, name: str):
    """Nothing in it is trusted."""
    side.events.tell(request({"metadata": metadata}), "R", "text")
    ((_, event),) = await side.written(1)
    assert event["involvedObject"]["name"] == name


async def test_dry_runs_and_no_namespace_make_none(side: Side):
    """sideEffects: NoneOnDryRun."""
    side.events.tell(request(dryRun=True), "R", "text")
    side.events.tell(request(namespace=None), "R", "text")
    side.events.tell(request(namespace=7), "R", "text")
    side.events.tell(request(), "R", "text")
    assert len(await side.written(1)) == 1
    assert side.counters.events == {"sent": side.counters.events["sent"], "failed": 0, "repeated": 0, "dropped": 0}


async def test_the_same_event_is_written_once_in_ten_minutes(side: Side):
    """A controller tries again and again."""
    for _ in range(5):
        side.events.tell(request(), "R", "text")
    side.events.tell(request(), "R", "another text")
    assert side.counters.events["repeated"] == 4
    assert len(await side.written(2)) == 2
    side.now += REPEAT_AFTER_S
    side.events.tell(request(), "R", "text")
    assert len(await side.written(3)) == 3


async def test_a_flood_is_dropped_and_counted(side: Side):
    """Neither the queue nor what is remembered grows."""
    for number in range(QUEUE + REMEMBERED + 10):
        side.events.tell(request(name=f"pod-{number}"), "R", "text")
    assert side.counters.events["dropped"] == REMEMBERED + 10
    assert len(await side.written(QUEUE)) == QUEUE
    for number in range(REMEMBERED + 100):
        side.events.tell(request(name=f"other-{number}"), "R", "text")
        if number % QUEUE == QUEUE - 1:
            await side.written(QUEUE + number - 1)
    assert len(side.events._told) <= REMEMBERED


async def test_an_api_server_that_fails_stops_nothing(side: Side):
    """Counted; the next is tried again."""
    side.server.before = lambda method, path: 503
    side.events.tell(request(), "R", "one")
    async with asyncio.timeout(DEADLINE_S):
        while side.counters.events["failed"] < 1:
            await asyncio.sleep(0.005)
    side.server.before = lambda method, path: None
    side.events.tell(request(), "R", "two")
    ((_, event),) = await side.written(1)
    assert event["message"] == "two"
