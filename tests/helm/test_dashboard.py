"""The Grafana dashboard: a valid layout whose every expression Prometheus takes and of which every name exists."""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml
from helm.chart import one
from helm.dashboard import PATH, dashboard, filled, panels, queries
from helm.promql import unknown_names

UNITS = {"percentunit", "s", "ops", "short", "bytes", "none"}
QUESTIONS = ["At a glance", "Is it fresh?", "Is it fast?", "Is the origin safe?"]


def test_it_answers_the_three_questions_first():
    """In this order, below a glance."""
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert rows[:4] == QUESTIONS


def test_panels_do_not_overlap_and_fill_their_rows():
    """24 columns; Grafana would push overlapping panels down and tear the layout."""
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} over {taken.get((x, y))}"
                taken[x, y] = panel["title"]
    height = 1 + max(y for _, y in taken)
    assert len(taken) == 24 * height


def test_each_panel_says_what_it_shows():
    """A title of its own, a description, a unit that Grafana has, a data source that can be chosen."""
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)
    assert len({panel["title"] for panel in panels()}) == len(panels()) >= 25
    for panel in panels():
        assert len(panel["description"]) > 15, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == ["A", "B", "C", "D"][: len(letters)]


def test_names_exist():
    """Of metrics and labels, in panels, annotations, variables and legends."""
    expressions = [query for panel in panels() for query in queries(panel)]
    assert [(query, name) for query in expressions for name in unknown_names(query.expression)] == []
    for query in expressions:
        for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
            assert re.search(rf"\b(by|on) \([^)]*\b{label}\b", query.expression) or label == "pod", query
    for annotation in dashboard()["annotations"]["list"]:
        assert unknown_names(filled(annotation["expr"])) == []
    for variable in dashboard()["templating"]["list"][1:]:
        assert unknown_names(variable["definition"].removeprefix("label_values(").partition(",")[0]) == []


def test_sidecars_are_chosen_by_variables():
    """Every panel of sidecars follows the choice of namespace and pod; the injector's do not."""
    for panel in panels():
        for target in panel["targets"]:
            selectors = re.findall(r"feature_sidecar_\w+\{([^}]*)\}", target["expr"])
            is_injector = "feature_sidecar_injector" in target["expr"]
            assert bool(selectors) != is_injector, panel["title"]
            assert all('namespace=~"$namespace"' in s and 'pod=~"$pod"' in s for s in selectors), panel["title"]


def test_prometheus_takes_every_expression(tmp_path):
    """promtool has no check of single expressions, so each is made a rule."""
    program = shutil.which("promtool")
    if program is None:
        assert not os.environ.get("CI"), ".ci/run installs it"
        pytest.skip("needs promtool: apt-get install prometheus")
    expressions = [query.expression for panel in panels() for query in queries(panel)]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    result = subprocess.run([program, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"{len(rules)} rules found" in result.stdout


def test_grafanas_sidecar_finds_it():
    """By the label of its ConfigMap; the text is the file's, braces and all."""
    config_map = one("ConfigMap", {}, "-dashboard")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config_map["data"]["feature-sidecar.json"]) == json.loads(PATH.read_text())
