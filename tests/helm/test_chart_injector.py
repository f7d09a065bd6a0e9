"""The injector's part of the chart against the injector's own code: flags, paths, ports, and no right too many."""

import argparse
import asyncio
import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from helm.chart import NAMESPACE, HelmValuesError, objects, one, render
from pod_rules import api_errors, restricted_violations

from sidecar.cli import build_parser
from sidecar.injector.admission import ALWAYS_EXCLUDED
from sidecar.injector.annotations import INJECT, INJECTED_LABEL
from sidecar.injector.certificate_source import OwnAuthority
from sidecar.injector.container import ADMIN_PORT_NAME
from sidecar.injector.counters import InjectorCounters
from sidecar.injector.events import Events
from sidecar.injector.webhook import OPT_IN, OPT_OUT

CERT_MANAGER: dict[str, Any] = {"webhook": {"certificates": {"mode": "cert-manager"}}}
MODES = pytest.mark.parametrize("values", [{}, CERT_MANAGER], ids=["self", "cert-manager"])


def container(values: dict[str, Any]) -> dict[str, Any]:
    """The injector's container."""
    (found,) = one("Deployment", values)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def arguments(values: dict[str, Any]) -> argparse.Namespace:
    """Its arguments, as the real command line reads them; an unknown flag ends the test."""
    return build_parser().parse_args(container(values)["args"])


@MODES
def test_the_injector_takes_the_flags_of_the_chart(values):
    """Names of objects are those that the chart makes; each excluded namespace is passed on."""
    values = {**values, "webhook": {**values.get("webhook", {}), "excludedNamespaces": ["legacy"]}}
    flags = arguments(values)
    assert flags.command == "injector"
    assert (flags.namespace, flags.service) == (NAMESPACE, one("Service", values)["metadata"]["name"])
    assert set(flags.exclude) == {"legacy"}
    mounts = {mount["name"]: mount["mountPath"] for mount in container(values)["volumeMounts"]}
    assert flags.config == f"{mounts['config']}/sidecar.yaml"
    if "certificates" in values["webhook"]:
        assert flags.tls_directory == mounts["certificates"]
    else:
        assert flags.tls_directory is None
        assert flags.webhook_configuration == one("MutatingWebhookConfiguration")["metadata"]["name"]
        assert flags.secret == one("Secret")["metadata"]["name"]


