"""What the API server checks of a pod beyond its schema, and the Pod Security Standard `restricted`.

Both from their documents: kubernetes/pkg/apis/core/validation, and
https://kubernetes.io/docs/concepts/security/pod-security-standards (baseline and restricted, all controls).
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

_RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
_SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_PROFILES = {None, "RuntimeDefault", "Localhost"}
_FACTORS = {"": 1, "m": Decimal("0.001"), "k": 1000, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def api_errors(pod: dict[str, Any]) -> list[str]:
    """What the API server would refuse."""
    spec = pod["spec"]
    volumes = [volume["name"] for volume in spec.get("volumes") or []]
    found = [f"volume {name} stands twice" for name in _twice(volumes)]
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    found += [f"container {name} stands twice" for name in _twice([container["name"] for container in containers])]
    for container in containers:
        mounts = container.get("volumeMounts") or []
        found += [f"{container['name']}: no volume {m['name']}" for m in mounts if m["name"] not in volumes]
        found += [f"{container['name']}: path {path} twice" for path in _twice([m["mountPath"] for m in mounts])]
        ports = [port["name"] for port in container.get("ports") or [] if "name" in port]
        found += [f"{container['name']}: port {name}" for name in ports if not re.fullmatch("[a-z0-9-]{1,15}", name)]
        found += _resource_errors(container)
        restarts = container in (spec.get("initContainers") or []) and container.get("restartPolicy") == "Always"
        if not restarts and container in (spec.get("initContainers") or []):
            found += [f"{container['name']}: {name}" for name in ("lifecycle", "livenessProbe") if name in container]
    return found


def restricted_violations(pod: dict[str, Any]) -> set[str]:
    """Which controls of `restricted` a pod breaks, and where."""
    spec = pod["spec"]
    return {*_pod_violations(pod, spec), *(v for c in _all_containers(spec) for v in _container_violations(spec, c))}


def _pod_violations(pod: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    context = spec.get("securityContext") or {}
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes") or []:
        if set(volume) - {"name"} - _RESTRICTED_VOLUMES:
            yield f"volume type: {volume['name']}"
    if any(sysctl["name"] not in _SAFE_SYSCTLS for sysctl in context.get("sysctls") or []):
        yield "sysctls"
    for name, value in ((pod.get("metadata") or {}).get("annotations") or {}).items():
        if name.startswith("container.apparmor.security.beta.kubernetes.io/") and not (
            value == "runtime/default" or value.startswith("localhost/")
        ):
            yield "AppArmor annotation"
    if context.get("runAsUser") == 0:
        yield "pod runAsUser"
    yield from _shared_violations("pod", context)


def _container_violations(spec: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    name, context = container["name"], container.get("securityContext") or {}
    pod_context = spec.get("securityContext") or {}
    capabilities = context.get("capabilities") or {}
    if context.get("privileged"):
        yield f"{name}: privileged"
    if "ALL" not in (capabilities.get("drop") or []) or set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation"
    if context.get("runAsNonRoot", pod_context.get("runAsNonRoot")) is not True:
        yield f"{name}: runAsNonRoot"
    if context.get("runAsUser") == 0:
        yield f"{name}: runAsUser"
    if context.get("procMount") not in (None, "Default"):
        yield f"{name}: procMount"
    profile = (context.get("seccompProfile") or pod_context.get("seccompProfile") or {}).get("type")
    if profile not in ("RuntimeDefault", "Localhost"):
        yield f"{name}: seccomp"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield f"{name}: hostPort"
    for probe in _handlers(container):
        if (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("host"):
            yield f"{name}: host of a probe"
    yield from _shared_violations(name, context)


def _shared_violations(name: str, context: dict[str, Any]) -> Iterator[str]:
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{name}: hostProcess"
    if (context.get("appArmorProfile") or {}).get("type") not in _PROFILES:
        yield f"{name}: AppArmor"
    labels = context.get("seLinuxOptions") or {}
    if labels.get("type") not in _SELINUX_TYPES or labels.get("user") or labels.get("role"):
        yield f"{name}: SELinux"


def _handlers(container: dict[str, Any]) -> list[dict[str, Any]]:
    probes = [container.get(name) or {} for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    return [*probes, *((container.get("lifecycle") or {}).values())]


def _all_containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in spec.get(kind) or []]


def _resource_errors(container: dict[str, Any]) -> list[str]:
    resources = container.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    return [
        f"{container['name']}: {name} requested above its limit"
        for name in requests
        if name in limits and _amount(requests[name]) > _amount(limits[name])
    ]


def _amount(text: object) -> Decimal:
    number, unit = re.fullmatch(r"([0-9.]+)(\w*)", str(text)).groups()  # type: ignore[union-attr]
    return Decimal(number) * _FACTORS[unit]


def _twice(names: list[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}
