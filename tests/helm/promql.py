"""Reads the names that a PromQL expression speaks of. No parser: promtool judges the syntax."""

import re

from sidecar.metrics import catalog

_PROCESS = {
    "process_start_time_seconds": set[str](),
    "process_resident_memory_bytes": set[str](),
    "process_cpu_seconds_total": set[str](),
}
# What Prometheus adds to a scraped series, and Grafana's or an alert's own words
_ADDED = {"namespace", "pod", "container", "job", "instance", "le"}
_SELECTOR = re.compile(r"\b([a-z][a-z0-9_]{4,})\s*(?:\{([^}]*)\})?(?=[\s\[){},]|$)")
_LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def known() -> dict[str, set[str]]:
    """Every series by name, with its labels."""
    series = dict(_PROCESS)
    for metric in (*catalog.CATALOG, *catalog.INJECTOR_CATALOG):
        endings = ("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
        series |= {metric.full_name + ending: set(metric.labels) for ending in endings}
    return series


def unknown_names(expression: str) -> list[str]:
    """Metrics and labels that no sidecar and no injector has."""
    series = known()
    wrong, labels = [], set(_ADDED)
    for name, matchers in _SELECTOR.findall(expression):
        if not name.startswith(("feature_sidecar_", "process_")):
            continue
        if name not in series:
            wrong.append(name)
            continue
        labels |= series[name]
        wrong += [f"{name}{{{label}}}" for label in _LABEL.findall(matchers) if label not in series[name] | _ADDED]
    for group in _GROUPING.findall(expression):
        wrong += [label for label in re.findall(r"[a-z_]+", group) if label not in labels]
    return wrong
