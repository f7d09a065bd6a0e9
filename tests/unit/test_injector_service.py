"""The injector as a process: started, asked as an API server asks, stopped; and what it looks at while it runs."""

import asyncio
import base64
import json
import signal
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from pod_corpus import pod, review
from prometheus_client.parser import text_string_to_metric_families
from servers.injector_process import FakeCluster, InjectorProcess
from servers.kubernetes_api_server import TOKEN, KubernetesApiServer
from webhook_side import HOST

from sidecar.address import TcpAddress
from sidecar.injector import service
from sidecar.injector.certificate_source import CertificateError
from sidecar.injector.certificates import make_authority, make_serving, utc_now, validity
from sidecar.injector.exposition import InjectorExposition
from sidecar.injector.kubernetes_api import KubernetesApi
from sidecar.injector.service import Injector, InjectorConfig
from sidecar.injector.settings import SettingsError
from sidecar.metrics.catalog import CATALOG, INJECTOR_CATALOG

pytestmark = pytest.mark.slow  # processes are started
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/feature-sidecar-injector"
SECRET = "/api/v1/namespaces/injectors/secrets/feature-sidecar-injector-tls"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[FakeCluster]:
    """A cluster of version 1.32 with the chart's configuration."""
    cluster = FakeCluster(tmp_path)
    cluster.server.put_webhooks("feature-sidecar-injector")
    await cluster.start()
    yield cluster
    await cluster.server.stop()


