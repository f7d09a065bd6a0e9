"""Reading a pod that may be anything: what is absent or null is empty, what has another type is refused."""

from typing import Any

from sidecar.injector.errors import NotInjected

_SHOWN = 60
MOST_CONTAINERS = 1000  # no node runs so many; a hundred thousand would keep the webhook busy for a second


def mapping_at(parent: dict[str, Any], name: str, path: str = "") -> dict[str, Any]:
    """A member that is an object.

    Raises:
        NotInjected: it is something else.
    """
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotInjected("malformed_pod", f"{_place(path, name)}: found {_kind(value)}, expected an object")
    return value


def objects_at(parent: dict[str, Any], name: str, path: str = "") -> list[dict[str, Any]]:
    """A member that is a list of objects.

    Raises:
        NotInjected: it is something else.
    """
    value = parent.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise NotInjected("malformed_pod", f"{_place(path, name)}: found {_kind(value)}, expected a list of objects")
    return value


def containers_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The application's and others' containers, init containers first.

    Raises:
        NotInjected: the lists are malformed, or there is no container.
    """
    containers = objects_at(spec, "containers", "spec")
    if not containers:
        raise NotInjected("malformed_pod", "spec.containers: found none, expected at least one")
    both = [*objects_at(spec, "initContainers", "spec"), *containers]
    if len(both) > MOST_CONTAINERS:
        raise NotInjected("malformed_pod", f"spec.containers: found {len(both)}, expected at most {MOST_CONTAINERS}")
    for container in both:
        if not isinstance(container.get("name"), str):
            raise NotInjected("malformed_pod", "spec.containers: found one without a name")
    return both


def _place(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _kind(value: object) -> str:
    return f"a {type(value).__name__} ({repr(value)[:_SHOWN]})"
