"""Events about pods that did not get what they asked for: best effort, bounded, and never in a review's way.

A pod made by a controller shows its warnings to that controller only; `kubectl describe` of its owner shows events.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sidecar.injector.counters import InjectorCounters
from sidecar.injector.kubernetes_api import ApiError, KubernetesApi
from sidecar.logs import logger

QUEUE = 64  # events that wait
REPEAT_AFTER_S = 600.0  # a controller that tries again and again makes one event in this time
REMEMBERED = 1024
INTERVAL_S = 0.2  # five a second: a broken template of a thousand pods must not flood etcd
_MESSAGE_CHARACTERS = 1024  # Kubernetes' bound
_log = logger("injector")


class Events:
    """Writes events, one after another, from a bounded queue."""

    def __init__(self, api: KubernetesApi, counters: InjectorCounters, clock: Callable[[], float], name: str) -> None:
        """Nothing is written before ``run``.

        Args:
            api: the API server.
            counters: counts sent, failed, repeated and dropped events.
            clock: seconds that only go up.
            name: this replica.
        """
        self._api = api
        self._counters = counters
        self._clock = clock
        self._name = name
        self._queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(QUEUE)
        self._told: OrderedDict[tuple[object, ...], float] = OrderedDict()

    def tell(self, request: dict[str, Any], reason: str, text: str) -> None:
        """Queue an event about the pod of an admission request, unless it was told lately or the queue is full."""
        namespace = request.get("namespace")
        if request.get("dryRun") is True or not isinstance(namespace, str) or not namespace:
            return
        about = _about(request, namespace)
        key = (namespace, about["kind"], about["name"], reason, text)
        now = self._clock()
        if now - self._told.get(key, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            self._counters.events["repeated"] += 1
            return
        try:
            self._queue.put_nowait((namespace, self._event(about, reason, text)))
        except asyncio.QueueFull:
            self._counters.events["dropped"] += 1
            return
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    async def run(self) -> None:
        """Write what is queued, until cancelled."""
        while True:
            namespace, event = await self._queue.get()
            try:
                await self._api.create(f"/api/v1/namespaces/{namespace}/events", event)
            except ApiError as exc:
                self._counters.events["failed"] += 1
                _log.warning("event_failed", error=str(exc))
            else:
                self._counters.events["sent"] += 1
            await asyncio.sleep(INTERVAL_S)

    def _event(self, about: dict[str, str], reason: str, text: str) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": "feature-sidecar-", "namespace": about["namespace"]},
            "involvedObject": about,
            "reason": reason,
            "message": text[:_MESSAGE_CHARACTERS],
            "type": "Warning",
            "action": "Inject",
            "source": {"component": "feature-sidecar-injector"},
            "reportingComponent": "feature-sidecar.io/injector",
            "reportingInstance": self._name,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }


def _about(request: dict[str, Any], namespace: str) -> dict[str, str]:
    """The pod's owner where it has one: the pod itself is not yet there, and may not even have its name."""
    pod = request.get("object")
    metadata = pod.get("metadata") if isinstance(pod, dict) else None
    metadata = metadata if isinstance(metadata, dict) else {}
    owners = metadata.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else []:
        if isinstance(owner, dict) and owner.get("controller") is True:
            fields = {name: owner.get(name) for name in ("apiVersion", "kind", "name", "uid")}
            if all(isinstance(value, str) and len(value) <= 253 for value in fields.values()):
                return {**{name: str(value) for name, value in fields.items()}, "namespace": namespace}
    name = request.get("name") or metadata.get("name") or metadata.get("generateName")
    shown = name.rstrip("-")[:253] if isinstance(name, str) and name.rstrip("-") else "unnamed"
    return {"apiVersion": "v1", "kind": "Pod", "name": shown, "namespace": namespace}
