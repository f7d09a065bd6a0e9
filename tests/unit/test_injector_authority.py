"""Our own authority: renewed in time, agreed on by replicas, trusted by the API server before it is served by."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from servers.kubernetes_api_server import TOKEN, KubernetesApiServer

from sidecar.injector.certificate_source import CertificateError, OwnAuthority
from sidecar.injector.certificates import (
    AUTHORITY_DAYS,
    Pair,
    belongs_together,
    contains,
    is_due,
    is_for,
    make_authority,
)
from sidecar.injector.kubernetes_api import ApiError, KubernetesApi

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOSTS = ["injector.injectors.svc", "injector.injectors.svc.cluster.local"]
SECRET = "/api/v1/namespaces/injectors/secrets/tls"


class Cluster:
    """An API server and clients of it."""

    def __init__(self, folder: Path) -> None:
        self.server = KubernetesApiServer()
        self.webhooks = self.server.put_webhooks("injector")
        self._folder = folder
        self._apis: list[KubernetesApi] = []

    async def start(self) -> None:
        """Serve."""
        self._url = await self.server.start()
        self._token = self._folder / "token"
        self._token.write_text(TOKEN + "\n")

    def replica(self) -> OwnAuthority:
        """One replica's source."""
        api = KubernetesApi(self._url, self._token, None)
        self._apis.append(api)
        return OwnAuthority(api, "injectors", "tls", "injector", HOSTS)

    async def stop(self) -> None:
        """End clients and server."""
        for api in self._apis:
            await api.__aexit__(None, None, None)
        await self.server.stop()

    def trusted(self) -> list[bytes]:
        """The caBundle of each webhook."""
        clients = [webhook["clientConfig"] for webhook in self.server.objects[self.webhooks]["webhooks"]]
        return [base64.b64decode(client.get("caBundle", "")) for client in clients]

    def secret(self, name: str) -> bytes:
        """What the Secret holds."""
        return base64.b64decode(self.server.objects[SECRET]["data"][name])


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A fake cluster."""
    cluster = Cluster(tmp_path)
    await cluster.start()
    yield cluster
    await cluster.stop()


def is_trusted(pair: Pair, bundled: bytes) -> bool:
    """Whether one of a bundle's authorities signed a certificate, as an API server judges."""
    authorities = x509.load_pem_x509_certificates(bundled)
    return any(is_for(pair.certificate, pem_of(authority), HOSTS) for authority in authorities)


