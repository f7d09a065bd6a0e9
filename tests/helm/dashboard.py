"""The Grafana dashboard as data: its panels, and expressions as Prometheus takes them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PATH = Path(__file__).parents[2] / "helm/feature-sidecar/files/dashboard.json"


class Query(NamedTuple):
    """One expression of a panel and what its lines are called."""

    expression: str
    legend: str


def dashboard() -> dict[str, Any]:
    """The whole of it."""
    return dict(json.loads(PATH.read_text()))


def panels() -> list[dict[str, Any]]:
    """Panels that show something; rows only part them."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries(panel: dict[str, Any], interval: str = "5m") -> Iterator[Query]:
    """A panel's expressions with Grafana's variables filled in: everything, at an interval."""
    for target in panel["targets"]:
        yield Query(filled(target["expr"], interval), target["legendFormat"])


def filled(expression: str, interval: str = "5m") -> str:
    """An expression without Grafana's variables."""
    expression = expression.replace("$__rate_interval", interval)
    for variable in dashboard()["templating"]["list"]:
        expression = expression.replace(f"${variable['name']}", ".*")
    return expression
