"""The alert rules: promtool takes and tests them, they speak of metrics that exist, and each leads to its runbook."""

import os
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from helm.chart import CHART, REPOSITORY, one
from helm.promql import unknown_names

ALERTS = CHART / "files/alerts.yaml"
CASES = REPOSITORY / "tests/helm/alerts_test.yaml"


def rules() -> list[dict[str, Any]]:
    """Every rule of every group."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool; in CI it must be there."""
    program = shutil.which("promtool")
    if program is None:
        assert not os.environ.get("CI"), ".ci/run installs it"
        pytest.skip("needs promtool: apt-get install prometheus")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_prometheus_takes_the_rules():
    """`promtool check rules`: syntax of expressions and templates."""
    result = promtool("check", "rules", str(ALERTS))
    assert result.returncode == 0, result.stderr
    assert f"{len(rules())} rules found" in result.stdout


def test_each_alert_fires_when_it_should_and_only_then():
    """`promtool test rules` with made-up series."""
    result = promtool("test", "rules", str(CASES))
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_has_a_case_in_which_it_fires():
    """Or its test would pass without it."""
    cases = yaml.safe_load(CASES.read_text())["tests"]
    fired = {c["alertname"] for case in cases for c in case["alert_rule_test"] if c["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules()}


def test_alerts_speak_of_metrics_that_exist():
    """By the catalog that docs/metrics.md and /metrics are made from, labels too."""
    assert [(rule["alert"], name) for rule in rules() for name in unknown_names(rule["expr"])] == []


def anchors(markdown: str) -> set[str]:
    """What headings are called in links, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_each_alert_leads_to_its_runbook_entry():
    """And no entry is left of an alert that is gone."""
    page = (REPOSITORY / "docs/operations.md").read_text()
    for rule in rules():
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert path == "docs/operations.md"
        assert anchor == rule["alert"].lower()
        assert anchor in anchors(page), rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
    entries = set(re.findall(r"^### (FeatureSidecar\w+)$", page, re.MULTILINE))
    assert entries == {rule["alert"] for rule in rules()}


def test_the_chart_makes_a_rule_of_them_with_runbook_links():
    """Every group, with the base put before the path; without an injector its alerts would only cry (absent)."""
    values = {"alerts": {"enabled": True, "runbookBase": "https://example.com/blob/main/"}}
    groups = one("PrometheusRule", values)["spec"]["groups"]
    made = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert set(made) == {rule["alert"] for rule in rules()}
    for rule in rules():
        got = made[rule["alert"]]
        assert (got["expr"], got.get("for"), got["labels"]) == (rule["expr"], rule.get("for"), rule["labels"])
        assert got["annotations"]["summary"] == rule["annotations"]["summary"]
        url = got["annotations"]["runbook_url"]
        assert url == "https://example.com/blob/main/" + rule["annotations"]["runbook_url"]
    standalone = one("PrometheusRule", {**values, "injector": {"enabled": False}})["spec"]["groups"]
    assert [group["name"] for group in standalone] == [g["name"] for g in groups if "injector" not in g["name"]]