def test_ports_meet():
    """The Service leads to the webhook's port, probes and PodMonitor to the other."""
    flags, ports = arguments({}), {port["name"]: port["containerPort"] for port in container({})["ports"]}
    listening = {"webhook": flags.listen, "metrics": flags.admin}
    assert ports == {name: int(address.rpartition(":")[2]) for name, address in listening.items()}
    assert [port["targetPort"] for port in one("Service")["spec"]["ports"]] == ["webhook"]
    probes = [container({})[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert [(probe["path"], probe["port"]) for probe in probes] == [
        ("/healthz", "metrics"),
        ("/healthz", "metrics"),
        ("/readyz", "metrics"),
    ]
    values = {"podMonitor": {"enabled": True}}
    assert [e["port"] for e in one("PodMonitor", values, "-injector")["spec"]["podMetricsEndpoints"]] == ["metrics"]
    sidecars = one("PodMonitor", values, "-sidecar")["spec"]
    assert [endpoint["port"] for endpoint in sidecars["podMetricsEndpoints"]] == [ADMIN_PORT_NAME]
    assert sidecars["selector"] == {"matchLabels": {INJECTED_LABEL: "true"}}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """As the API server matches a label selector."""
    for term in selector["matchExpressions"]:
        inside = labels.get(term["key"]) in term["values"]
        if inside != (term["operator"] == "In"):
            return False
    return True


def asked(namespace: str, label: str | None, pod: dict[str, str], values: dict[str, Any] | None = None) -> set[str]:
    """Paths that the API server calls for a pod's labels in a namespace; matchConditions are left aside."""
    labels = {"kubernetes.io/metadata.name": namespace} | ({INJECT: label} if label else {})
    return {
        webhook["clientConfig"]["service"]["path"]
        for webhook in one("MutatingWebhookConfiguration", values)["webhooks"]
        if selects(webhook["namespaceSelector"], labels) and selects(webhook["objectSelector"], pod)
    }


@pytest.mark.parametrize(
    ("namespace", "label", "pod", "paths"),
    [
        ("ml", None, {}, {OPT_IN}),  # an annotation may ask; matchConditions look
        ("ml", None, {INJECT: "true"}, {OPT_IN}),
        ("ml", None, {INJECT: "false"}, set()),
        ("ml", "true", {}, {OPT_OUT}),
        ("ml", "enabled", {INJECT: "true"}, {OPT_OUT}),
        ("ml", "enabled", {INJECT: "false"}, set()),
        ("ml", "disabled", {INJECT: "true"}, set()),
        ("ml", "false", {}, set()),
        ("kube-system", "true", {INJECT: "true"}, set()),
        ("kube-system", None, {INJECT: "true"}, set()),
        (NAMESPACE, "true", {INJECT: "true"}, set()),
        (NAMESPACE, None, {}, set()),
    ],
)
def test_who_is_asked_about(namespace, label, pod, paths):
    """Never about the injector itself and kube-system, or a broken injector would keep itself from starting."""
    assert asked(namespace, label, pod) == paths


@pytest.mark.parametrize("own", [[], ["legacy"], ["kube-system"]])
def test_no_value_lets_the_webhook_stand_before_the_cluster_itself(own):
    """Namespaces are added to those that are always left out: with ``Fail`` an outage would stop the cluster."""
    values = {"webhook": {"failurePolicy": "Fail", "excludedNamespaces": own}}
    for webhook in one("MutatingWebhookConfiguration", values)["webhooks"]:
        (by_name,) = [
            expression
            for expression in webhook["namespaceSelector"]["matchExpressions"]
            if expression["key"] == "kubernetes.io/metadata.name"
        ]
        assert by_name["operator"] == "NotIn"
        assert set(by_name["values"]) == {NAMESPACE, *ALWAYS_EXCLUDED, *own}
        assert len(by_name["values"]) == len(set(by_name["values"]))


def test_the_webhooks_cannot_hold_up_a_cluster():
    """Fail-open within 2 s, only for pods that are made, without side effects; asked again after other webhooks."""
    webhooks = one("MutatingWebhookConfiguration")["webhooks"]
    assert len(webhooks) == 2
    for webhook in webhooks:
        assert webhook["failurePolicy"] == "Ignore"
        assert webhook["timeoutSeconds"] <= 2
        assert (webhook["sideEffects"], webhook["reinvocationPolicy"]) == ("None", "IfNeeded")
        assert webhook["admissionReviewVersions"] == ["v1"]
        assert [(rule["operations"], rule["resources"]) for rule in webhook["rules"]] == [(["CREATE"], ["pods"])]


def test_annotations_are_looked_at_where_the_cluster_can():
    """matchConditions spare the call for pods that say nothing; the namespace's webhook is asked about all."""
    by_path = {w["clientConfig"]["service"]["path"]: w for w in one("MutatingWebhookConfiguration")["webhooks"]}
    (condition,) = by_path[OPT_IN]["matchConditions"]
    assert condition["expression"].count(f"'{INJECT}' in object.metadata.") == 2
    assert "matchConditions" not in by_path[OPT_OUT]


class RecordingApi:
    """Stands in for the API server: notes each call as (group, resource, name, verb)."""

    def __init__(self) -> None:
        self.calls: set[tuple[str, str, str, str]] = set()
        self.secret: dict[str, Any] = {"metadata": {"resourceVersion": "1"}}  # as the chart makes it: without data
        self.hooks = {"metadata": {"resourceVersion": "1"}, "webhooks": [{"clientConfig": {}}, {"clientConfig": {}}]}

    def _note(self, path: str, verb: str) -> None:
        parts = path.strip("/").split("/")
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        if rest[0] == "namespaces":
            rest = rest[2:]
        self.calls.add((group, rest[0], rest[1] if len(rest) > 1 else "", verb))

    async def get(self, path: str) -> dict[str, Any]:
        self._note(path, "get")
        return self.secret if "/secrets/" in path else self.hooks

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._note(path, "create")
        return body

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._note(path, "update")
        self.secret = body
        return body

    async def patch(self, path: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
        self._note(path, "patch")
        return {}


def granted(values: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    """What the chart's roles allow, in the same form."""
    rules = [rule for item in objects(values) if item["kind"] in ("Role", "ClusterRole") for rule in item["rules"]]
    return {
        (group, resource, name, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


async def calls_of_the_injector(values: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    """Every call it makes: a first certificate, the caBundle, an event. /version is open to every account."""
    flags, api = arguments(values), RecordingApi()
    if flags.tls_directory is None:
        hosts = [f"{flags.service}.{flags.namespace}.svc"]
        authority = OwnAuthority(api, flags.namespace, flags.secret, flags.webhook_configuration, hosts)
        await authority.current(datetime.now(UTC))
        assert b"CERTIFICATE" in base64.b64decode(api.secret["data"]["tls.crt"])
    events = Events(api, InjectorCounters(), lambda: 0.0, "injector-a")
    task = asyncio.ensure_future(events.run())
    events.tell({"namespace": "ml", "name": "p", "object": {}}, "SidecarNotInjected", "why")
    async with asyncio.timeout(10):
        while not any(call[1] == "events" for call in api.calls):
            await asyncio.sleep(0)
    task.cancel()
    return api.calls


@MODES
async def test_rights_are_exactly_those_that_are_used(values):
    """Each call of the injector is allowed, and nothing that is allowed is not called: no list, no wildcard."""
    assert await calls_of_the_injector(values) == granted(values)


@MODES
def test_roles_are_bound_to_the_account_of_the_injector_only(values):
    """And the Role of the Secret holds in the injector's own namespace only."""
    account = one("ServiceAccount", values)["metadata"]["name"]
    assert one("Deployment", values)["spec"]["template"]["spec"]["serviceAccountName"] == account
    subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
    bindings = [item for item in objects(values) if item["kind"].endswith("Binding")]
    assert bindings
    assert all(binding["subjects"] == [subject] for binding in bindings)
    assert all(item["metadata"]["namespace"] == NAMESPACE for item in objects(values) if item["kind"] == "Role")


def test_the_secret_has_no_data():
    """What the injector wrote into it survives every upgrade: Helm leaves alone what no manifest names."""
    assert set(one("Secret")) == {"apiVersion", "kind", "metadata", "type"}
    assert all("caBundle" not in w["clientConfig"] for w in one("MutatingWebhookConfiguration")["webhooks"])


def test_cert_manager_makes_the_certificate_for_the_names_that_are_called():
    """The API server calls service.namespace.svc; the CA goes into the webhook by cert-manager's annotation."""
    certificate, service = one("Certificate", CERT_MANAGER), one("Service", CERT_MANAGER)["metadata"]["name"]
    assert f"{service}.{NAMESPACE}.svc" in certificate["spec"]["dnsNames"]
    webhook = one("MutatingWebhookConfiguration", CERT_MANAGER)
    source = webhook["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
    assert source == f"{NAMESPACE}/{certificate['metadata']['name']}"
    assert certificate["spec"]["issuerRef"]["name"] == one("Issuer", CERT_MANAGER)["metadata"]["name"]
    assert not [item for item in objects(CERT_MANAGER) if item["kind"] == "Secret"]


@MODES
def test_the_injectors_pod_passes_restricted(values):
    """Pod Security `restricted`, a read-only root file system, and no label that would have it injected."""
    template = one("Deployment", values)["spec"]["template"]
    assert restricted_violations(template) == set()
    assert api_errors(template) == []
    assert container(values)["securityContext"]["readOnlyRootFilesystem"] is True
    assert template["metadata"]["labels"][INJECT] == "false"


def test_the_network_policy_lets_in_two_ports_and_out_to_dns_and_the_api_server():
    """Metrics only from the namespaces that are named."""
    values = {"injector": {"networkPolicy": {"metricsFrom": ["monitoring"], "apiServerPorts": [6443]}}}
    spec = one("NetworkPolicy", values)["spec"]
    webhook, metrics = spec["ingress"]
    assert webhook == {"ports": [{"port": "webhook", "protocol": "TCP"}]}
    assert metrics["ports"] == [{"port": "metrics", "protocol": "TCP"}]
    (source,) = metrics["from"]
    assert source["namespaceSelector"]["matchExpressions"][0]["values"] == ["monitoring"]
    assert [(port["port"], port["protocol"]) for rule in spec["egress"] for port in rule["ports"]] == [
        (53, "UDP"),
        (53, "TCP"),
        (6443, "TCP"),
    ]
    assert (
        spec["podSelector"]["matchLabels"].items()
        <= one("Deployment")["spec"]["template"]["metadata"]["labels"].items()
    )


def test_no_certificate_is_made_in_a_template():
    """`genCA` would change at each render; the schema has no such mode either."""
    with pytest.raises(HelmValuesError):
        render({"webhook": {"certificates": {"mode": "helm"}}})
    assert "BEGIN" not in "".join(render().values())
