"""Pods written by hand: wrong types, conflicts, others' sidecars, huge and strange values; each with its outcome."""

from typing import Any

from pod_corpus import pod

from sidecar.injector.annotations import INJECT, PREFIX, STATUS

_APP = {"name": "model", "image": "model:1"}
_OURS = {"name": "feature-sidecar", "image": "feature-sidecar:1"}


def hostile_pods() -> dict[str, tuple[Any, str]]:
    """Name -> (pod, outcome)."""
    return {
        **_not_pods(),
        **_wrong_types(),
        **_switches(),
        **_conflicts(),
        **_strange_values(),
        **_company(),
        **_more(),
    }


def _not_pods() -> dict[str, tuple[Any, str]]:
    asked = {"annotations": {INJECT: "true"}}
    return {
        "null": (None, "not_asked"),
        "a list": ([], "not_asked"),
        "a text": ("pod", "not_asked"),
        "a number": (1e308, "not_asked"),
        "empty": ({}, "not_asked"),
        "only metadata": ({"metadata": asked}, "refused"),
        "null spec": ({"metadata": asked, "spec": None}, "refused"),
        "spec a list": ({"metadata": asked, "spec": []}, "refused"),
        "spec a text": ({"metadata": asked, "spec": "spec"}, "refused"),
        "metadata null": ({"metadata": None, "spec": {"containers": [_APP]}}, "not_asked"),
        "metadata a list": ({"metadata": [asked], "spec": {"containers": [_APP]}}, "refused"),
        "annotations a list": ({"metadata": {"annotations": [INJECT]}, "spec": {"containers": [_APP]}}, "refused"),
        "labels a text": (
            {"metadata": {"labels": INJECT}, "spec": {"containers": [_APP]}},
            "refused",
        ),
        "annotations null": ({"metadata": {"annotations": None}, "spec": {"containers": [_APP]}}, "not_asked"),
    }


def _wrong_types() -> dict[str, tuple[Any, str]]:
    wrong = {"null": None, "number": 7, "text": "x", "list": [], "object": {}, "true": True, "list of null": [None]}
    lists = ("containers", "initContainers", "volumes", "imagePullSecrets")
    cases: dict[str, tuple[Any, str]] = {}
    for name in lists:
        for kind, value in wrong.items():
            harmless = kind in ("null", "list") and name != "containers"
            cases[f"{name} {kind}"] = (pod(**{name: value}), "injected" if harmless else "refused")
    for name in ("securityContext", "os", "nodeSelector"):
        for kind, value in wrong.items():
            harmless = kind in ("null", "object")
            cases[f"{name} {kind}"] = (pod(**{name: value}), "injected" if harmless else "refused")
    for name in ("env", "volumeMounts", "ports"):
        for kind, value in wrong.items():
            harmless = kind in ("null", "list")
            case = pod({"env": "tcp"}, containers=[{**_APP, name: value}])
            cases[f"container {name} {kind}"] = (case, "injected" if harmless else "refused")
    for kind, value in wrong.items():
        cases[f"grace {kind}"] = (pod({"native": "false"}, terminationGracePeriodSeconds=value), "injected")
        outcome = "injected" if kind in ("null", "object") else "refused"
        cases[f"resources {kind}"] = (pod(containers=[{**_APP, "resources": value}]), outcome)
        cases[f"container name {kind}"] = (
            pod(containers=[{"name": value}]),
            "injected" if kind == "text" else "refused",
        )
        cases[f"port {kind}"] = (pod(containers=[{**_APP, "ports": [{"containerPort": value}]}]), "injected")
        mounts = [{"mountPath": value, "name": value}]
        cases[f"mount {kind}"] = (pod(containers=[{**_APP, "volumeMounts": mounts}]), "injected")
        cases[f"volume name {kind}"] = (pod(volumes=[{"name": value}]), "injected")
        cases[f"host network {kind}"] = (pod(hostNetwork=value), "refused" if value is True else "injected")
        cases[f"restart policy {kind}"] = (pod(restartPolicy=value), "injected")
    return cases


