"""What is added to a pod, in both forms, and what stands in the way."""

from copy import deepcopy
from typing import Any

import pytest
from pod_corpus import pod

from sidecar.injector.annotations import INJECT, INJECTED_LABEL, STATUS
from sidecar.injector.container import CONTAINER
from sidecar.injector.errors import REASONS, NotInjected
from sidecar.injector.pod import inject, is_injected, wants_injection
from sidecar.injector.settings import SidecarSettings

SETTINGS = SidecarSettings.from_texts({"image": "fs:1"})


def native(annotations: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """The spec after injection, native form."""
    return inject(pod(annotations, **spec), SETTINGS).pod["spec"]


def sidecar(annotations: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """The native sidecar's container."""
    return native(annotations, **spec)["initContainers"][0]


def flags(container: dict[str, Any]) -> dict[str, list[str]]:
    """Its arguments by flag."""
    found: dict[str, list[str]] = {}
    words = container["args"]
    assert words[0] == "serve"
    for flag, value in zip(words[1::2], words[2::2], strict=True):
        found.setdefault(flag, []).append(value)
    return found


def test_the_native_sidecar_comes_first_and_has_no_prestop():
    """It starts before all others, also before init containers, and the kubelet ends it after them."""
    spec = native(initContainers=[{"name": "fetch", "image": "x"}])
    ours, fetch = spec["initContainers"]
    assert (ours["name"], ours["restartPolicy"], fetch["name"]) == (CONTAINER, "Always", "fetch")
    assert "lifecycle" not in ours
    assert ours["startupProbe"]["httpGet"] == {"path": "/readyz", "port": 8379, "scheme": "HTTP"}
    assert ours["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_the_plain_form_waits_at_the_start_and_sleeps_at_the_end():
    """The postStart hook holds the containers after it; the sleep is cut to the grace period."""
    found = inject(pod({"prestop-sleep": "20s"}, terminationGracePeriodSeconds=10), SETTINGS, native_supported=False)
    ours, model = found.pod["spec"]["containers"]
    assert found.native is False
    assert (ours["name"], model["name"]) == (CONTAINER, "model")
    assert "restartPolicy" not in ours
    assert ours["lifecycle"]["preStop"] == {"exec": {"command": ["sleep", "7"]}}
    assert ours["lifecycle"]["postStart"]["exec"]["command"][:2] == ["feature-sidecar", "wait"]
    assert found.pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "model"


def test_no_sleep_where_the_grace_period_has_no_room():
    """sleep 0 and less are no commands."""
    found = inject(pod({"native": "false"}, terminationGracePeriodSeconds=2), SETTINGS)
    assert "preStop" not in found.pod["spec"]["containers"][0]["lifecycle"]


def test_the_authors_default_container_stays():
    """kubectl's annotation is set only where it is not there."""
    one = pod({"native": "false"})
    one["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = "other"
    annotations = inject(one, SETTINGS).pod["metadata"]["annotations"]
    assert annotations["kubectl.kubernetes.io/default-container"] == "other"


def test_arguments_are_what_serve_takes():
    """The real command line accepts them all."""
    from sidecar.cli import build_parser

    wide = {
        "policy": "p",
        "origin": "couchbase://cb/features",
        "origin-secret": "s",
        "origin-certificate": "c",
        "origin-ca": "a",
        "snapshot": "true",
        "max-memory": "1GiB",
        "max-clients": "10",
        "max-client-memory": "8MiB",
        "client-output-limit": "1MiB",
        "idle-timeout": "5m",
    }
    parsed = build_parser().parse_args(sidecar(wide)["args"])
    assert parsed.listen == ["tcp://127.0.0.1:6379", "unix:///run/feature-sidecar/redis.sock"]
    assert (parsed.admin, parsed.policy) == ("[::]:8379", "/etc/feature-sidecar/policy/policy.yaml")
    assert parsed.origin_password_file == "/etc/feature-sidecar/origin/password"
    assert parsed.origin_certificate == "/etc/feature-sidecar/certificate/tls.crt"
    assert parsed.origin_key == "/etc/feature-sidecar/certificate/tls.key"
    assert parsed.origin_ca == "/etc/feature-sidecar/ca/ca.crt"
    assert (parsed.max_memory, parsed.snapshot) == ("1GiB", "/var/lib/feature-sidecar/snapshot")


def test_values_are_no_references():
    """Kubernetes would replace $(NAME) in arguments."""
    assert flags(sidecar({"origin": "couchbase://$(HOME)/b"}))["--origin"] == ["couchbase://$$(HOME)/b"]


def test_credentials_are_mounted_and_never_an_argument():
    """The name by the environment, the password as a file that only our container sees."""
    spec = native({"origin": "couchbase://cb/b", "origin-secret": "cb"})
    ours = spec["initContainers"][0]
    reference = {"secretKeyRef": {"name": "cb", "key": "username"}}
    assert ours["env"] == [{"name": "SIDECAR_ORIGIN_USERNAME", "valueFrom": reference}]
    assert {"name": "feature-sidecar-origin", "secret": {"secretName": "cb", "defaultMode": 0o444}} in spec["volumes"]
    (model,) = spec["containers"]
    socket = {"name": "feature-sidecar-socket", "mountPath": "/run/feature-sidecar", "readOnly": True}
    assert model["volumeMounts"] == [socket]


def test_the_policy_is_a_whole_configmap():
    """A file mounted by subPath is never updated, and a policy change must reach running pods."""
    spec = native({"policy": "ranker", "policy-key": "v2.yaml"})
    ours = spec["initContainers"][0]
    mount = next(m for m in ours["volumeMounts"] if m["name"] == "feature-sidecar-policy")
    assert "subPath" not in mount and mount["readOnly"] is True
    assert flags(ours)["--policy"] == ["/etc/feature-sidecar/policy/v2.yaml"]


@pytest.mark.parametrize(("context", "mode"), [({"fsGroup": 2000}, "0660"), ({"fsGroup": 0}, "0660"), ({}, "0666")])
def test_the_socket_is_for_the_pods_group_or_for_the_pod(context: dict[str, Any], mode: str):
    """With an fsGroup the volume has that group and all containers have it; without, who mounts it may connect."""
    assert flags(sidecar(securityContext=context))["--unix-socket-mode"] == [mode]
    assert flags(sidecar({"socket-mode": "0600"}, securityContext=context))["--unix-socket-mode"] == ["0600"]


def test_state_is_an_emptydir_or_the_pods_own_volume_where_it_is_needed():
    """SQLite and snapshots need one, Couchbase alone does not."""
    assert "feature-sidecar-state" in [volume["name"] for volume in native()["volumes"]]
    assert "feature-sidecar-state" not in [v["name"] for v in native({"origin": "couchbase://cb/b"})["volumes"]]
    disk = {"name": "disk", "emptyDir": {}}
    spec = native({"origin": "couchbase://cb/b", "snapshot": "true", "state-volume": "disk"}, volumes=[disk])
    assert {"name": "disk", "mountPath": "/var/lib/feature-sidecar"} in spec["initContainers"][0]["volumeMounts"]
    assert [volume["name"] for volume in spec["volumes"]] == ["disk", "feature-sidecar-socket"]


@pytest.mark.parametrize(
    ("annotations", "requests", "limits"),
    [
        ({}, {"cpu": "100m", "memory": "384Mi"}, {"memory": "512Mi"}),
        ({"max-memory": "1GiB"}, {"cpu": "100m", "memory": "1152Mi"}, {"memory": "1280Mi"}),
        ({"memory-limit": "256Mi"}, {"cpu": "100m", "memory": "256Mi"}, {"memory": "256Mi"}),
        ({"cpu-limit": "50m"}, {"cpu": "50m", "memory": "384Mi"}, {"memory": "512Mi", "cpu": "50m"}),
        ({"cpu-request": "2", "memory-request": "64Mi"}, {"cpu": "2", "memory": "64Mi"}, {"memory": "512Mi"}),
    ],
)
def test_resources_follow_memory_and_requests_stay_within_limits(
    annotations: dict[str, str], requests: dict[str, str], limits: dict[str, str]
):
    """Kubernetes refuses a request above its limit."""
    assert sidecar(annotations)["resources"] == {"requests": requests, "limits": limits}


def test_the_application_is_told_where_it_asks_and_keeps_its_own_variables():
    """Ours come first, so that the author's may refer to them."""
    own = {"name": "REDIS_URL", "value": "redis://elsewhere"}
    containers = [{"name": "a", "image": "x"}, {"name": "b", "image": "x", "env": [own]}]
    a, b = native({"env": "tcp", "port": "6380"}, containers=containers)["containers"]
    assert a["env"] == [
        {"name": "REDIS_URL", "value": "redis://127.0.0.1:6380/0"},
        {"name": "FEATURE_SIDECAR_ADDR", "value": "tcp://127.0.0.1:6380"},
    ]
    assert [variable["name"] for variable in b["env"]] == ["FEATURE_SIDECAR_ADDR", "REDIS_URL"]
    assert own in b["env"]
    assert "env" not in native(containers=containers)["containers"][0]


def test_only_named_containers_are_told_init_containers_too():
    """One that is not there is a warning."""
    init = [{"name": "warm", "image": "x"}]
    containers = [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]
    found = inject(pod({"containers": "b,warm,gone"}, containers=containers, initContainers=init), SETTINGS)
    a, b = found.pod["spec"]["containers"]
    assert "volumeMounts" not in a
    assert b["volumeMounts"] == found.pod["spec"]["initContainers"][1]["volumeMounts"]
    assert found.warnings == ["containers: the pod has none named gone"]


def test_marks_and_label_are_set():
    """What a PodMonitor selects, and what a person looks for."""
    metadata = inject({"spec": pod()["spec"]}, SETTINGS).pod["metadata"]
    assert metadata["annotations"][STATUS] == "injected"
    assert metadata["labels"] == {INJECTED_LABEL: "true"}


def test_the_pod_given_is_not_changed():
    """A pure function: the patch is made from the difference."""
    one = pod({"env": "tcp"}, volumes=[], initContainers=None)
    before = deepcopy(one)
    after = inject(one, SETTINGS).pod
    assert one == before
    assert is_injected(after) and not is_injected(one)


def test_a_guaranteed_pod_is_told_that_it_changes_its_class():
    """Unless the sidecar's limits equal its requests."""
    whole = {"cpu": "1", "memory": "1Gi"}
    containers = [{"name": "a", "image": "x", "resources": {"limits": whole}}]
    assert "Guaranteed" in inject(pod(containers=containers), SETTINGS).warnings[0]
    same = {"cpu-request": "1", "cpu-limit": "1", "memory-request": "512Mi", "memory-limit": "512Mi"}
    assert inject(pod(same, containers=containers), SETTINGS).warnings == []


def test_a_memory_limit_below_the_tiers_bound_is_told():
    """It would be killed while it fills."""
    (warning,) = inject(pod({"max-memory": "1GiB", "memory-limit": "512Mi"}), SETTINGS).warnings
    assert "max-memory + 160Mi (1184Mi)" in warning


def test_openshift_assigns_users_itself():
    """run-as-user: image leaves the user to the platform; runAsNonRoot stays."""
    settings = SidecarSettings.from_texts({"run-as-user": "image", "run-as-group": "image"})
    context = inject(pod(), settings).pod["spec"]["initContainers"][0]["securityContext"]
    assert "runAsUser" not in context and context["runAsNonRoot"] is True


def test_a_pull_secret_is_added_once():
    """Beside the pod's own."""
    settings = SidecarSettings.from_texts({"image-pull-secret": "mine"})
    for present in ([], [{"name": "other"}], [{"name": "mine"}]):
        spec = inject(pod(imagePullSecrets=present), settings).pod["spec"]
        assert spec["imagePullSecrets"].count({"name": "mine"}) == 1
        assert len(spec["imagePullSecrets"]) == len({"mine", *(secret["name"] for secret in present)})


def test_a_pod_meant_to_end_is_refused_in_the_plain_form_only():
    """It would never end; natively it does."""
    for policy in ("Never", "OnFailure"):
        with pytest.raises(NotInjected, match="POST /quit") as refused:
            inject(pod(restartPolicy=policy), SETTINGS, native_supported=False)
        assert refused.value.reason == "would_not_end"
        operators = SidecarSettings.from_texts({"native": "false"})
        with pytest.raises(NotInjected, match="POST /quit"):  # only the pod itself may insist
            inject(pod(restartPolicy=policy), operators)
        assert inject(pod(restartPolicy=policy), SETTINGS).native
        assert not inject(pod({"native": "false"}, restartPolicy=policy), SETTINGS).native


@pytest.mark.parametrize(
    ("reason", "annotations", "spec"),
    [
        ("annotation", {"policy": "/etc"}, {}),
        ("host_network", {}, {"hostNetwork": True}),
        ("malformed_pod", {}, {"containers": None}),
        ("name_taken", {}, {"volumes": [{"name": "feature-sidecar-socket"}]}),
        ("port_taken", {"port": "6380"}, {"containers": [{"name": "a", "ports": [{"containerPort": 6380}]}]}),
        ("state_volume", {"state-volume": "disk"}, {}),
        ("windows", {}, {"os": {"name": "windows"}}),
        ("would_not_end", {}, {"restartPolicy": "Never"}),
    ],
)
def test_what_stands_in_the_way_has_a_reason(reason: str, annotations: dict[str, str], spec: dict[str, Any]):
    """From a closed set, each met here."""
    with pytest.raises(NotInjected) as refused:
        inject(pod(annotations, **spec), SETTINGS, native_supported=False)
    assert refused.value.reason == reason
    (mark,) = test_what_stands_in_the_way_has_a_reason.pytestmark
    assert {row[0] for row in mark.args[1]} == set(REASONS)


@pytest.mark.parametrize(
    ("metadata", "by_default", "wanted"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"annotations": {INJECT: "true"}}, False, True),
        ({"annotations": {INJECT: "false"}}, True, False),
        ({"labels": {INJECT: "disabled"}}, True, False),
        ({"labels": {INJECT: "true"}, "annotations": {INJECT: "false"}}, True, False),
        ({"annotations": {INJECT: "true", "kubernetes.io/config.mirror": "x"}}, True, False),
    ],
)
def test_who_asks(metadata: dict[str, Any], by_default: bool, wanted: bool):
    """Annotation over label over namespace; what the API shows of a static pod never asks."""
    assert wants_injection({"metadata": metadata}, by_default=by_default) is wanted
