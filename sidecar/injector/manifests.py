"""``feature-sidecar inject``: adds the sidecar to manifests. What is not a pod or makes none is left as it stands."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from sidecar.injector.annotations import INJECT
from sidecar.injector.errors import NotInjected
from sidecar.injector.json_patch import json_patch, pointer_token
from sidecar.injector.manifest_text import CannotEdit, add_to_text
from sidecar.injector.pod import inject, is_injected, wants_injection
from sidecar.injector.pod_view import mapping_at
from sidecar.injector.settings import SidecarSettings

_TEMPLATE = ("spec", "template")
POD_OF: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}


class ManifestError(Exception):
    """The manifests cannot be injected. One problem a line: file, document, object, what was found."""


class Result(NamedTuple):
    """What became of a file.

    Attributes:
        text: the manifests to apply.
        notes: one line an object that makes pods: what was done, and what its author should know.
        injected: how many got the sidecar.
    """

    text: str
    notes: list[str]
    injected: int


def inject_manifests(text: str, settings: SidecarSettings, *, file: str, force: bool = False) -> Result:
    """Add the sidecar to every pod of a file that asks for it.

    Args:
        text: YAML or JSON, any number of documents.
        settings: the operator's.
        file: its name, for messages.
        force: also where no annotation asks; one that says false is honoured still.

    Raises:
        ManifestError: with every problem found. Here an annotation that cannot be followed is one: its author is there
            to mend it.
    """
    pieces, notes, problems, injected = [], [], [], 0
    for number, piece in enumerate(_documents(text, file), 1):
        work = _Document(piece, settings, f"{file} document {number}", force)
        pieces.append(work.injected())
        notes += work.notes
        problems += work.problems
        injected += work.count
    if problems:
        raise ManifestError("\n".join(problems))
    return Result("".join(pieces), notes, injected)


class _Document:
    """One document of a file."""

    def __init__(self, text: str, settings: SidecarSettings, place: str, force: bool) -> None:
        self._text = text
        self._settings = settings
        self._place = place
        self._force = force
        self.notes: list[str] = []
        self.problems: list[str] = []
        self.count = 0

    def injected(self) -> str:
        """The document's text with the sidecar where it is asked for."""
        try:
            loaded = yaml.load(self._text, Loader=_Loader)
        except yaml.YAMLError as exc:
            self.problems.append(f"{self._place}: {_first_line(exc)}")
            return self._text
        operations = []
        for item, path in _objects(loaded):
            operations += self._inject_object(item, path)
        return self._applied(loaded, operations) if operations else self._text

    def _inject_object(self, item: dict[str, Any], path: str) -> list[dict[str, Any]]:
        """The patch of one object; it is applied to ``item`` already."""
        steps = POD_OF.get(_kind_of(item))
        if steps is None:
            return []
        try:
            name = str(mapping_at(item, "metadata").get("name") or "unnamed")
            place = f"{self._place} ({item['kind']} {name})"
            holder, last, pod = _pod_at(item, steps)
            if is_injected(pod):
                self.notes.append(f"{place}: has the sidecar already")
                return []
            if not wants_injection(pod, by_default=self._force):
                self.notes.append(f"{place}: left as it is, {_why_not(item, steps)}")
                return []
            injection = inject(pod, self._settings)
        except NotInjected as exc:
            self.problems.append(f"{self._place} ({item.get('kind')}): {exc}")
            return []
        self.problems += [f"{place}: {problem.text}" for problem in injection.problems]
        self.notes.append(f"{place}: injected, {'native' if injection.native else 'plain'}")
        self.notes += [f"{place}: {warning}" for warning in injection.warnings]
        self.count += 1
        prefix = path + "".join(f"/{pointer_token(step)}" for step in steps)
        operations = json_patch(pod, injection.pod)
        if holder is None:
            item.update(injection.pod)
        else:
            holder[last] = injection.pod
        return [{**operation, "path": prefix + operation["path"]} for operation in operations]

    def _applied(self, wanted: Any, operations: list[dict[str, Any]]) -> str:
        try:
            edited = add_to_text(self._text, operations)
            if yaml.load(edited, Loader=_Loader) == wanted:
                return edited
        except (CannotEdit, yaml.YAMLError):
            pass
        self.notes.append(f"{self._place}: written anew, without its comments")
        start = "---\n" if self._text.lstrip("\ufeff \r\n").startswith("---") else ""
        return start + yaml.dump(wanted, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _documents(text: str, file: str) -> Iterator[str]:
    """The text of each document; together they are the whole text."""
    starts: list[int] = []
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.DocumentStartEvent):
                starts.append(event.start_mark.index if starts else 0)
    except yaml.YAMLError as exc:
        raise ManifestError(f"{file}: {_first_line(exc)}") from exc
    if not starts:
        yield text
    for start, end in zip(starts, [*starts[1:], len(text)], strict=False):
        yield text[start:end]


def _objects(loaded: Any, path: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of a document, those in lists too, with their JSON pointers."""
    if not isinstance(loaded, dict):
        return
    items = loaded.get("items")
    if str(loaded.get("kind", "")).endswith("List") and isinstance(items, list):
        for number, item in enumerate(items):
            yield from _objects(item, f"{path}/items/{number}")
    else:
        yield loaded, path


def _kind_of(item: dict[str, Any]) -> tuple[str, str]:
    group, _, version = str(item.get("apiVersion", "")).rpartition("/")
    return (group if version else "?", str(item.get("kind", "")))


def _pod_at(item: dict[str, Any], steps: tuple[str, ...]) -> tuple[dict[str, Any] | None, str, dict[str, Any]]:
    """What holds the pod, by which member, and the pod."""
    if not steps:
        return None, "", item
    holder, path = item, ""
    for step in steps[:-1]:
        path = f"{path}.{step}".lstrip(".")
        holder = mapping_at(holder, step)
    pod = mapping_at(holder, steps[-1], path)
    if not pod:
        raise NotInjected("malformed_pod", f"{'.'.join(steps)}: found none")
    return holder, steps[-1], pod


def _why_not(item: dict[str, Any], steps: tuple[str, ...]) -> str:
    """In words, with the mistake that is made most often."""
    outer = mapping_at(mapping_at(item, "metadata"), "annotations")
    if steps and INJECT in outer:
        return f"{INJECT} belongs to {'.'.join(steps)}.metadata.annotations, not to the object's own metadata"
    return f'no {INJECT}: "true" (--force injects it too)'


def _first_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return f"{where}not YAML: {getattr(error, 'problem', None) or str(error).splitlines()[0]}"


class _Loader(yaml.SafeLoader):
    """Reads as kubectl does where PyYAML would not: no dates, ``=`` is a text (CRDs have it), no key twice."""


_FOREIGN = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _FOREIGN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    mapping: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in mapping:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


class _Dumper(yaml.SafeDumper):
    """Writes each value out, where it stands: Kubernetes users rarely expect anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors."""
        return True
