"""`feature-sidecar inject`: which objects are injected, what stays as it stands, and what is told."""

import itertools
import json
from copy import deepcopy
from typing import Any

import pytest
import yaml
from kubernetes_schemas import schema_errors
from pod_rules import api_errors

from sidecar.injector.container import CONTAINER
from sidecar.injector.manifests import POD_OF, ManifestError, inject_manifests
from sidecar.injector.settings import SidecarSettings

SETTINGS = SidecarSettings.from_texts({"image": "fs:1"})
ANNOTATIONS = {"annotations": {"feature-sidecar.io/inject": "true"}}
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: s}   # kept\nspec: {ports: [{port: 0x50}]}\n"


def run(text: str, **options: Any) -> str:
    """The text after injection."""
    return inject_manifests(text, SETTINGS, file="f.yaml", **options).text


def manifest(kind: str, metadata: dict[str, Any] = ANNOTATIONS) -> dict[str, Any]:
    """A valid object of a kind, whose pod has this metadata."""
    metadata = deepcopy(metadata)
    group = next(group for group, name in POD_OF if name == kind)
    version = f"{group}/v1" if group else "v1"
    labels = {"labels": {"app": "a"}}
    spec: dict[str, Any] = {"containers": [{"name": "model", "image": "m:1"}]}
    if kind in ("Job", "CronJob"):
        spec["restartPolicy"] = "Never"
    pod: dict[str, Any] = {"metadata": {**labels, **metadata}, "spec": spec}
    base: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": {"name": "ranker"}}
    if kind == "Pod":
        return {**base, "metadata": {"name": "ranker", **metadata}, "spec": spec}
    if kind == "PodTemplate":
        return {**base, "template": pod}
    if kind == "CronJob":
        return {**base, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": pod}}}}
    whole: dict[str, Any] = {"template": pod}
    if kind != "Job":
        whole["selector"] = {"app": "a"} if kind == "ReplicationController" else {"matchLabels": {"app": "a"}}
    if kind == "StatefulSet":
        whole["serviceName"] = "ranker"
    return {**base, "spec": whole}


def pod_in(item: dict[str, Any]) -> dict[str, Any]:
    """The pod of an object."""
    for step in POD_OF[item["apiVersion"].rpartition("/")[0], item["kind"]]:
        item = item[step]
    return item


@pytest.mark.parametrize("kind", [kind for _, kind in POD_OF])
@pytest.mark.parametrize("flow", [True, False, None], ids=["JSON-like", "block", "mixed"])
def test_every_kind_that_makes_pods(kind: str, flow: bool | None):
    """In its pod template, valid by the schemas after it, and in every style of YAML."""
    before = manifest(kind)
    assert schema_errors(before) == []
    after = yaml.safe_load(run(yaml.safe_dump(before, default_flow_style=flow)))
    assert schema_errors(after) == []
    pod = pod_in(after)
    assert api_errors(pod) == []
    assert pod["spec"]["initContainers"][0]["name"] == CONTAINER


@pytest.mark.parametrize("kind", [kind for _, kind in POD_OF])
def test_who_does_not_ask_is_left_to_the_letter(kind: str):
    """As by the webhook; --force injects it; one that says false is left even so."""
    text = yaml.safe_dump(manifest(kind, {"annotations": {"a": "b"}}))
    assert run(text) == text
    assert CONTAINER in run(text, force=True)
    off = yaml.safe_dump(manifest(kind, {"annotations": {"feature-sidecar.io/inject": "false"}}))
    assert run(off, force=True) == off


def test_an_annotation_in_the_wrong_place_is_told():
    """On the Deployment itself it does nothing, a mistake that is made often."""
    item = manifest("Deployment", {})
    item["metadata"].update(ANNOTATIONS)
    (note,) = inject_manifests(yaml.safe_dump(item), SETTINGS, file="f.yaml").notes
    assert "belongs to spec.template.metadata.annotations" in note


def test_other_documents_pass_byte_for_byte():
    """Their comments, styles, numbers and separators; and the order of all."""
    text = f"# first\n---\n{SERVICE}\n# between\n---\n{yaml.safe_dump(manifest('Pod'))}---\n# last\n{SERVICE}...\n"
    after = run(text)
    assert after.startswith(f"# first\n---\n{SERVICE}\n# between\n---\n")
    assert after.endswith(f"---\n# last\n{SERVICE}...\n")
    assert [item["kind"] for item in yaml.safe_load_all(after) if item] == ["Service", "Pod", "Service"]


COMMENTED = """\
apiVersion: apps/v1   # the group
kind: Deployment
metadata: {name: ranker}
spec:
  # why so many
  replicas: 3
  selector: {matchLabels: {app: a}}
  template:
    metadata:
      labels: {app: a}  # flow
      annotations:
        # switched on
        feature-sidecar.io/inject: "true"
        feature-sidecar.io/env: tcp
    spec:
      initContainers:
        # gets the model
        - {name: fetch, image: 'fetch:1'}
      containers:
        - image: "model:1"  # quoted
          name: model
          args: [
            --a,   # first
            "b",
          ]
          env:
          # own
          - name: TEXT
            value: |
              one
              # not a comment

              two

          - {name: LAST, value: "on"}
        - name: second
          image: x
      # after containers
      volumes: [{name: v, emptyDir: {}}]
      dnsPolicy: >-
        ClusterFirst
  # the end
"""


def test_comments_order_and_style_stay_in_injected_documents():
    """Every line that was there is there still, in its order; only lines are added, or words to a flow collection."""
    result = inject_manifests(COMMENTED, SETTINGS, file="f.yaml")
    assert not [note for note in result.notes if "anew" in note]
    after = iter(result.text.splitlines())
    for line in COMMENTED.splitlines():
        if line.strip() not in ("labels: {app: a}  # flow", "volumes: [{name: v, emptyDir: {}}]"):
            assert line in after, line
    pod = pod_in(yaml.safe_load(result.text))
    assert [container["name"] for container in pod["spec"]["initContainers"]] == [CONTAINER, "fetch"]
    assert pod["metadata"]["labels"] == {"app": "a", "feature-sidecar.io/injected": "true"}
    model, second = pod["spec"]["containers"]
    assert [variable["name"] for variable in model["env"]] == ["REDIS_URL", "FEATURE_SIDECAR_ADDR", "TEXT", "LAST"]
    assert model["env"][2]["value"] == "one\n# not a comment\n\ntwo\n"
    assert [variable["name"] for variable in second["env"]] == ["REDIS_URL", "FEATURE_SIDECAR_ADDR"]


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", ["", "\n", "\n\n", "\n# end", "\n...\n"])
def test_the_end_of_a_file_and_its_line_breaks_stay(line_break: str, tail: str):
    """A file of Windows, and one without a last line break."""
    text = (yaml.safe_dump(manifest("Pod")).rstrip() + tail).replace("\n", line_break)
    after = run(text)
    assert CONTAINER in after
    assert (line_break == "\r\n") is ("\r\n" in after)
    assert after.count("\n") == after.count(line_break)
    assert after.endswith(tail.replace("\n", line_break) if tail.strip() else line_break)


def test_json_stays_json():
    """kubectl takes both, and so do we."""
    for indent in (None, 2):
        after = json.loads(run(json.dumps(manifest("Deployment"), indent=indent)))
        assert pod_in(after)["spec"]["initContainers"][0]["name"] == CONTAINER


def test_anchors_are_written_anew_where_they_cannot_stay():
    """A change through an alias would change another place too; the note says that comments are lost."""
    text = f"x: &m {{annotations: {{feature-sidecar.io/inject: 'true'}}}}\n{yaml.safe_dump(manifest('Pod', {}))}"
    text = text.replace("metadata:\n  name: ranker\n", "metadata: *m\n")
    result = inject_manifests(text, SETTINGS, file="f.yaml")
    item = yaml.safe_load(result.text)
    assert item["x"] == {"annotations": {"feature-sidecar.io/inject": "true"}}
    assert item["spec"]["initContainers"][0]["name"] == CONTAINER
    assert any("written anew" in note for note in result.notes)


def test_what_other_documents_hold_is_no_problem():
    """Enumerations of CRDs have the plain text =, which YAML 1.1 gave a meaning of its own."""
    crd = "kind: CustomResourceDefinition\nenum:\n- '!='\n- =\nwhen: 2024-01-01\n"
    after = run(f"{crd}---\n{yaml.safe_dump(manifest('Pod'))}")
    assert after.startswith(crd) and CONTAINER in after


def test_lists_are_gone_through():
    """kind: List, as `kubectl get -o yaml` prints it, and DeploymentList."""
    for kind in ("List", "PodList"):
        items = [manifest("Pod"), yaml.safe_load(SERVICE), manifest("Deployment"), manifest("Job", {})]
        after = yaml.safe_load(run(yaml.safe_dump({"apiVersion": "v1", "kind": kind, "items": items})))
        assert CONTAINER in str(after["items"][0]) and CONTAINER in str(after["items"][2])
        assert after["items"][1] == items[1] and after["items"][3] == items[3]


def test_items_of_what_is_no_list_are_left():
    """A custom resource may call anything items."""
    text = yaml.safe_dump({"apiVersion": "example.com/v1", "kind": "Basket", "items": [manifest("Pod")]})
    assert run(text) == text


def test_injecting_again_changes_nothing():
    """The output may be kept in a repository and injected once more."""
    once = run("---\n".join(yaml.safe_dump(manifest(kind)) for _, kind in POD_OF))
    assert once.count("name: feature-sidecar\n") == len(POD_OF)
    assert run(once) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", r"f.yaml: line 1: not YAML"),
        ("a: 1\n---\nb: {", r"f.yaml: line 3: not YAML"),
        ("a: 1\na: 2\n", r"f.yaml document 1: line 2: not YAML: the key 'a' stands twice"),
        ("kind: Pod\napiVersion: v1\nspec: x\n", r"f.yaml document 1 \(Pod\): spec: found a str \('x'\)"),
        ("kind: Job\napiVersion: batch/v1\nspec: {}\n", r"f.yaml document 1 \(Job\): spec.template: found none"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, expected: str):
    """File, document or line, what was found."""
    with pytest.raises(ManifestError, match=expected):
        run(text)


def test_every_problem_of_a_file_is_told_at_once():
    """Here the author is at hand: an annotation that cannot be followed is an error, and nothing is printed."""
    first = manifest("Pod")
    first["metadata"]["annotations"]["feature-sidecar.io/max-memory"] = "lots"
    second = manifest("Deployment")
    second["spec"]["template"]["metadata"]["annotations"]["feature-sidecar.io/colour"] = "red"
    third = manifest("Pod")
    third["spec"]["hostNetwork"] = True
    with pytest.raises(ManifestError) as raised:
        run("---\n".join(map(yaml.safe_dump, (first, second, third))))
    lines = str(raised.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "f.yaml document 1 (Pod ranker)",
        "f.yaml document 2 (Deployment ranker)",
        "f.yaml document 3 (Pod)",
    ]
    assert "max-memory: found 'lots'" in lines[0]


def test_other_groups_kinds_of_the_same_name_are_left():
    """Volcano's Job is none of ours."""
    text = yaml.safe_dump(manifest("Job")).replace("batch/v1", "batch.volcano.sh/v1alpha1")
    assert run(text, force=True) == text


def test_values_keep_their_types_where_a_document_is_written_anew():
    """What kubectl reads as text stays text: dates, and words that YAML 1.1 took for numbers."""
    item = manifest("Pod")
    item["metadata"]["annotations"].update({"date": "2024-01-01", "yes": "yes", "octal": "0644", "number": "1e3"})
    anew = "{a: &a 1, b: *a}"
    text = yaml.safe_dump(item).replace("metadata:", f"x: {anew}\nmetadata:", 1).replace("kind: Pod", "kind: &k Pod")
    assert yaml.safe_load(run(text))["metadata"]["annotations"].items() >= item["metadata"]["annotations"].items()


def test_nothing_and_comments_only():
    """Empty input is empty output."""
    for text in ("", "\n", "# nothing\n", "---\n", "---\n---\n"):
        assert run(text) == text


def test_many_shapes_of_blocks_are_edited_in_place():
    """Indented and not indented lists, comments everywhere: never written anew, always what was wanted."""
    edited = 0
    texts = ("", "    text: |\n      a\n\n      b\n\n", "    text: >-\n      a\n", "    text: 'a\n\n      b'\n")
    for indent, comment, space, last in itertools.product(("", "  "), ("", "# c\n"), ("", "\n"), texts):
        text = (
            f"apiVersion: v1\nkind: Pod\n{comment}metadata:\n  annotations:\n    feature-sidecar.io/inject: 'true'\n"
            f"{last}{space}spec:\n  containers:\n  {indent}- name: a\n  {indent}  image: b\n{space}{comment}"
        )
        result = inject_manifests(text, SETTINGS, file="f.yaml")
        assert not [note for note in result.notes if "anew" in note]
        assert result.text.count("# c") == text.count("# c")
        edited += result.injected
    assert edited == 32
