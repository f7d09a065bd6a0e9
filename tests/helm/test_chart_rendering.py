"""The chart, rendered by the real Helm engine over a matrix of values: valid objects, and always the same bytes."""

from typing import Any

import pytest
from helm.chart import CHART, NAMESPACE, RELEASE, lint, objects, render
from kubernetes_schemas import schema_errors

POLICY = "version: 1\ndefaults:\n  ttl: 30s   # a comment stays\n"
EVERYTHING = {
    "image": {"repository": "registry.example:5000/fs", "digest": "sha256:" + "0" * 64, "pullSecrets": ["regcred"]},
    "injector": {
        "replicas": 3,
        "logLevel": "debug",
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "system", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
                }
            }
        },
        "priorityClassName": "system-cluster-critical",
        "podLabels": {"team": "ml"},
        "podAnnotations": {"note": "x"},
        "serviceAccount": {"name": "injector-account", "annotations": {"a": "b"}},
        "podDisruptionBudget": {"maxUnavailable": "50%"},
        "networkPolicy": {"metricsFrom": ["monitoring"], "apiServerPorts": [6443]},
    },
    "webhook": {"failurePolicy": "Fail", "onFailure": "deny", "timeoutSeconds": 1, "excludedNamespaces": ["legacy"]},
    "sidecar": {"origin": "couchbases://db.example.com/features", "max-memory": "1GiB", "port": 6380, "socket": False},
    "policies": [{"name": "features", "namespace": "ml", "policy": POLICY}, {"name": "other", "policy": POLICY}],
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "namespace": "monitoring"},
    "alerts": {"enabled": True, "labels": {"release": "prometheus"}, "runbookBase": "https://example.com/"},
    "dashboard": {"labels": {"grafana_dashboard": "1", "team": "ml"}, "annotations": {"folder": "ML"}},
}
CERT_MANAGER = {"webhook": {"certificates": {"mode": "cert-manager"}}}
ISSUER = {"kind": "ClusterIssuer", "name": "corporate"}
MATRIX: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": EVERYTHING,
    "cert-manager": CERT_MANAGER,
    "cert-manager with an issuer": {
        "webhook": {"certificates": {"mode": "cert-manager", "certManager": {"issuerRef": ISSUER}}}
    },
    "standalone": {"injector": {"enabled": False}, "podMonitor": {"enabled": True}, "alerts": {"enabled": True}},
    "bare": {
        "injector": {"podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}},
        "dashboard": {"enabled": False},
        "webhook": {"excludedNamespaces": []},
    },
    "names": {"fullnameOverride": "a-name-of-sixty-three-characters-is-too-long-for-an-ending-x", "nameOverride": "n"},
}
CUSTOM_KINDS = {"PodMonitor", "PrometheusRule", "Certificate", "Issuer"}  # no schema of Kubernetes' own


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
@pytest.mark.parametrize("version", ["1.27", "1.36"])
def test_every_object_is_valid_for_kubernetes(values, version):
    """By the API's schemas, strictly: an unknown member is an error, not ignored as the API server would."""
    checked = 0
    for item in objects(values):
        assert set(item) - {"apiVersion", "kind", "metadata", "spec", "data", "type", "rules", "roleRef", "subjects",
                            "webhooks", "automountServiceAccountToken"} == set()  # fmt: skip
        if item["kind"] not in CUSTOM_KINDS:
            assert schema_errors(item, version) == [], item["kind"]
            checked += 1
    assert checked >= (1 if values.get("injector", {}).get("enabled") is False else 8)


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_rendering_is_byte_deterministic(values):
    """GitOps tools compare renders: no generated authority, no random, no time."""
    first = render(values)
    assert all(render(values) == first for _ in range(3))


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_lint_has_no_warning(values):
    """`helm lint --strict`; an icon is only recommended (severity 1)."""
    assert [message for message in lint(CHART, values) if message["severity"] > 1] == []


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_objects_have_names_and_namespaces_and_no_twin(values):
    """Nothing overwrites another, names fit, and what is namespaced says where it goes."""
    seen = set()
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration"}
    for item in objects(values):
        metadata = item["metadata"]
        assert len(metadata["name"]) <= 63
        assert ("namespace" in metadata) == (item["kind"] not in cluster_wide), item["kind"]
        assert metadata["labels"]["app.kubernetes.io/instance"] == RELEASE
        identity = (item["kind"], metadata.get("namespace"), metadata["name"])
        assert identity not in seen
        seen.add(identity)


def test_two_releases_do_not_clash():
    """Cluster-wide objects carry the release's name."""
    names = [
        {(item["kind"], item["metadata"]["name"]) for item in objects(EVERYTHING, name=name)} for name in ("one", "two")
    ]
    assert {kind for kind, _ in names[0] & names[1]} <= {"ConfigMap", "ServiceAccount"}  # those that values name


def test_a_policy_reaches_its_config_map_as_it_was_written():
    """Comments and numbers as text included, in the namespace of the pods that use it."""
    component = "app.kubernetes.io/component"
    policies = [item for item in objects(EVERYTHING) if item["metadata"]["labels"].get(component) == "policy"]
    assert [(item["metadata"]["name"], item["metadata"]["namespace"]) for item in policies] == [
        ("features", "ml"),
        ("other", NAMESPACE),
    ]
    assert all(item["data"] == {"policy.yaml": POLICY} for item in policies)


def test_nothing_restarts_when_a_config_map_changes():
    """A checksum in a pod's annotations would roll the injector; a subPath mount would never see the change."""
    changed = {**EVERYTHING, "sidecar": {"port": 6381}, "policies": []}
    before, after = ({(i["kind"], i["metadata"]["name"]): i for i in objects(v)} for v in (EVERYTHING, changed))
    different = {identity for identity in before if before[identity] != after.get(identity)}
    assert different == {
        ("ConfigMap", "fs-feature-sidecar-injector"),
        ("ConfigMap", "features"),
        ("ConfigMap", "other"),
    }
    assert "subPath" not in "".join(render(EVERYTHING).values())


def test_the_notes_tell_what_to_do_next():
    """With the injector: how to ask for a sidecar; without: how to get one otherwise."""
    notes = render()[f"{CHART.name}/templates/NOTES.txt"]
    assert 'feature-sidecar.io/inject: "true"' in notes
    assert f"kubectl -n {NAMESPACE} rollout status deployment/fs-feature-sidecar-injector" in notes
    assert "feature-sidecar inject -f" in render(MATRIX["standalone"])[f"{CHART.name}/templates/NOTES.txt"]
