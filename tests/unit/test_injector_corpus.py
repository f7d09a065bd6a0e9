"""The webhook called over TLS with every AdmissionReview of the corpus; each patch applied and its pod judged."""

import asyncio
import base64
import json
from copy import deepcopy
from functools import cache
from typing import Any

import jsonpatch
import pytest
from kubernetes_schemas import BEFORE_NATIVE, LATEST, OLDEST_NATIVE, schema_errors
from pod_corpus import GENERATED, Case, corpus, review
from pod_rules import api_errors, restricted_violations
from webhook_side import webhook_side

from sidecar.injector.admission import AdmissionRules
from sidecar.injector.container import CONTAINER
from sidecar.injector.settings import SidecarSettings

pytestmark = pytest.mark.slow  # hundreds of pods by several schemas
Answers = dict[str, tuple[Case, dict[str, Any], str]]


def rules(native: bool) -> AdmissionRules:
    """What the operator of these tests set."""
    texts = {"image": "registry.example/feature-sidecar:1", "image-pull-secret": "registry-2"}
    return AdmissionRules(SidecarSettings.from_texts(texts), native_supported=native)


@cache
def answers(native: bool = True) -> Answers:
    """name -> (case, response, outcome by the webhook's own count), of all cases; asked once."""

    async def ask() -> Answers:
        found: Answers = {}
        async with webhook_side(rules(native)) as side:
            for case in corpus():
                before = dict(side.counters.admissions)
                status, body = await side.post(case.review)
                assert status == 200, f"{case.name}: {body!r}"
                (outcome,) = (name for name, count in side.counters.admissions.items() if count != before[name])
                found[case.name] = (case, json.loads(body)["response"], outcome)
        return found

    return asyncio.run(ask())


def injected(native: bool = True) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(name, pod before, pod after) of every case that was injected."""
    pods = []
    for name, (case, response, outcome) in answers(native).items():
        if outcome == "injected":
            before = case.review["request"]["object"]
            patch = json.loads(base64.b64decode(response["patch"]))
            pods.append((name, before, jsonpatch.apply_patch(before, patch)))
    return pods


def sidecar_of(pod: dict[str, Any]) -> dict[str, Any]:
    """Our container, in whatever form."""
    both = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    (container,) = (container for container in both if container["name"] == CONTAINER)
    return container


def is_refused_anyway(pod: dict[str, Any]) -> bool:
    """Whether the pod is none that Kubernetes would take anyway."""
    return bool(schema_errors(pod)) or bool(api_errors(pod))


def test_the_corpus_is_large_and_the_same_each_time():
    """200 generated pods and the hostile ones; from a seed."""
    assert len(corpus()) >= GENERATED + 150
    assert corpus() == corpus()
    assert len({case.name for case in corpus()}) == len(corpus())


def test_every_generated_pod_is_one_that_kubernetes_takes():
    """Else the pods after injection would not be judged either."""
    for case in corpus()[:GENERATED]:
        pod = case.review["request"]["object"]
        assert not schema_errors(pod) and not api_errors(pod), case.name


def test_every_pod_is_admitted_and_nothing_fails():
    """Whatever it looks like: no bug of ours shows, and nobody's pod is held up."""
    for name, (case, response, outcome) in answers().items():
        assert response["allowed"] is True, name
        assert response["uid"] == case.review["request"]["uid"]
        assert outcome != "failed", name
        assert ("patch" in response) is (outcome == "injected"), name
        assert response.get("patchType", "JSONPatch") == "JSONPatch"


def test_each_hostile_pod_has_the_outcome_written_beside_it():
    """The table says what must become of each."""
    judged = 0
    for name, (case, _, outcome) in answers().items():
        if case.outcome is not None:
            judged += 1
            assert outcome == case.outcome, name
    assert judged >= 150
    outcomes = {outcome for _, _, outcome in answers().values()}
    assert outcomes == {"injected", "not_asked", "present", "refused"}


def test_who_asks_and_gets_nothing_is_told_why():
    """Refused: a warning; warnings are short enough for the API server and are no way to forge a header."""
    for name, (_, response, outcome) in answers().items():
        warnings = response.get("warnings", [])
        assert warnings or outcome != "refused", name
        assert sum(map(len, warnings)) <= 4096, name
        assert all(len(text) <= 256 and text.isprintable() for text in warnings), name
        assert "hunter2" not in json.dumps(warnings)