async def ask(port: int, authority: bytes, one: dict, host: str = HOST) -> dict:
    """The response to a review, asked as an API server does: trusting the caBundle, by the Service's name."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=authority.decode()))
    async with aiohttp.ClientSession(connector=connector) as client:
        url = f"https://127.0.0.1:{port}/inject"
        async with client.post(url, json=review(one), server_hostname=host) as answer:
            return (await answer.json())["response"]


def ca_bundle(cluster: FakeCluster) -> bytes:
    """What the API server would trust."""
    return base64.b64decode(cluster.server.objects[WEBHOOKS]["webhooks"][0]["clientConfig"]["caBundle"])


async def test_a_whole_life(cluster: FakeCluster, tmp_path: Path):
    """Certificates made, a pod injected over TLS, a refused one told of by an event, metrics, SIGTERM, exit 0."""
    (tmp_path / "sidecar.yaml").write_text("image: registry.example/fs:7\n")
    injector = await cluster.injector("--config", str(tmp_path / "sidecar.yaml"))
    try:
        serving = await injector.until("serving")
        port, admin = int(serving["listen"].rpartition(":")[2]), serving["admin"]
        assert (await injector.admin("/readyz", admin))[0] == 200
        assert (await injector.admin("/healthz", admin))[0] == 200
        response = await ask(port, ca_bundle(cluster), pod())
        assert "registry.example/fs:7" in base64.b64decode(response["patch"]).decode()
        assert "warnings" in await ask(port, ca_bundle(cluster), pod(hostNetwork=True))
        async with asyncio.timeout(20):
            while not cluster.server.events:
                await asyncio.sleep(0.01)
        assert "node's network" in cluster.server.events[0][1]["message"]
        text = (await injector.admin("/metrics", admin))[1]
        samples = {
            (s.name, *s.labels.values()): s.value for f in text_string_to_metric_families(text) for s in f.samples
        }
        assert samples["feature_sidecar_injector_admissions_total", "injected"] == 1
        assert samples["feature_sidecar_injector_refusals_total", "host_network"] == 1
        assert samples["feature_sidecar_injector_ready",] == 1
        assert 0 <= samples["feature_sidecar_injector_certificate_age_seconds",] < 1000
        assert samples["process_resident_memory_bytes",] > 1e6
        logs = json.dumps(injector.lines)
        assert TOKEN not in logs and "PRIVATE KEY" not in logs
    finally:
        assert await injector.stop() == 0
    assert [line["event"] for line in injector.lines][-1] == "stopped"


async def test_after_sigterm_it_answers_until_the_service_knows(cluster: FakeCluster):
    """Unready at once, so that nothing more is sent to it; what is sent meanwhile is injected still."""
    injector = await cluster.injector("--shutdown-delay", "10m")
    try:
        serving = await injector.until("serving")
        injector.process.send_signal(signal.SIGTERM)
        await injector.until("stopping")
        assert (await injector.admin("/readyz", serving["admin"]))[0] == 503
        assert "patch" in await ask(int(serving["listen"].rpartition(":")[2]), ca_bundle(cluster), pod())
    finally:
        injector.process.kill()
        await injector.stop()


async def test_two_replicas_serve_one_certificate(cluster: FakeCluster):
    """Started together; each is asked with the one caBundle."""
    replicas = await asyncio.gather(cluster.injector(), cluster.injector())
    try:
        for replica in replicas:
            port = int((await replica.until("serving"))["listen"].rpartition(":")[2])
            assert "patch" in await ask(port, ca_bundle(cluster), pod())
    finally:
        assert await asyncio.gather(*(replica.stop() for replica in replicas)) == [0, 0]
    renewals = [line for replica in replicas for line in replica.lines if line["event"] == "certificate_renewed"]
    assert len(renewals) == 1


async def test_a_cluster_that_is_down_at_the_start_is_waited_for(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch):
    """Alive and not ready, until the API server answers; nothing crashes and restarts."""
    cluster.server.before = lambda method, path: 503
    injector = await cluster.injector()
    try:
        first = await injector.until("certificate_failed")
        assert "503" in first["error"]
        cluster.server.before = lambda method, path: None
        serving = await injector.until("serving")
        assert (await injector.admin("/readyz", serving["admin"]))[0] == 200
    finally:
        assert await injector.stop() == 0


async def test_files_of_cert_manager_without_a_cluster(tmp_path: Path):
    """No API server: no events, native sidecars taken for granted, and it serves."""
    authority = make_authority(utc_now())
    pair = make_serving(authority, ["hook.example"], utc_now())
    (tmp_path / "tls.crt").write_bytes(pair.certificate)
    (tmp_path / "tls.key").write_bytes(pair.key)
    injector = await InjectorProcess.start("--tls-directory", str(tmp_path), "--service-account", str(tmp_path / "no"))
    try:
        port = int((await injector.until("serving"))["listen"].rpartition(":")[2])
        response = await ask(port, authority.certificate, pod(), "hook.example")
        assert b'"restartPolicy":"Always"' in base64.b64decode(response["patch"])
        assert [line["event"] for line in injector.lines if line["level"] == "warning"] == ["no_api_server"]
    finally:
        assert await injector.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 1, "this is no pod of a cluster; give --tls-directory"),
        (("--config", "/nowhere.yaml", "--tls-directory", "/nowhere"), 2, "/nowhere.yaml: cannot be read"),
        (("--listen", "8443"), 2, "expected host:port"),
    ],
)
async def test_what_cannot_start_says_why(arguments: tuple[str, ...], code: int, text: str):
    """On stderr, with the exit code of wrong usage or of failure."""
    injector = await InjectorProcess.start(*arguments)
    assert await asyncio.wait_for(injector.process.wait(), 30) == code
    await injector.stop()
    assert any(text in str(line) for line in injector.lines)


class Inside:
    """An injector in this process, looked at step by step."""

    def __init__(self, folder: Path) -> None:
        self.server = KubernetesApiServer()
        self.server.put_webhooks("hooks")
        self.file = folder / "sidecar.yaml"
        self.file.write_text("port: 6380\n")
        (folder / "token").write_text(TOKEN)
        self._folder = folder

    async def start(self) -> None:
        """Build it."""
        self.api = KubernetesApi(await self.server.start(), self._folder / "token", None)
        self.injector = Injector(self.config(), self.api)

    def config(self, **changes: object) -> InjectorConfig:
        """What it runs with."""
        given = {
            "config": str(self.file),
            "listen": TcpAddress("127.0.0.1", 0),
            "admin": TcpAddress("127.0.0.1", 0),
            "namespace": "injectors",
            "service": "hook",
            "webhook_configuration": "hooks",
            "secret": "tls",
            "tls_directory": None,
            "exclude": ("private",),
            "deny": False,
        }
        return InjectorConfig(**{**given, **changes})  # type: ignore[arg-type]

    async def stop(self) -> None:
        """End it."""
        await self.api.__aexit__(None, None, None)
        await self.server.stop()


@pytest.fixture
async def inside(tmp_path: Path) -> AsyncIterator[Inside]:
    """An injector that has looked once."""
    inside = Inside(tmp_path)
    await inside.start()
    await inside.injector.look()
    yield inside
    await inside.stop()


async def test_changed_settings_are_taken_and_broken_ones_are_not(inside: Inside):
    """A broken file leaves those before in force, and is counted once."""
    rules = inside.injector.webhook.rules
    assert rules.settings.port == 6380
    inside.file.write_text("port: 6390000\n")
    for _ in range(3):
        await inside.injector.look()
    assert inside.injector.webhook.rules.settings.port == 6380
    assert inside.injector.counters.settings_failures == 1
    inside.file.write_text("port: 6400\n\n")
    await inside.injector.look()
    assert inside.injector.webhook.rules.settings.port == 6400
    assert inside.injector.webhook.rules.excluded >= {"injectors", "private", "kube-system"}


@pytest.mark.parametrize(
    ("minor", "native"), [("28", False), ("28+", False), ("29", True), ("29+", True), ("35", True), ("x", True)]
)
async def test_the_form_follows_the_clusters_version(inside: Inside, minor: str, native: bool):
    """Some providers write 28+; what cannot be read changes nothing."""
    inside.server.minor = minor
    await inside.injector.look()
    assert inside.injector.webhook.rules.native_supported is native


async def test_an_api_server_that_fails_leaves_the_certificate_in_use(inside: Inside):
    """Counted; what is served goes on."""
    before = inside.injector.counters.certificate
    assert before is not None
    inside.server.before = lambda method, path: 500
    await inside.injector.look()
    assert inside.injector.counters.certificate == before
    assert inside.injector.counters.certificate_failures == 1
    inside.server.before = lambda method, path: None


async def test_a_renewed_certificate_is_taken_into_use(inside: Inside, monkeypatch: pytest.MonkeyPatch):
    """By its time; the metric of its age follows."""
    before = inside.injector.counters.certificate
    later = utc_now() + timedelta(days=61)
    monkeypatch.setattr(service, "utc_now", lambda: later)
    await inside.injector.look()
    after = inside.injector.counters.certificate
    assert after is not None and before is not None and after != before
    assert validity(after)[1] > validity(before)[1]
    text = InjectorExposition(inside.injector.counters, lambda: True, lambda: later).render()[0].decode()
    samples = {s.name: s.value for f in text_string_to_metric_families(text) for s in f.samples}
    assert samples["feature_sidecar_injector_certificate_age_seconds"] == pytest.approx(300, abs=2)


async def test_every_metric_of_the_catalog_is_there(inside: Inside):
    """From the first scrape on; those of the certificate from the first certificate on."""
    text = InjectorExposition(inside.injector.counters, lambda: False, utc_now).render()[0].decode()
    names = {s.name for f in text_string_to_metric_families(text) for s in f.samples}
    for metric in INJECTOR_CATALOG:
        assert metric.full_name in names or metric.full_name + "_bucket" in names, metric.name
    assert not {metric.name for metric in INJECTOR_CATALOG[:-1]} & {metric.name for metric in CATALOG}


async def test_settings_that_cannot_be_used_stop_the_start(inside: Inside):
    """Unlike a change: there is nothing to go on with."""
    inside.file.write_text("port: x\n")
    with pytest.raises(SettingsError):
        Injector(inside.config(), inside.api)
    with pytest.raises(CertificateError, match="give --tls-directory"):
        Injector(inside.config(config=None), None)