def _switches() -> dict[str, tuple[Any, str]]:
    cases: dict[str, tuple[Any, str]] = {}
    values = {"true": "injected", "enabled": "injected", "false": "not_asked", "disabled": "not_asked"}
    others = {"True": "refused", "yes": "refused", "": "refused", "1": "refused", "x" * 1_000_000: "refused"}
    for value, outcome in {**values, **others}.items():
        for place in ("annotations", "labels"):
            case = pod()
            case["metadata"] = {place: {INJECT: value}}
            cases[f"{place} say {value[:10]!r}"] = (case, outcome)
    for value in (True, 1, None, [], {}, 1.5):
        case = pod()
        case["metadata"]["annotations"][INJECT] = value
        cases[f"annotation is {value!r}"] = (case, "not_asked" if value is None else "refused")
    both = pod()
    both["metadata"] = {"annotations": {INJECT: "false"}, "labels": {INJECT: "true"}}
    cases["annotation over label"] = (both, "not_asked")
    mirror = pod()
    mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "4f6b"
    cases["static pod"] = (mirror, "not_asked")
    return cases


def _conflicts() -> dict[str, tuple[Any, str]]:
    redis = {"name": "redis", "image": "redis:7", "ports": [{"containerPort": 6379}]}
    mounts = [{"name": "x", "mountPath": "/run/feature-sidecar/"}]
    return {
        "host network": (pod(hostNetwork=True), "refused"),
        "windows": (pod(os={"name": "windows"}), "refused"),
        "windows by selector": (pod(nodeSelector={"kubernetes.io/os": "windows"}), "refused"),
        "a redis has our port": (pod(containers=[_APP, redis]), "refused"),
        "a redis and another port": (pod({"port": "6380"}, containers=[_APP, redis]), "injected"),
        "a redis and only the socket": (pod({"port": "0"}, containers=[_APP, redis]), "injected"),
        "our port by UDP": (
            pod(containers=[{**_APP, "ports": [{"containerPort": 6379, "protocol": "UDP"}]}]),
            "injected",
        ),
        "admin port taken": (pod(containers=[{**_APP, "ports": [{"containerPort": 8379}]}]), "refused"),
        "an init container has our port": (pod(initContainers=[{**redis, "restartPolicy": "Always"}]), "refused"),
        "our volume's name": (pod(volumes=[{"name": "feature-sidecar-socket", "emptyDir": {}}]), "refused"),
        "our mount path": (pod(containers=[{**_APP, "volumeMounts": mounts}]), "refused"),
        "our mount path and no socket": (
            pod({"socket": "false"}, containers=[{**_APP, "volumeMounts": mounts}], volumes=[{"name": "x"}]),
            "injected",
        ),
        "state volume missing": (pod({"state-volume": "disk"}), "refused"),
        "state volume there": (
            pod({"state-volume": "disk"}, volumes=[{"name": "disk", "emptyDir": {}}]),
            "injected",
        ),
        "ports of ours collide": (pod({"port": "8379"}), "refused"),
        "nowhere to connect": (pod({"port": "0", "socket": "false"}), "refused"),
        "told of a port that is not": (pod({"port": "0", "env": "tcp"}), "refused"),
        "a Job in the plain form by its own word": (pod({"native": "false"}, restartPolicy="Never"), "injected"),
    }


