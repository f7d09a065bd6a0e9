"""Renders charts with the real Helm engine and reads what comes out."""

import functools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

try:
    import helm_python
except ImportError:  # no wheel for this machine
    if os.environ.get("CI"):
        raise
    pytest.skip("needs the Helm engine: pip install 'feature-sidecar[test-helm]'", allow_module_level=True)

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "helm/feature-sidecar"
STANDALONE = REPOSITORY / "examples/helm-standalone"
RELEASE, NAMESPACE = "fs", "platform"

HelmValuesError = helm_python.HelmValuesError
HelmRenderError = helm_python.HelmRenderError


def render(values: dict[str, Any] | None = None, chart: Path = CHART, name: str = RELEASE) -> dict[str, str]:
    """Path of a template -> what it makes.

    Raises:
        HelmValuesError: the schema refuses the values.
        HelmRenderError: a template fails.
    """
    with helm_python.Chart.load(str(chart)) as loaded:
        texts = loaded.render(values or {}, name=name, namespace=NAMESPACE, is_upgrade=False)
    return dict(texts)


def objects(values: dict[str, Any] | None = None, chart: Path = CHART, name: str = RELEASE) -> list[dict[str, Any]]:
    """Every Kubernetes object that comes out."""
    texts = [text for path, text in sorted(render(values, chart, name).items()) if not path.endswith("NOTES.txt")]
    return [item for text in texts for item in yaml.safe_load_all(text) if item]


def one(kind: str, values: dict[str, Any] | None = None, ending: str = "") -> dict[str, Any]:
    """The only object of a kind whose name ends so."""
    found = [item for item in objects(values) if item["kind"] == kind and item["metadata"]["name"].endswith(ending)]
    assert len(found) == 1, f"{len(found)} of {kind} ...{ending}"
    return found[0]


def lint(chart: Path = CHART, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """What `helm lint --strict` says: dicts with severity (1 info, 2 warning, 3 error), path and error."""
    return list(helm_python.lint(str(chart), values or {}, strict=True)["messages"])


@functools.cache
def defaults() -> dict[str, Any]:
    """values.yaml."""
    return dict(yaml.safe_load((CHART / "values.yaml").read_text()))


def with_dependency(folder: Path, chart: Path = STANDALONE) -> Path:
    """A copy of a chart with ours among its dependencies, as `helm dependency update` would leave it."""
    copy = folder / chart.name
    shutil.copytree(chart, copy)
    shutil.copytree(CHART, copy / "charts/feature-sidecar")
    return copy
