"""What in a pod makes injection impossible or pointless; each is told with what to do."""

from typing import Any

from sidecar.injector.annotations import BY_NAME
from sidecar.injector.container import SOCKET_DIRECTORY, sidecar_volumes
from sidecar.injector.errors import NotInjected
from sidecar.injector.pod_view import containers_of, mapping_at, objects_at
from sidecar.injector.settings import SidecarSettings


def check_pod(spec: dict[str, Any], settings: SidecarSettings, *, native: bool, insists: bool) -> None:
    """Find what stands in the way.

    Args:
        spec: of the pod.
        settings: its own.
        native: the form it would get.
        insists: it asks for the plain form by its own annotation.

    Raises:
        NotInjected: with the first such thing.
    """
    objects_at(spec, "imagePullSecrets", "spec")
    _check_platform(spec)
    _check_ports(spec, settings)
    _check_names(spec, settings)
    if not native and not insists and spec.get("restartPolicy") in ("Never", "OnFailure"):
        raise NotInjected(
            "would_not_end",
            "the pod is meant to end, and a plain sidecar container would keep it running: use a cluster from 1.29 on, "
            f'or set {BY_NAME["native"].annotation}: "false" and have the application POST /quit to the admin port',
        )


def _check_platform(spec: dict[str, Any]) -> None:
    if spec.get("hostNetwork") is True:
        raise NotInjected(
            "host_network",
            "the pod uses the node's network: its loopback, and so the data, would be open to all of the node, "
            "and ports would collide; run the sidecar in a pod with a network of its own",
        )
    selector = mapping_at(spec, "nodeSelector", "spec")
    if mapping_at(spec, "os", "spec").get("name") == "windows" or selector.get("kubernetes.io/os") == "windows":
        raise NotInjected("windows", "the pod runs on Windows, and the sidecar runs on Linux only")


def _check_ports(spec: dict[str, Any], settings: SidecarSettings) -> None:
    if settings.port == settings.admin_port:
        raise NotInjected("port_taken", f"port and admin-port are both {settings.port}")
    if not settings.port and not settings.socket:
        raise NotInjected("annotation", "port is 0 and socket is false, so no client could connect; set one of them")
    if settings.env == ("unix" if not settings.socket else "tcp" if not settings.port else ""):
        raise NotInjected("annotation", f"env is {settings.env}, and the sidecar does not listen there")
    ours = {settings.port: "port", settings.admin_port: "admin-port"}
    for container in containers_of(spec):
        for port in objects_at(container, "ports", container["name"]):
            number = port.get("containerPort")
            option = ours.get(number) if isinstance(number, int) else None
            if option is not None and port.get("protocol", "TCP") == "TCP":
                raise NotInjected(
                    "port_taken",
                    f"container {container['name'][:63]} has port {number}, which the sidecar would take; "
                    f"set {BY_NAME[option].annotation} to another",
                )


def _check_names(spec: dict[str, Any], settings: SidecarSettings) -> None:
    volumes = {volume.get("name") for volume in objects_at(spec, "volumes", "spec") if _hashable(volume)}
    for volume in sidecar_volumes(settings):
        if volume["name"] in volumes:
            raise NotInjected("name_taken", f"the pod has a volume {volume['name']} of its own; rename it")
    if settings.state_volume is not None and settings.state_volume not in volumes:
        raise NotInjected(
            "state_volume",
            f"{BY_NAME['state-volume'].annotation} names {settings.state_volume}, which is no volume of the pod",
        )
    if not settings.socket:
        return
    for container in containers_of(spec):
        for mount in objects_at(container, "volumeMounts", container["name"]):
            path = mount.get("mountPath")
            if isinstance(path, str) and path.rstrip("/") == SOCKET_DIRECTORY:
                raise NotInjected(
                    "name_taken",
                    f"container {container['name'][:63]} mounts something at {SOCKET_DIRECTORY}; mount it elsewhere, "
                    f'or set {BY_NAME["socket"].annotation}: "false"',
                )


def _hashable(volume: dict[str, Any]) -> bool:
    return isinstance(volume.get("name"), str)
