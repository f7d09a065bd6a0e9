"""The chart's values: each is described and checked, and what is unknown is refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from helm.chart import CHART, REPOSITORY, HelmValuesError, defaults, one, render

from sidecar.injector.annotations import OPTIONS
from sidecar.injector.operator_file import read_settings

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
HELMS_OWN = "global"  # Helm puts it there where this chart is part of another


def paths(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every mapping, the root's too."""
    yield above
    for name, value in values.items():
        if isinstance(value, dict):
            yield from paths(value, (*above, name))


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A value at a path."""
    for name in reversed(path):
        value = {name: value}
    return dict(value)


OPEN = {
    ("injector", "nodeSelector"),
    ("injector", "podLabels"),
    ("injector", "podAnnotations"),
    ("injector", "serviceAccount", "annotations"),
    ("injector", "resources", "requests"),
    ("injector", "resources", "limits"),
    ("podMonitor", "labels"),
    ("alerts", "labels"),
    ("dashboard", "labels"),
    ("dashboard", "annotations"),
}


@pytest.mark.parametrize("path", sorted(set(paths(defaults())) - OPEN), ids=".".join)
def test_an_unknown_value_is_refused_everywhere(path):
    """A typing error must not be silence; the message says where."""
    with pytest.raises(HelmValuesError, match="misspelt"):
        render(nested((*path, "misspelt"), "x"))


@pytest.mark.parametrize("path", sorted(OPEN), ids=".".join)
def test_labels_and_the_like_hold_texts_only(path):
    """They are open by nature; a mapping in them is refused all the same."""
    with pytest.raises(HelmValuesError):
        render(nested((*path, "name"), {"deep": "er"}))


WRONG = [
    ("injector.replicas", 0),
    ("injector.replicas", "2"),
    ("injector.logLevel", "verbose"),
    ("injector.enabled", "false"),
    ("injector.resources.requests", {"cpu": "lots"}),
    ("injector.networkPolicy.apiServerPorts", []),
    ("webhook.failurePolicy", "ignore"),
    ("webhook.onFailure", "crash"),
    ("webhook.timeoutSeconds", 3),
    ("webhook.certificates.mode", "genCA"),
    ("webhook.excludedNamespaces", ["Not_A_Name"]),
    ("image.digest", "sha256:short"),
    ("image.pullPolicy", "Sometimes"),
    ("sidecar.policy", ["a"]),
    ("sidecar.image", "other"),
    ("sidecar.socket-mode", 660),
    ("policies", [{"name": "x"}]),
    ("policies", [{"name": "x", "policy": "version: 1", "key": "y"}]),
    ("podMonitor.interval", "15"),
    ("fullnameOverride", "Upper"),
]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=[f"{path}={value}" for path, value in WRONG])
def test_a_wrong_value_is_refused(path, value):
    """By its type or its closed set, before anything reaches the cluster."""
    with pytest.raises(HelmValuesError, match=path.split(".")[-1]):
        render(nested(tuple(path.split(".")), value))


def objects_of(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of an object, with its path."""
    if schema.get("type") == "object":
        yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from objects_of(child, f"{path}.{name}")
    if "items" in schema:
        yield from objects_of(schema["items"], f"{path}[]")


def test_the_schema_is_closed_but_where_kubernetes_or_helm_checks():
    """Objects take no unknown member; those that are open are typed maps, three parts of a pod, and Helm's own."""
    kubernetes = {
        ".injector.affinity.nodeAffinity",
        ".injector.affinity.podAffinity",
        ".injector.affinity.podAntiAffinity",
    }
    open_objects = {path for path, schema in objects_of(SCHEMA) if "additionalProperties" not in schema}
    assert open_objects == {*kubernetes, f".{HELMS_OWN}"}
    maps = {path for path, schema in objects_of(SCHEMA) if schema.get("additionalProperties") not in (None, False)}
    assert maps == {"." + ".".join(path) for path in OPEN}


def test_schema_and_values_name_the_same():
    """Every value has its line in values.yaml, where README.md takes it from, and its schema."""
    for path, schema in objects_of(SCHEMA):
        if path.count("[]") or schema.get("additionalProperties") is not False:
            continue
        value: Any = defaults()
        for name in filter(None, path.split(".")):
            value = value[name]
        if path in (".sidecar", ".injector.affinity", ".webhook.certificates.certManager.issuerRef"):
            assert value == {}, path  # all optional
            continue
        assert set(schema["properties"]) - {HELMS_OWN} == set(value), path


def test_sidecar_settings_are_those_of_the_annotations():
    """One table: what the injector knows, the chart takes. The image is set for injector and sidecar together."""
    options = {option.name for option in OPTIONS} - {"image", "image-pull-policy"}
    assert set(SCHEMA["properties"]["sidecar"]["properties"]) == options


def test_the_injector_reads_what_the_chart_wrote(tmp_path):
    """Numbers, booleans and modes reach the injector as they were meant, big ones too."""
    values = {
        "image": {"repository": "r.example/fs", "tag": "7", "pullPolicy": "Always"},
        "sidecar": {
            "max-clients": 1000000,
            "run-as-user": 1000680000,
            "cpu-request": 0.5,
            "port": 6380,
            "socket": False,
            "native": True,
            "socket-mode": "0660",
            "max-memory": "1GiB",
            "origin": "couchbase://db/features?network=external",
        },
    }
    file = tmp_path / "sidecar.yaml"
    file.write_text(one("ConfigMap", values, "-injector")["data"]["sidecar.yaml"])
    settings = read_settings(str(file))
    assert (settings.image, settings.image_pull_policy) == ("r.example/fs:7", "Always")
    assert (settings.max_clients, settings.run_as_user, str(settings.cpu_request)) == ("1000000", 1000680000, "0.5")
    assert (settings.port, settings.socket, settings.native, settings.socket_mode) == (6380, False, True, "0660")
    assert settings.max_memory == 1 << 30
    assert settings.origin == "couchbase://db/features?network=external"


def test_readme_is_fresh():
    """Made from values.yaml by helm/chart_readme.py (make docs)."""
    namespace: dict[str, Any] = {"__name__": "chart_readme", "__file__": str(REPOSITORY / "helm/chart_readme.py")}
    exec(compile((REPOSITORY / "helm/chart_readme.py").read_text(), "chart_readme.py", "exec"), namespace)
    assert (CHART / "README.md").read_text() == namespace["readme"]()


def test_the_chart_is_of_the_same_version_as_the_package():
    """The default image tag is appVersion: it must be an image that `make image` makes."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    package = (REPOSITORY / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in package
    assert f"ARG VERSION={chart['appVersion']}" in (REPOSITORY / "Dockerfile").read_text()
