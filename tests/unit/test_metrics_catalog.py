"""The table of metrics: names by the rules of Prometheus, and pages made from it that are not stale."""

from pathlib import Path

import pytest

from sidecar.metrics import catalog
from sidecar.metrics.catalog import CATALOG, Metric

PAGE = Path(__file__).parents[2] / "docs/metrics.md"


@pytest.mark.parametrize("metric", CATALOG, ids=lambda metric: metric.name)
def test_names_follow_prometheus(metric: Metric):
    """_total on counters and on nothing else, no _count or _bucket of one's own, base units, a help text."""
    assert metric.name.endswith("_total") is (metric.kind == "counter")
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_ms", "_milliseconds", "_kb", "_mb"))
    assert metric.full_name.startswith("feature_sidecar_")
    assert metric.help.endswith(".") or metric.help.endswith(".)") or metric.help.endswith("it runs on.")
    assert metric.kind in ("counter", "gauge", "histogram")


def test_no_label_can_hold_a_key_or_a_client():
    """Labels come from closed sets; these are all there are."""
    labels = {label for metric in CATALOG for label in metric.labels}
    assert labels == {"view", "outcome", "family", "origin", "operation", "reason", "set", "version", "python"} | {
        "answer",
        "priority",
        "state",
        "why",
    }


def test_the_names_of_the_design_are_there():
    """Dashboards are built on these."""
    assert {
        "lookups_total",
        "commands_total",
        "command_duration_seconds",
        "origin_requests_total",
        "origin_batches_total",
        "fills_dropped_total",
        "prefetch_documents_total",
        "origin_request_duration_seconds",
        "served_age_seconds",
        "memory_used_bytes",
        "memory_limit_bytes",
        "entries",
        "rows",
        "evictions_total",
        "connections",
        "policy_generation",
        "policy_reload_failures_total",
        "build_info",
    } <= catalog.BY_NAME.keys()


def test_the_page_is_made_from_the_table():
    """`make docs` writes it; this fails when the catalog changed and the page did not."""
    assert PAGE.read_text() == catalog.as_markdown()
