"""The operator's settings of injection: a YAML file of options, and ``--set name=value`` over it."""

import os
from collections.abc import Iterable

import yaml

from sidecar.injector.settings import SettingsError, SidecarSettings


def read_settings(path: str | None, assignments: Iterable[str] = ()) -> SidecarSettings:
    """The settings of a file, overlaid by assignments.

    Args:
        path: YAML with one option a key; None: the defaults.
        assignments: ``name=value``.

    Raises:
        SettingsError: the file cannot be read, or something in it cannot be used.
    """
    texts: dict[str, object] = {}
    places: dict[str, str] = {}
    if path is not None:
        texts, places = _read(path)
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise SettingsError(f"--set: found {assignment!r}, expected name=value such as port=6380")
        texts[name], places[name] = value, f"--set {name}"
    return SidecarSettings.from_texts(texts, places)


def stamp(path: str) -> tuple[int, int, int] | None:
    """Tells whether a file changed; Kubernetes swaps a mounted ConfigMap by a symlink above it, which stat follows."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(path: str) -> tuple[dict[str, object], dict[str, str]]:
    try:
        with open(path, encoding="utf-8") as file:
            root = yaml.compose(file, Loader=yaml.SafeLoader)
    except OSError as exc:
        raise SettingsError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        raise SettingsError(f"{path}:{mark.line + 1 if mark else 1}: not YAML") from exc
    if root is None:
        return {}, {}
    if not isinstance(root, yaml.MappingNode):
        raise SettingsError(
            f"{path}:{root.start_mark.line + 1}: found a {root.id}, expected options such as port: 6379"
        )
    texts: dict[str, object] = {}
    places: dict[str, str] = {}
    for name_node, value in root.value:
        name, place = str(name_node.value), f"{path}:{name_node.start_mark.line + 1}"
        if not isinstance(value, yaml.ScalarNode):
            raise SettingsError(f"{place} {name}: found a {value.id}, expected one value")
        if value.tag.endswith(":null") or value.value == "":
            continue  # a chart's value that is not set
        texts[name] = value.value  # as it stands there: 0660 is a mode, not the number 432
        places[name] = f"{place} {name}"
    return texts, places