def test_pods_that_kubernetes_takes_stay_so():
    """By the OpenAPI schemas, strictly, of the oldest version with native sidecars and of the latest; and by the rules
    beyond the schemas: names and paths once, mounts of volumes that are there, requests within limits.
    """
    judged = 0
    for name, before, after in injected():
        if not is_refused_anyway(before):
            judged += 1
            for version in (OLDEST_NATIVE, LATEST):
                assert schema_errors(before, version) or not schema_errors(after, version), (name, version)
            assert api_errors(after) == [], name
    assert judged > 100


def test_the_plain_form_is_taken_by_clusters_without_native_sidecars():
    """1.27 knows no restartPolicy of a container; pods that are meant to end are refused there."""
    judged = 0
    for name, before, after in injected(native=False):
        if is_refused_anyway(before) or schema_errors(before, BEFORE_NATIVE):
            continue
        if any(container["name"] == CONTAINER for container in after["spec"].get("initContainers") or []):
            continue  # the pod's own annotation insists on the native form
        judged += 1
        assert schema_errors(after, BEFORE_NATIVE) == [], name
        assert api_errors(after) == [], name
        assert after["spec"]["containers"][0]["name"] == CONTAINER
    assert judged > 60


def test_restricted_pods_stay_restricted_and_no_pod_gets_worse():
    """Pod Security `restricted`: injection breaks no control that was kept, and our container keeps them all by itself
    where the pod's own context is of the worst.
    """
    clean = 0
    for name, before, after in injected():
        if is_refused_anyway(before):
            continue
        old, new = restricted_violations(before), restricted_violations(after)
        assert new <= old, (name, new - old)
        clean += not old
        worst = {"seccompProfile": {"type": "Unconfined"}, "runAsNonRoot": False}
        alone = restricted_violations({"spec": {"containers": [sidecar_of(after)], "securityContext": worst}})
        assert not alone, (name, alone)
    assert clean >= 5


def test_nothing_of_the_pod_is_lost():
    """Injection only adds: taking ours out again leaves what was there, in its order."""
    for name, before, after in injected():
        rest = deepcopy(after)
        spec, old = rest["spec"], before["spec"]
        for place in ("initContainers", "containers"):
            kept = [container for container in spec.get(place) or [] if container["name"] != CONTAINER]
            assert [c.get("image") for c in kept] == [c.get("image") for c in old.get(place) or []], name
        for member in old.keys() - {"initContainers", "containers", "volumes", "imagePullSecrets"}:
            assert spec[member] == old[member], (name, member)
        volumes = old.get("volumes") or []
        assert (spec.get("volumes") or [])[: len(volumes)] == volumes, name
        for variable in (v for c in old["containers"] for v in c.get("env") or []):
            assert any(variable in (c.get("env") or []) for c in spec["containers"]), name
        annotations = (before.get("metadata") or {}).get("annotations") or {}
        assert annotations.items() <= rest["metadata"]["annotations"].items(), name


def test_a_second_review_changes_nothing():
    """reinvocationPolicy IfNeeded sends the pod again after other webhooks."""
    pods = injected() + injected(native=False)
    assert len(pods) > 200

    async def ask() -> None:
        async with webhook_side(rules(True)) as side:
            for name, _, after in pods:
                _, body = await side.post(review(after))
                response = json.loads(body)["response"]
                assert "patch" not in response and "warnings" not in response, name
            assert side.counters.admissions["present"] == len(pods)

    asyncio.run(ask())


def test_the_same_review_gets_the_same_answer():
    """Byte for byte: a patch that changed from one call to the next would never settle."""
    first = {name: response for name, (_, response, _) in answers().items()}
    again = answers.__wrapped__()  # not from the cache
    assert {name: response for name, (_, response, _) in again.items()} == first


def test_no_annotation_reaches_image_or_security_context():
    """They are the operator's, whatever a tenant writes."""
    expected = {"runAsUser": 65532, "runAsGroup": 65532, "privileged": False, "readOnlyRootFilesystem": True}
    for name, _, after in injected():
        ours = sidecar_of(after)
        assert ours["image"] == "registry.example/feature-sidecar:1", name
        assert expected.items() <= ours["securityContext"].items(), name
