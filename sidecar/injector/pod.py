"""Adds the sidecar to a pod: a pure function, used by the webhook and by ``feature-sidecar inject`` alike."""

from importlib.metadata import version
from typing import Any, NamedTuple

from sidecar.injector.annotation_values import parse_switch
from sidecar.injector.annotations import BY_NAME, INJECT, INJECTED_LABEL, STATUS, VERSION
from sidecar.injector.conflicts import check_pod
from sidecar.injector.container import (
    CONTAINER,
    SOCKET_DIRECTORY,
    SOCKET_VOLUME,
    application_environment,
    memory_shortfall,
    sidecar_container,
    sidecar_volumes,
)
from sidecar.injector.errors import NotInjected
from sidecar.injector.pod_view import containers_of, mapping_at, objects_at
from sidecar.injector.settings import Problem, SidecarSettings

DEFAULT_GRACE_S = 30  # Kubernetes'
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_NATIVE = BY_NAME["native"].annotation
_MIRROR = "kubernetes.io/config.mirror"


class Injection(NamedTuple):
    """A pod with the sidecar.

    Attributes:
        pod: the new pod; the one given is untouched.
        native: the form taken.
        problems: annotations that were not followed.
        warnings: what its author should know.
    """

    pod: dict[str, Any]
    native: bool
    problems: list[Problem]
    warnings: list[str]


def is_injected(pod: dict[str, Any]) -> bool:
    """Whether the sidecar is there already. The container counts: the status annotation may have been copied along
    with a manifest.
    """
    spec = mapping_at(pod, "spec")
    containers = [*objects_at(spec, "initContainers", "spec"), *objects_at(spec, "containers", "spec")]
    return any(container.get("name") == CONTAINER for container in containers)


def wants_injection(pod: dict[str, Any], *, by_default: bool) -> bool:
    """Whether a pod asks for the sidecar: by its annotation, else its label, else the default of its namespace.

    Raises:
        NotInjected: the switch cannot be read.
    """
    metadata = mapping_at(pod, "metadata")
    if _MIRROR in mapping_at(metadata, "annotations", "metadata"):
        return False  # what the API shows of a static pod; the kubelet runs another
    for place in ("annotations", "labels"):
        switch = mapping_at(metadata, place, "metadata").get(INJECT)
        if switch is None:
            continue
        try:
            return parse_switch(switch)
        except (ValueError, TypeError) as exc:
            raise NotInjected("annotation", f"metadata.{place} {INJECT}: {str(exc)[:200]}") from exc
    return by_default


def inject(pod: dict[str, Any], settings: SidecarSettings, *, native_supported: bool = True) -> Injection:
    """Add the sidecar.

    Args:
        pod: a Pod, or the template of one; not yet injected.
        settings: the operator's; the pod's annotations overlay them.
        native_supported: whether the cluster has native sidecars (from 1.29 on).

    Raises:
        NotInjected: it cannot be done; the reason and what to do.
    """
    spec = mapping_at(pod, "spec")
    containers_of(spec)
    annotations = mapping_at(mapping_at(pod, "metadata"), "annotations", "metadata")
    settings, problems = settings.with_annotations(annotations)
    refusing = [problem.text for problem in problems if problem.refuses]
    if refusing:
        raise NotInjected("annotation", "; ".join(refusing))
    native = native_supported if settings.native is None else settings.native
    check_pod(spec, settings, native=native, insists=settings.native is False and _NATIVE in annotations)
    warnings = _warnings(spec, settings)
    return Injection(_with_sidecar(pod, settings, native), native, problems, warnings)