def pem_of(certificate: x509.Certificate) -> bytes:
    """As text."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


async def test_the_first_look_makes_all_and_the_next_nothing(cluster: Cluster):
    """Secret, caBundle of both webhooks, then quiet: three reads and no write."""
    source = cluster.replica()
    pair = await source.current(NOW)
    assert belongs_together(pair)
    assert all(is_trusted(pair, bundled) for bundled in cluster.trusted())
    cluster.server.requests.clear()
    assert await source.current(NOW + timedelta(days=1)) == pair
    assert [method for method, _ in cluster.server.requests] == ["GET", "GET"]


async def test_an_empty_secret_of_the_chart_is_filled_and_keeps_its_labels(cluster: Cluster):
    """So that no permission to create Secrets is needed."""
    cluster.server.put(SECRET, {"metadata": {"name": "tls", "labels": {"a": "b"}}, "type": "Opaque"})
    await cluster.replica().current(NOW)
    assert cluster.server.objects[SECRET]["metadata"]["labels"] == {"a": "b"}
    assert {method for method, path in cluster.server.requests if "secrets" in path} == {"GET", "PUT"}


async def test_the_certificate_is_renewed_and_the_authority_stays(cluster: Cluster):
    """Every sixty days; the caBundle need not change."""
    source = cluster.replica()
    first = await source.current(NOW)
    bundled = cluster.trusted()
    later = NOW + timedelta(days=61)
    second = await source.current(later)
    assert second != first
    assert not is_due(second.certificate, later)
    assert cluster.trusted() == bundled


async def test_a_renewed_authority_is_added_before_it_is_served_by(cluster: Cluster):
    """At every moment the API server trusts both the replica that has renewed and the one that has not."""
    quick, slow = cluster.replica(), cluster.replica()
    old = await quick.current(NOW)
    assert await slow.current(NOW) == old
    later = NOW + timedelta(days=AUTHORITY_DAYS * 0.7)
    new = await quick.current(later)
    assert new != old
    for bundled in cluster.trusted():
        assert is_trusted(new, bundled)
        assert contains(bundled, cluster.secret("ca.crt"))
        assert len(x509.load_pem_x509_certificates(bundled)) == 2
    assert len(x509.load_pem_x509_certificates(cluster.secret("ca.crt"))) == 2
    assert await slow.current(later) == new


@pytest.mark.parametrize("broken", ["ca.crt", "ca.key", "tls.crt", "tls.key"])
@pytest.mark.parametrize("value", ["", "!!!", base64.b64encode(b"garbage").decode()])
async def test_what_is_broken_in_the_secret_is_mended(cluster: Cluster, broken: str, value: str):
    """Edited by hand, half restored: a usable pair comes of it, and the API server trusts it."""
    source = cluster.replica()
    await source.current(NOW)
    cluster.server.objects[SECRET]["data"][broken] = value
    pair = await source.current(NOW)
    assert belongs_together(pair)
    assert all(is_trusted(pair, bundled) for bundled in cluster.trusted())


async def test_what_is_trusted_stays_trusted(cluster: Cluster):
    """Authorities are only added: one there may be of a replica that was faster than we."""
    other = make_authority(NOW)
    encoded = base64.b64encode(other.certificate).decode()
    for webhook in cluster.server.objects[cluster.webhooks]["webhooks"]:
        webhook["clientConfig"] = {**webhook["clientConfig"], "caBundle": encoded}
    pair = await cluster.replica().current(NOW)
    for bundled in cluster.trusted():
        assert is_trusted(pair, bundled) and contains(bundled, other.certificate)


async def test_a_bundle_that_was_reset_is_filled_again(cluster: Cluster):
    """An upgrade or another tool may write the configuration anew."""
    source = cluster.replica()
    pair = await source.current(NOW)
    cluster.server.put_webhooks("injector", count=3)
    cluster.server.objects[cluster.webhooks]["webhooks"][0]["clientConfig"]["caBundle"] = "Cg=="
    assert await source.current(NOW) == pair
    assert len(cluster.trusted()) == 3
    assert all(is_trusted(pair, bundled) for bundled in cluster.trusted())


@pytest.mark.parametrize("seed", range(20))
async def test_replicas_that_start_at_once_agree(cluster: Cluster, seed: int):
    """Whatever the order of their calls: one Secret is written, all serve it, and it is trusted."""
    chance = random.Random(seed)
    delays = {}

    async def current(number: int) -> Pair:
        source = cluster.replica()
        for _ in range(20):
            await asyncio.sleep(delays.setdefault(number, chance.random() / 200))
            try:
                await source.current(NOW)
            except CertificateError:
                continue  # conflicts five times in a row: it looks again later
            break
        return await source.current(NOW)

    pairs = await asyncio.gather(*(current(number) for number in range(4)))
    assert len(set(pairs)) == 1
    assert cluster.secret("tls.crt") == pairs[0].certificate
    assert all(is_trusted(pairs[0], bundled) for bundled in cluster.trusted())


async def test_a_conflict_takes_what_the_other_replica_wrote(cluster: Cluster):
    """Between our read and our write another one made everything."""
    ours, theirs = cluster.replica(), cluster.replica()
    other: list[Pair] = []
    cluster.server.put(SECRET, {"metadata": {"name": "tls"}})

    async def interfere() -> None:
        other.append(await theirs.current(NOW))

    original = ours._write

    async def slow_write(*arguments: object) -> None:
        if not other:
            await interfere()
        await original(*arguments)  # type: ignore[arg-type]

    ours._write = slow_write  # type: ignore[method-assign]
    assert await ours.current(NOW) == other[0]


async def test_a_changed_configuration_is_looked_at_again(cluster: Cluster):
    """The patch tests the version that was read; a 422 is no error of ours."""
    source = cluster.replica()
    changes = iter(range(2))

    def change(method: str, path: str) -> None:
        if method == "PATCH" and next(changes, None) is not None:
            cluster.server.put(path, cluster.server.objects[path])

    cluster.server.before = change
    pair = await source.current(NOW)
    assert all(is_trusted(pair, bundled) for bundled in cluster.trusted())
    assert [method for method, _ in cluster.server.requests].count("PATCH") == 3


@pytest.mark.parametrize("status", [401, 403, 409, 422, 429, 500, 503])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
async def test_an_api_server_that_refuses_is_told_of(cluster: Cluster, status: int, method: str):
    """Whatever fails, it is a CertificateError with the call in it, after a bounded number of tries."""
    cluster.server.put(SECRET, {"metadata": {"name": "tls"}})
    cluster.server.before = lambda found, path: status if found == method else None
    with pytest.raises(CertificateError, match=rf"{method} /.*: {status}: told to fail"):
        await cluster.replica().current(NOW)
    assert len(cluster.server.requests) <= 20


async def test_a_missing_configuration_is_told_of(cluster: Cluster):
    """The Secret is made all the same, so the next look is enough."""
    del cluster.server.objects[cluster.webhooks]
    with pytest.raises(CertificateError, match="404"):
        await cluster.replica().current(NOW)
    assert SECRET in cluster.server.objects


async def test_the_token_is_read_at_each_call(cluster: Cluster, tmp_path: Path):
    """Kubernetes replaces it every hour."""
    source = cluster.replica()
    (tmp_path / "token").write_text("old")
    with pytest.raises(CertificateError, match="401"):
        await source.current(NOW)
    (tmp_path / "token").write_text(TOKEN)
    await source.current(NOW)


async def test_an_api_server_that_is_not_there_is_told_of(tmp_path: Path):
    """Connection refused, and a token that is missing."""
    (tmp_path / "token").write_text(TOKEN)
    server = KubernetesApiServer()
    url = await server.start()
    await server.stop()
    async with KubernetesApi(url, tmp_path / "token", None) as api:
        with pytest.raises(ApiError, match="GET /version") as raised:
            await api.get("/version")
        assert raised.value.status == 0 and not raised.value.is_conflict
        (tmp_path / "token").unlink()
        with pytest.raises(ApiError, match="FileNotFoundError"):
            await api.get("/version")


def test_outside_of_a_cluster_there_is_no_api(tmp_path: Path):
    """A clear message, and what to do."""
    with pytest.raises(ApiError, match="no pod of a cluster; give --tls-directory"):
        KubernetesApi.in_cluster({}, tmp_path)
    with pytest.raises(ApiError, match=r"ca.crt: cannot be read"):
        KubernetesApi.in_cluster({"KUBERNETES_SERVICE_HOST": "::1", "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)
