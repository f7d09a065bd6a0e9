"""What examples/ and docs/kubernetes.md show fits what is there: values, manifests, flags, policies, commands."""

import re
import shlex
import subprocess
from typing import Any

import pytest
import yaml
from helm.chart import CHART, REPOSITORY, objects, one
from kubernetes_schemas import schema_errors
from pod_rules import api_errors, restricted_violations

from sidecar.cli import build_parser, main
from sidecar.config import load
from sidecar.injector.manifests import inject_manifests
from sidecar.injector.operator_file import read_settings

KIND, COMPOSE = REPOSITORY / "examples/kind", REPOSITORY / "examples/compose"
VALUES: dict[str, Any] = yaml.safe_load((KIND / "values.yaml").read_text())
PAGE = (REPOSITORY / "docs/kubernetes.md").read_text()
COMPOSE_FILES = ["compose.yaml", "couchbase.yaml"]


def test_the_chart_takes_the_values_of_the_recipe(tmp_path):
    """And its policy is one that `policy check` accepts."""
    for item in objects(VALUES, name="feature-sidecar"):
        assert schema_errors(item) == []
    (policy,) = [item for item in objects(VALUES) if item["metadata"]["name"] == "features"]
    (tmp_path / "policy.yaml").write_text(policy["data"]["policy.yaml"])
    assert main(["policy", "check", str(tmp_path / "policy.yaml")]) == 0


def test_the_recipes_pod_is_injected_with_the_charts_settings(tmp_path):
    """It passes `restricted`, mounts the policy that the values make, and its image is the one loaded into kind."""
    settings = tmp_path / "sidecar.yaml"
    settings.write_text(one("ConfigMap", VALUES, "-injector")["data"]["sidecar.yaml"])
    text = (KIND / "ranker.yaml").read_text()
    result = inject_manifests(text, read_settings(str(settings)), file="ranker.yaml")
    (deployment,) = list(yaml.safe_load_all(result.text))
    assert schema_errors(deployment) == []
    template = deployment["spec"]["template"]
    assert restricted_violations(template) == set()
    assert api_errors(template) == []
    (sidecar,) = template["spec"]["initContainers"]
    assert f"image={sidecar['image']}" in (KIND / "up.sh").read_text()
    assert sidecar["imagePullPolicy"] == "Never"
    names = {policy["name"]: policy["namespace"] for policy in VALUES["policies"]}
    mounted = [v["configMap"]["name"] for v in template["spec"]["volumes"] if "configMap" in v]
    assert [names[name] for name in mounted] == [deployment["metadata"]["namespace"]]


def test_the_recipe_is_a_shell_script_whose_names_are_the_charts():
    """It waits for the webhook of the release it installs."""
    script = (KIND / "up.sh").read_text()
    assert subprocess.run(["sh", "-n", str(KIND / "up.sh")], check=False).returncode == 0
    webhook = [i for i in objects(VALUES, name="feature-sidecar") if i["kind"] == "MutatingWebhookConfiguration"]
    assert f"get mutatingwebhookconfiguration {webhook[0]['metadata']['name']} " in script
    cluster = yaml.safe_load((KIND / "cluster.yaml").read_text())
    assert f"--name {cluster['name']}" in script


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_the_sidecar_of_a_compose_file_has_settings_that_serve_takes(name):
    """Variables and flags by the real reader of settings; its files are those that the volumes bring."""
    sidecar = yaml.safe_load((COMPOSE / name).read_text())["services"]["sidecar"]
    environment = dict(sidecar["environment"])
    policy = environment["SIDECAR_POLICY"]
    assert policy.startswith("/etc/feature-sidecar/")
    assert (REPOSITORY / "examples" / policy.removeprefix("/etc/feature-sidecar/")).is_file()
    assert "..:/etc/feature-sidecar:ro" in sidecar["volumes"]
    arguments = build_parser().parse_args(sidecar["command"])
    config = load(vars(arguments), environment)
    assert config.origin.startswith(("sqlite:", "couchbase:"))
    assert config.warnings == ()


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_a_compose_file_is_closed_in_itself(name):
    """Services, volumes and secrets that are referred to exist; all run without privileges."""
    document = yaml.safe_load((COMPOSE / name).read_text())
    services = document["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert set(service.get("secrets", [])) <= set(document.get("secrets", {}))
        if "network_mode" in service:
            assert service["network_mode"].removeprefix("service:") in services
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in document.get("volumes", {}) or (COMPOSE / source).exists()
    for secret in document.get("secrets", {}).values():
        assert (COMPOSE / secret["file"]).is_file()
    sidecar = services["sidecar"]
    assert sidecar["read_only"] is True
    assert sidecar["cap_drop"] == ["ALL"]
    assert services["model"]["network_mode"] == "service:sidecar"
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert sidecar["image"] == f"feature-sidecar:{version}"


def test_files_and_links_of_the_page_exist():
    """A newcomer copies the commands as they stand."""
    for path in set(re.findall(r"\b(?:examples|helm)/[\w./-]+\w", PAGE)):
        assert (REPOSITORY / path).exists(), path
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert target.startswith("http") or (REPOSITORY / "docs" / target).exists(), target


def test_values_of_the_page_are_values_of_the_chart():
    """Each YAML block that is not a pod's goes through the schema."""
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    values = [block for block in blocks if set(block) & {"sidecar", "podMonitor", "webhook"}]
    assert len(values) == 3
    for block in values:
        assert objects(block)


def test_commands_of_the_page_are_commands_of_ours():
    """Parsed by the real command line."""
    shown = re.findall(r"feature-sidecar (?:inject|policy) [^|`\n]+", PAGE)
    assert len(shown) >= 2
    for line in shown:
        build_parser().parse_args(shlex.split(line)[1:])
