"""The standalone mode: a chart that includes our named templates makes the pod that injection would have made."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from helm.chart import REPOSITORY, STANDALONE, HelmRenderError, lint, objects, with_dependency
from kubernetes_schemas import schema_errors

from sidecar.injector.pod import inject
from sidecar.injector.settings import SidecarSettings

# What the example does not set is absent here too, so each case is all that is set.
CASES: dict[str, dict[str, str]] = {
    "defaults": {},
    "of the example": yaml.safe_load((STANDALONE / "values.yaml").read_text())["sidecarSettings"],
    "plain": {"native": "false"},
    "plain, slow": {"native": "false", "prestop-sleep": "1m", "admin-port": "9000"},
    "plain, no sleep": {"native": "false", "prestop-sleep": "0s"},
    "no socket": {"socket": "false", "port": "7000", "env": "tcp"},
    "socket only": {"port": "0", "env": "unix", "socket-mode": "0600"},
    "memory": {"max-memory": "1GiB", "origin": "memory://"},
    "own resources": {
        "memory-request": "1Gi",
        "memory-limit": "2Gi",
        "cpu-request": "250m",
        "cpu-limit": "1",
    },
    "state": {"snapshot": "true", "state-volume": "data", "origin": "couchbase://db/features"},
    "everything of serve": {
        "max-clients": "100",
        "max-client-memory": "32MiB",
        "client-output-limit": "2MiB",
        "idle-timeout": "60s",
        "log-level": "debug",
        "log-format": "console",
        "policy": "features",
        "policy-key": "other.yaml",
        "origin": "couchbase://db/features?x=$(HOME)",
    },
    "client certificate": {
        "origin": "couchbases://db/features",
        "origin-certificate": "couchbase-client",
        "origin-ca": "authorities",
    },
    "uid of the platform": {"run-as-user": "image", "run-as-group": "image"},
}


@pytest.fixture(scope="module")
def chart(tmp_path_factory) -> Path:
    """The example, with our chart among its dependencies."""
    return with_dependency(tmp_path_factory.mktemp("standalone"))


def rendered_pod(chart: Path, settings: dict[str, str]) -> dict[str, Any]:
    """The pod's template of the example's Deployment. The example's own settings are taken away by null."""
    example = yaml.safe_load((STANDALONE / "values.yaml").read_text())["sidecarSettings"]
    values = {"sidecarSettings": {**dict.fromkeys(example), **settings}}
    (deployment,) = [item for item in objects(values, chart) if item["kind"] == "Deployment"]
    return dict(deployment["spec"]["template"])


def injected_pod(settings: dict[str, str]) -> dict[str, Any]:
    """The same by the injector's function."""
    container = {"name": "ranker", "image": "registry.example/ranker:1.0"}
    volumes = [{"name": settings["state-volume"], "emptyDir": {}}] if "state-volume" in settings else []
    pod = {"metadata": {"labels": {"app": "fs"}}, "spec": {"containers": [container], "volumes": volumes}}
    texts = {"image": "feature-sidecar:0.1.0", **settings}
    return inject(pod, SidecarSettings.from_texts(texts)).pod


def without_empty(value: Any) -> Any:
    """Lists and maps without what is empty: a template's empty list is null."""
    if isinstance(value, dict):
        return {name: kept for name, item in value.items() if (kept := without_empty(item)) not in (None, [], {})}
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    return value


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES.keys())
def test_the_template_makes_what_the_injector_makes(chart, settings):
    """One sidecar, two ways: they must not drift apart. Volumes of the pod itself are the chart's own business."""
    rendered, injected = rendered_pod(chart, settings)["spec"], injected_pod(settings)["spec"]
    injected["volumes"] = [v for v in injected.get("volumes", []) if v["name"] != settings.get("state-volume")]
    assert without_empty(rendered) == without_empty(injected)


def test_the_example_is_valid(chart):
    """The Deployment by the API's schema, strictly; lint has no warning."""
    for item in objects({}, chart):
        assert schema_errors(item) == []
    assert [message for message in lint(chart) if message["severity"] > 1] == []


def test_only_the_policy_comes_from_our_chart(chart):
    """Nothing of the injector runs in the standalone mode."""
    kinds = sorted((item["kind"], item["metadata"]["name"]) for item in objects({}, chart))
    assert kinds == [("ConfigMap", "ranker-features"), ("Deployment", "fs")]


def test_an_included_sidecar_is_not_injected_a_second_time(chart):
    """The labels opt out of the webhook and make the PodMonitor find the pod."""
    labels = rendered_pod(chart, {})["metadata"]["labels"]
    assert labels["feature-sidecar.io/inject"] == "false"
    assert labels["feature-sidecar.io/injected"] == "true"


@pytest.mark.parametrize(("name", "text"), [("max-memory", "1.5GiB"), ("prestop-sleep", "1500ms")])
def test_what_a_template_cannot_compute_fails_with_words(chart, name, text):
    """Arithmetic in templates is for whole numbers; the message names the setting and what it found."""
    with pytest.raises(HelmRenderError, match=f"{name}: found .*{text}"):
        rendered_pod(chart, {name: text, "native": "false"})


def test_an_fs_group_closes_the_socket_to_others(tmp_path):
    """`hasFsGroup` in the dict: 0660 like the injector's choice where the pod has one."""
    copy = with_dependency(tmp_path)
    template = copy / "templates/deployment.yaml"
    template.write_text(template.read_text().replace('"settings"', '"hasFsGroup" true "settings"'))
    arguments = rendered_pod(copy, {})["spec"]["initContainers"][0]["args"]
    assert arguments[arguments.index("--unix-socket-mode") + 1] == "0660"


def test_the_example_of_the_comment_is_that_of_the_example_chart():
    """`_sidecar.tpl` shows the names of templates; they exist and the example uses each."""
    comment = (REPOSITORY / "helm/feature-sidecar/templates/_sidecar.tpl").read_text().partition("*/")[0]
    shown = {word.split('"')[1] for word in comment.split("include ")[1:] if word.startswith('"')}
    used = (STANDALONE / "templates/deployment.yaml").read_text()
    assert len(shown) == 6
    assert all(f'include "{name}" $sidecar' in used for name in shown)
