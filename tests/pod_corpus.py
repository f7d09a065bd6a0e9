"""AdmissionReviews as an API server sends them: generated pods of every shape that is allowed, and hostile ones.

The generated ones come from a seed, so a case is the same in every run and on every machine; its number finds it again.
"""

import random
from copy import deepcopy
from typing import Any, NamedTuple

from sidecar.injector.annotations import INJECT, PREFIX

GENERATED = 200
SEED = 20


class Case(NamedTuple):
    """One review.

    Attributes:
        name: for the test's report.
        review: the body.
        outcome: what must become of it; None: whatever is right for a pod of chance.
    """

    name: str
    review: dict[str, Any]
    outcome: str | None


def corpus() -> list[Case]:
    """All cases; made anew at each call, so that nobody changes another's."""
    generated = [Case(f"generated-{number}", review(_generated(number)), None) for number in range(GENERATED)]
    return [*generated, *(Case(name, review(pod), outcome) for name, (pod, outcome) in _by_hand().items())]


def review(pod: Any, **request: Any) -> dict[str, Any]:
    """The review of a pod's creation."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    body = {
        "uid": "2b3d6d0a-6d1c-4a43-9a0e-6f3d0c6f7a11",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "namespace": "ml",
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:kube-system:replicaset-controller",
            "uid": "1d5e",
            "groups": ["system:serviceaccounts", "system:authenticated"],
        },
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {**body, **request}}


def pod(annotations: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small pod that asks for the sidecar."""
    annotations = {INJECT: "true", **{PREFIX + name: value for name, value in (annotations or {}).items()}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "ranker", "namespace": "ml", "annotations": annotations},
        "spec": {"containers": [{"name": "model", "image": "model:1"}], **spec},
    }


def _generated(number: int) -> dict[str, Any]:
    """A valid pod; what it has is left to chance."""
    chance = random.Random(SEED * 1_000_000 + number)
    annotations: dict[str, Any] = {"prometheus.io/scrape": "true"} if chance.random() < 0.3 else {}
    if chance.random() < 0.9:
        annotations[INJECT] = chance.choice(["true", "true", "true", "enabled", "false"])
    for name, values in _ANNOTATIONS.items():
        if chance.random() < 0.15:
            annotations[PREFIX + name] = chance.choice(values)
    spec: dict[str, Any] = {"containers": [_container(chance, n) for n in range(chance.randint(1, 4))]}
    for name, make in _PARTS.items():
        if chance.random() < 0.25:
            spec[name] = make(chance)
    names = [volume["name"] for volume in spec.get("volumes", [])]
    for container in (*spec["containers"], *spec.get("initContainers", [])):
        container["volumeMounts"] = [{"name": n, "mountPath": f"/mnt/{n}"} for n in names if chance.random() < 0.5]
        if not container["volumeMounts"] and chance.random() < 0.5:
            del container["volumeMounts"]
    metadata: dict[str, Any] = {"generateName": "ranker-7c9d-"} if chance.random() < 0.7 else {"name": f"pod-{number}"}
    if annotations:
        metadata["annotations"] = annotations
    if chance.random() < 0.6:
        metadata["labels"] = {"app": "ranker", "a/b~c": "x"}
    if chance.random() < 0.5:
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "ranker-7c9d", "uid": "u1", "controller": True}
        metadata["ownerReferences"] = [owner]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


_ANNOTATIONS = {
    "native": ["auto", "true", "false"],
    "policy": ["ranker-policy"],
    "origin": ["couchbases://cb1,cb2/features", "memory://", "couchbase://cb/features?network=external"],
    "origin-secret": ["couchbase-credentials"],
    "origin-certificate": ["couchbase-client"],
    "origin-ca": ["authorities"],
    "snapshot": ["true"],
    "port": ["6380", "0"],
    "socket-mode": ["0660", "auto"],
    "env": ["tcp", "unix", "off", "true"],
    "containers": ["app-0", "app-0,app-1", "missing"],
    "admin-port": ["9379"],
    "cpu-request": ["250m", "1"],
    "cpu-limit": ["1", "50m"],
    "memory-limit": ["1Gi", "256Mi"],
    "memory-request": ["2Gi", "128Mi"],
    "max-memory": ["512MiB", "1GiB", "lots"],
    "log-level": ["debug", "loud"],
    "max-memroy": ["512MiB"],
    "image": ["evil:1"],
}


def _container(chance: random.Random, number: int) -> dict[str, Any]:
    container: dict[str, Any] = {"name": f"app-{number}", "image": "registry.example/app:1"}
    if chance.random() < 0.4:
        container["env"] = [
            {"name": "REDIS_URL", "value": "redis://elsewhere:6379"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ][chance.randint(0, 1) :]
    if chance.random() < 0.4:
        container["ports"] = [{"containerPort": chance.choice([8080, 9000, 6379, 8379]), "name": "http"}]
    if chance.random() < 0.4:
        amounts = {"cpu": "1", "memory": "1Gi"}
        container["resources"] = chance.choice([{"limits": amounts}, {"requests": amounts, "limits": amounts}, {}])
    if chance.random() < 0.4:
        container["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    if chance.random() < 0.2:
        container["readinessProbe"] = {"tcpSocket": {"port": 8080}}
    return container


def _init_containers(chance: random.Random) -> list[dict[str, Any]]:
    containers = [{"name": "istio-init", "image": "istio/proxyv2:1"}, {"name": "fetch-model", "image": "fetch:1"}]
    if chance.random() < 0.5:
        containers.insert(1, {"name": "istio-proxy", "image": "istio/proxyv2:1", "restartPolicy": "Always"})
    return deepcopy(containers[: chance.randint(0, 3)])


def _volumes(_: random.Random) -> list[dict[str, Any]]:
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
    return [
        {"name": "kube-api-access-x7x2k", "projected": {"sources": [token]}},
        {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "config", "configMap": {"name": "config"}},
    ]


def _security_context(chance: random.Random) -> dict[str, Any]:
    return chance.choice(
        [
            {},
            {"fsGroup": 2000, "runAsUser": 1000},
            {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            {"runAsUser": 0},
            {"seccompProfile": {"type": "Unconfined"}},
        ]
    )


_PARTS = {
    "initContainers": _init_containers,
    "volumes": _volumes,
    "securityContext": _security_context,
    "restartPolicy": lambda chance: chance.choice(["Always", "Never", "OnFailure"]),
    "terminationGracePeriodSeconds": lambda chance: chance.choice([0, 2, 30, 600]),
    "imagePullSecrets": lambda _: [{"name": "registry"}],
    "nodeSelector": lambda _: {"kubernetes.io/os": "linux"},
    "tolerations": lambda _: [{"key": "gpu", "operator": "Exists"}],
    "serviceAccountName": lambda _: "ranker",
    "hostNetwork": lambda chance: chance.random() < 0.3,
    "enableServiceLinks": lambda _: False,
    "shareProcessNamespace": lambda _: True,
    "priorityClassName": lambda _: "high",
}


def _by_hand() -> dict[str, tuple[Any, str]]:
    """Hostile, odd and special pods, with what must become of them."""
    from hostile_pods import hostile_pods  # one big table, in a file of its own

    return hostile_pods()