def _strange_values() -> dict[str, tuple[Any, str]]:
    deep: Any = {}
    for _ in range(200):
        deep = {"a": [deep]}
    unknown = {f"x{n}": "1" for n in range(500)}
    many = [{"name": f"c{n}", "image": "i"} for n in range(300)]
    return {
        "an annotation of a megabyte": (pod({"policy": "p" * 1_000_000}), "refused"),
        "an unknown one of a megabyte": (pod({"other": "p" * 1_000_000}), "injected"),
        "a foreign one of a megabyte": (_with({"example.com/x": "é" * 500_000}), "injected"),
        "a name of ours of a megabyte": (_with({PREFIX + "x" * 1_000_000: "1"}), "injected"),
        "five hundred unknown": (pod(unknown), "injected"),
        "deep": (pod(affinity=deep), "injected"),
        "many containers": (pod({"env": "unix"}, containers=many), "injected"),
        "too many containers": (pod(containers=[{"name": f"c{n}", "image": "i"} for n in range(1001)]), "refused"),
        "unicode": (_with({"example.com/ünï": "日本 \u202e\u0000\ud7ff"}), "injected"),
        "control characters in a value": (pod({"log-level": "a\r\nSet-Cookie: x\x00"}), "injected"),
        "control characters in a name": (_with({PREFIX + "a\r\nb": "x"}), "injected"),
        "a policy by path": (pod({"policy": "../../etc/passwd"}), "refused"),
        "a key by path": (pod({"policy": "p", "policy-key": "../x"}), "refused"),
        "an origin with a password": (pod({"origin": "couchbase://u:hunter2@cb/b"}), "refused"),
        "an origin elsewhere on disk": (pod({"origin": "sqlite:////etc/passwd"}), "refused"),
        "an origin of another kind": (pod({"origin": "file:///etc/passwd"}), "refused"),
        "an origin with a reference": (pod({"origin": "couchbase://$(SECRET)/b"}), "injected"),
        "an origin with a space": (pod({"origin": "couchbase://a /b --requirepass-file x"}), "refused"),
        "an image": (pod({"image": "evil:1"}), "injected"),
        "a user": (pod({"run-as-user": "0"}), "injected"),
        "a security context": (pod({"security-context": '{"privileged": true}'}), "injected"),
        "numbers as values": (pod({"port": 6380, "max-memory": 1}), "injected"),
        "a policy as an object": (pod({"policy": {}}), "refused"),
        "an Arabic digit": (pod({"port": "\u0666\u0663"}), "injected"),
        "a negative quantity": (pod({"memory-limit": "-1Gi"}), "injected"),
        "an enormous quantity": (pod({"memory-limit": "9" * 12 + "Ti"}), "injected"),
        "a long port": (pod({"port": "6" * 5000}), "injected"),
    }


def _with(annotations: dict[str, Any]) -> dict[str, Any]:
    case = pod()
    case["metadata"]["annotations"].update(annotations)
    return case


def _company() -> dict[str, tuple[Any, str]]:
    proxy = {"name": "istio-proxy", "image": "istio/proxyv2:1", "ports": [{"containerPort": 15090}]}
    linkerd = {"name": "linkerd-proxy", "image": "cr.l5d.io/linkerd/proxy:1", "env": [{"name": "X", "value": "y"}]}
    copied = _with({STATUS: "injected"})
    return {
        "injected by us": (pod(initContainers=[{**_OURS, "restartPolicy": "Always"}]), "present"),
        "injected by us in the plain form": (pod(containers=[_OURS, _APP]), "present"),
        "a status copied along": (copied, "injected"),
        "istio": (pod(containers=[_APP, proxy], initContainers=[{"name": "istio-init", "image": "x"}]), "injected"),
        "istio, native": (pod(initContainers=[{**proxy, "restartPolicy": "Always"}]), "injected"),
        "linkerd": (pod(containers=[linkerd, _APP]), "injected"),
        "an ephemeral container": (
            pod(ephemeralContainers=[{"name": "debug", "image": "busybox", "targetContainerName": "model"}]),
            "injected",
        ),
    }


def _more() -> dict[str, tuple[Any, str]]:
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    whole = {"cpu": "1", "memory": "1Gi"}
    return {
        "restricted": (pod(containers=[{**_APP, "securityContext": context}]), "injected"),
        "restricted, plain": (pod({"native": "false"}, containers=[{**_APP, "securityContext": context}]), "injected"),
        "guaranteed": (pod(containers=[{**_APP, "resources": {"requests": whole, "limits": whole}}]), "injected"),
        "a Job": (pod(restartPolicy="Never"), "injected"),
        "two containers of one name": (pod(containers=[_APP, _APP]), "injected"),
        "two volumes of one name": (pod(volumes=[{"name": "a"}, {"name": "a"}]), "injected"),
        "unknown members": (pod(fromTheFuture={"a": 1}), "injected"),
        "no grace": (pod({"native": "false"}, terminationGracePeriodSeconds=0), "injected"),
        "negative grace": (pod({"native": "false"}, terminationGracePeriodSeconds=-5), "injected"),
        "group of files": (pod(securityContext={"fsGroup": 2000}), "injected"),
        "group of files 0": (pod(securityContext={"fsGroup": 0}), "injected"),
    }