def _with_sidecar(pod: dict[str, Any], settings: SidecarSettings, native: bool) -> dict[str, Any]:
    """A new pod; what is not changed is shared with the one given, for it may be large and deep."""
    spec = dict(pod["spec"])
    for place in ("initContainers", "containers"):
        if spec.get(place):
            spec[place] = [_equipped(c, settings) if _is_told(c, place, settings) else c for c in spec[place]]
    has_group = mapping_at(spec, "securityContext", "spec").get("fsGroup") is not None
    sidecar = sidecar_container(settings, native=native, has_group=has_group, grace_s=_grace_s(spec))
    annotations = {STATUS: "injected", VERSION: version("feature-sidecar")}
    if not native:
        # what kubectl logs and exec mean when they name no container: still the application
        annotations = {_DEFAULT_CONTAINER: spec["containers"][0]["name"], **annotations}
    place = "initContainers" if native else "containers"
    spec[place] = [sidecar, *(spec.get(place) or [])]  # first: it starts before and ends after all others
    volumes = sidecar_volumes(settings)
    if volumes:
        spec["volumes"] = [*(spec.get("volumes") or []), *volumes]
    if settings.image_pull_secret is not None:
        secrets = objects_at(spec, "imagePullSecrets", "spec")
        if {"name": settings.image_pull_secret} not in secrets:
            spec["imagePullSecrets"] = [*secrets, {"name": settings.image_pull_secret}]
    metadata = dict(pod.get("metadata") or {})
    metadata["annotations"] = {**annotations, **(metadata.get("annotations") or {}), **_ours(annotations)}
    metadata["labels"] = {**(metadata.get("labels") or {}), INJECTED_LABEL: "true"}
    return {**pod, "metadata": metadata, "spec": spec}


def _ours(annotations: dict[str, str]) -> dict[str, str]:
    """Those that replace what a copied manifest brought; the default container stays the author's."""
    return {name: annotations[name] for name in (STATUS, VERSION)}


def _is_told(container: dict[str, Any], place: str, settings: SidecarSettings) -> bool:
    """Whether a container gets the socket and the variables."""
    if settings.containers is None:
        return place == "containers"
    return container["name"] in settings.containers


def _equipped(container: dict[str, Any], settings: SidecarSettings) -> dict[str, Any]:
    """One of the application's containers with the socket and, where asked for, the variables."""
    equipped = dict(container)
    if settings.socket:
        # read-only binds files, not what is sent through a socket: it can be connected to and not removed
        mount = {"name": SOCKET_VOLUME, "mountPath": SOCKET_DIRECTORY, "readOnly": True}
        equipped["volumeMounts"] = [*objects_at(container, "volumeMounts"), mount]
    present = objects_at(container, "env", container["name"])
    names = [variable.get("name") for variable in present]
    added = [variable for variable in application_environment(settings) if variable["name"] not in names]
    if added:
        equipped["env"] = [*added, *present]  # first, so that the author's own may refer to them as $(REDIS_URL)
    return equipped


def _grace_s(spec: dict[str, Any]) -> int:
    grace = spec.get("terminationGracePeriodSeconds")
    return grace if isinstance(grace, int) and not isinstance(grace, bool) else DEFAULT_GRACE_S


def _warnings(spec: dict[str, Any], settings: SidecarSettings) -> list[str]:
    warnings = []
    names = {container["name"] for container in containers_of(spec)}
    missing = sorted(set(settings.containers or ()) - names)
    if missing:
        warnings.append(f"containers: the pod has none named {', '.join(missing)}")
    shortfall = memory_shortfall(settings)
    if shortfall:
        warnings.append(shortfall)
    if _is_guaranteed(spec) and settings.cpu_limit != settings.cpu_request:
        warnings.append(
            "the pod's QoS class changes from Guaranteed to Burstable; cpu-limit equal to cpu-request and memory-limit "
            "equal to memory-request keep it"
        )
    return warnings


def _is_guaranteed(spec: dict[str, Any]) -> bool:
    """Every container limits CPU and memory to what it requests."""
    for container in containers_of(spec):
        resources = mapping_at(container, "resources", container["name"])
        limits = mapping_at(resources, "limits", container["name"])
        requests = mapping_at(resources, "requests", container["name"])
        for name in ("cpu", "memory"):
            if limits.get(name) is None or requests.get(name, limits[name]) != limits[name]:
                return False
    return True
