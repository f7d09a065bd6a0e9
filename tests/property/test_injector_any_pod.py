"""Whatever stands anywhere in a pod: it is admitted, no bug of ours shows, and a patch that is made applies."""

import base64
import copy
from typing import Any

import jsonpatch
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from pod_corpus import corpus, pod, review

from sidecar.injector.admission import AdmissionRules, answer
from sidecar.injector.annotations import INJECT, OPTIONS, PREFIX
from sidecar.injector.pod import is_injected
from sidecar.injector.settings import SidecarSettings

RULES = AdmissionRules(SidecarSettings.from_texts({"image-pull-secret": "s", "env": "unix"}))
# Pods with something in every place that injection looks at
SEEDS = [case.review["request"]["object"] for case in corpus()[:40]] + [
    pod(
        {"env": "tcp", "native": "false", "containers": "a,b", "origin-secret": "s", "state-volume": "v"},
        containers=[
            {"name": "a", "image": "i", "env": [{"name": "REDIS_URL", "value": "x"}], "ports": [{"containerPort": 1}]},
            {"name": "b", "image": "i", "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1"}}},
        ],
        initContainers=[{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        volumes=[{"name": "v", "emptyDir": {}}],
        imagePullSecrets=[{"name": "t"}],
        securityContext={"fsGroup": 1},
        os={"name": "linux"},
        nodeSelector={"a": "b"},
        terminationGracePeriodSeconds=5,
        restartPolicy="Always",
    )
]
_WORDS = st.sampled_from(
    [
        "",
        "true",
        "false",
        "name",
        "feature-sidecar",
        "feature-sidecar-socket",
        "/run/feature-sidecar",
        "REDIS_URL",
        "6379",
    ]
)
_NAMES = _WORDS | st.sampled_from(
    [INJECT, *(PREFIX + option.name for option in OPTIONS), PREFIX + "x", "spec", "items"]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def broken_pods(draw: st.DrawFn) -> Any:
    """A pod of which some places hold anything at all."""
    root = {"pod": copy.deepcopy(draw(st.sampled_from(SEEDS)))}
    for _ in range(draw(st.integers(1, 4))):
        holder, place = root, "pod"
        while isinstance(holder[place], dict | list) and holder[place] and draw(st.booleans()):
            holder = holder[place]
            places = sorted(holder) if isinstance(holder, dict) else range(len(holder))
            place = draw(st.sampled_from(places))
        if isinstance(holder[place], dict) and draw(st.booleans()):
            holder[place][draw(_NAMES)] = draw(_JSON)
        else:
            holder[place] = draw(_JSON)
    return root["pod"]


@settings(deadline=None)
@given(one=broken_pods(), by_default=st.booleans())
def test_no_pod_breaks_the_injector(one: Any, by_default: bool):
    """Neither an exception nor a wrong patch; the pod given is not changed; what is injected is so once."""
    before = copy.deepcopy(one)
    verdict = answer(review(one), RULES, by_default=by_default)
    assert one == before
    assert verdict.error is None and verdict.outcome != "failed"
    response = verdict.response["response"]
    assert response["allowed"] is True
    assert ("patch" in response) is (verdict.outcome == "injected")
    assert bool(response.get("warnings")) or verdict.outcome != "refused"
    if verdict.outcome == "injected":
        after = jsonpatch.apply_patch(one, orjson.loads(base64.b64decode(response["patch"])))
        assert is_injected(after)
        again = answer(review(after), RULES, by_default=by_default)
        assert again.outcome in ("present", "not_asked")


@settings(deadline=None)
@given(
    body=_JSON, change=st.sampled_from(["kind", "namespace", "operation", "object", "subResource", "dryRun", "name"])
)
def test_no_request_breaks_the_injector(body: Any, change: str):
    """Any member of the request may be anything."""
    verdict = answer(review(pod(), **{change: body}), RULES, by_default=True)
    assert verdict.error is None
    assert verdict.response["response"]["allowed"] is True
