"""Answers an AdmissionReview (admission.k8s.io/v1): a pure function from the review to the response.

Input: hostile objects. Whatever a pod looks like, it is admitted unless the operator asked for the opposite; a pod that
asks for the sidecar and does not get it is told of in warnings, an event and a metric.
"""

import base64
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from sidecar.injector.errors import NotInjected, Reason
from sidecar.injector.json_patch import json_patch
from sidecar.injector.pod import inject, is_injected, wants_injection
from sidecar.injector.pod_view import mapping_at
from sidecar.injector.settings import Problem, SidecarSettings

Outcome = Literal["injected", "not_asked", "present", "refused", "failed"]
ALWAYS_EXCLUDED = frozenset({"kube-system", "kube-public", "kube-node-lease"})
_API = "admission.k8s.io/v1"
# The API server cuts warnings at 256 characters each and 4096 in all
_MAX_WARNINGS, _MAX_WARNING_CHARACTERS = 12, 256


class BadReview(Exception):
    """The request is no AdmissionReview that can be answered; the text says what was expected."""


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """What holds for every review.

    Attributes:
        settings: the operator's settings of the sidecar.
        native_supported: whether the cluster has native sidecars.
        excluded: namespaces that are never injected.
        deny: a pod that asks for the sidecar and cannot have it is turned away, instead of admitted without it.
    """

    settings: SidecarSettings
    native_supported: bool = True
    excluded: frozenset[str] = ALWAYS_EXCLUDED
    deny: bool = False


@dataclass(slots=True)
class Verdict:
    """What became of one review.

    Attributes:
        response: the AdmissionReview to send back.
        outcome: for metrics.
        reason: why it was refused.
        text: the same in words, for the event; empty: nothing to tell.
        problems: annotations that were not followed.
        request: the review's request.
        error: a bug of ours, for the log.
    """

    response: dict[str, Any]
    outcome: Outcome
    reason: Reason | None = None
    text: str = ""
    problems: list[Problem] = field(default_factory=list)
    request: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None


def answer(review: object, rules: AdmissionRules, *, by_default: bool) -> Verdict:
    """Answer one review.

    Args:
        review: the decoded body.
        rules: what holds for all.
        by_default: inject pods that say nothing (their namespace's label asks for it).

    Raises:
        BadReview: there is nothing that could be answered.
    """
    request = _request(review)
    uid: str = request["uid"]
    try:
        return _judge(request, uid, rules, by_default)
    except NotInjected as exc:
        text = f"feature-sidecar was not injected: {exc}"
        response = _response(uid, [text], denied=text if rules.deny else None)
        return Verdict(response, "refused", exc.reason, text, request=request)
    except Exception as exc:  # ours to mend, and no reason to hold up somebody's pod
        text = "feature-sidecar was not injected: an internal error of the injector; see its log"
        response = _response(uid, [text], denied=text if rules.deny else None)
        return Verdict(response, "failed", text=text, request=request, error=exc)


def _request(review: object) -> dict[str, Any]:
    if not isinstance(review, dict) or review.get("kind") != "AdmissionReview":
        raise BadReview("expected an AdmissionReview")
    if review.get("apiVersion") != _API:
        raise BadReview(f"found {str(review.get('apiVersion'))[:60]!r}, expected apiVersion {_API}")
    request = review.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str) or not request["uid"]:
        raise BadReview("expected a request with a uid")
    return request


def _judge(request: dict[str, Any], uid: str, rules: AdmissionRules, by_default: bool) -> Verdict:
    pod = request.get("object")
    if not _is_pod_creation(request) or not isinstance(pod, dict) or str(request.get("namespace")) in rules.excluded:
        return Verdict(_response(uid, []), "not_asked", request=request)
    if not wants_injection(pod, by_default=by_default):
        return Verdict(_response(uid, []), "not_asked", request=request)
    if is_injected(pod):
        return Verdict(_response(uid, []), "present", request=request)
    injection = inject(pod, rules.settings, native_supported=rules.native_supported)
    told = [*(problem.with_effect for problem in injection.problems), *injection.warnings]
    response = _response(uid, told, patch=json_patch(pod, injection.pod))
    return Verdict(response, "injected", text="; ".join(told), problems=injection.problems, request=request)


def _is_pod_creation(request: dict[str, Any]) -> bool:
    kind = mapping_at(request, "kind")
    return (
        request.get("operation") == "CREATE"
        and not request.get("subResource")
        and (kind.get("group") or "", kind.get("kind")) == ("", "Pod")
    )


def _response(
    uid: str, warnings: list[str], *, patch: list[dict[str, Any]] | None = None, denied: str | None = None
) -> dict[str, Any]:
    response: dict[str, Any] = {"uid": uid, "allowed": denied is None}
    if denied is not None:
        response["status"] = {"code": 403, "message": _printable(denied, 1024)}
    if patch is not None:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(orjson.dumps(patch)).decode()
    if warnings:
        response["warnings"] = [_printable(text, _MAX_WARNING_CHARACTERS) for text in warnings[:_MAX_WARNINGS]]
    return {"apiVersion": _API, "kind": "AdmissionReview", "response": response}


def _printable(text: str, most: int) -> str:
    """Warnings are HTTP headers: without control characters, and short."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return clean if len(clean) <= most else clean[: most - 3] + "..."
