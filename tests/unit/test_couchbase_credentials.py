"""Logging in to Couchbase: users, client certificates, private authorities, and what happens when they change."""

import os
from pathlib import Path

import pytest
from servers.certificates import Authority
from servers.couchbase_node import CouchbaseNode
from servers.couchbase_node_origin import CLOCK, eventually, running_node, started_origin, within

from sidecar.origins import OriginSetupError, open_origin
from sidecar.origins.base import ABSENT, Applied, Cause, Found, OriginUnavailable, Read, SetValue
from sidecar.origins.couchbase_url import parse_couchbase_url
from sidecar.secret import Secret, SecretFile, SecretFileError


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ours")


@pytest.fixture
async def tls_node(authority):
    node = CouchbaseNode()
    node.tls = authority.server_context()
    await node.start()
    yield node
    await node.stop()


async def works(origin) -> None:
    assert await origin.write_many([SetValue(b"k", b"v")], within()) == [Applied((True, None))]
    assert await origin.fetch_many([Read(b"k"), Read(b"none")], within()) == [Found(b"v"), ABSENT]


async def test_tls_with_a_private_authority(tls_node, authority):
    """couchbases:// and --origin-ca: the cluster's certificate is signed by an authority of one's own."""
    assert tls_node.url.startswith("couchbases://")
    async with started_origin(tls_node.url, ca=authority.ca) as origin:
        await works(origin)


async def test_a_certificate_of_another_authority_is_told_as_the_cause(tls_node, tmp_path):
    """The SDK says timeout; our own look says what it is."""
    other = Authority(tmp_path / "theirs")
    async with started_origin(tls_node.url, ca=other.ca, bootstrap_timeout_s=1.0) as origin:
        with pytest.raises(OriginUnavailable) as caught:
            await origin.fetch_many([Read(b"k")], within(10_000))
    assert caught.value.cause is Cause.CERTIFICATE


async def test_a_client_certificate_in_place_of_a_user(authority):
    """Nobody is asked for a password, and who brings no certificate gets no connection."""
    node = CouchbaseNode()
    node.tls = authority.server_context(asks_clients=True)
    await node.start()
    try:
        files = authority.issue("client")
        given = {"username": None, "password": None, "certificate": files.certificate, "key": files.key}
        async with started_origin(node.url, ca=authority.ca, **given) as origin:
            await works(origin)
        assert node.requests["SASL_AUTH"] == 0
    finally:
        await node.stop()


async def test_a_rotated_password_is_taken_without_a_gap(tmp_path, caplog):
    """The file changes, the old password goes out of use at the cluster, and no request fails meanwhile."""
    file = tmp_path / "password"
    file.write_bytes(b"secret")
    async with running_node() as node, started_origin(node.url, password=SecretFile(str(file))) as origin:
        await works(origin)
        assert not origin.refresh_credentials()
        node.users["sidecar"] = "rotated"
        caplog.set_level("INFO")
        _replace(file, b"rotated")
        assert origin.refresh_credentials()
        await works(origin)
        await eventually(lambda: "credentials_renewed" in caplog.text)
        await works(origin)
        node.cut()  # who still used the old password would never come back
        assert await origin.fetch_many([Read(b"k")], within(10_000)) == [Found(b"v")]


async def test_a_rotated_password_that_is_wrong_leaves_the_connection_in_place(tmp_path, caplog):
    """One line says that it was refused; requests go on, and the right one is taken when it comes."""
    file = tmp_path / "password"
    file.write_bytes(b"secret")
    password = SecretFile(str(file))
    async with running_node() as node, started_origin(node.url, password=password, longest_pause_s=0.05) as origin:
        await works(origin)
        _replace(file, b"wrong")
        assert origin.refresh_credentials()
        await eventually(lambda: "new_credentials_refused" in caplog.text)
        await works(origin)
        _replace(file, b"secret")
        origin.refresh_credentials()
        caplog.set_level("INFO")
        await eventually(lambda: "credentials_renewed" in caplog.text)
        await works(origin)


async def test_files_that_become_unusable_are_told_once_and_change_nothing(tmp_path, authority):
    """An empty password, or half a certificate: the old ones stay."""
    file = tmp_path / "password"
    file.write_bytes(b"secret")
    async with running_node() as node, started_origin(node.url, password=SecretFile(str(file))) as origin:
        _replace(file, b"")
        with pytest.raises(SecretFileError):
            origin.refresh_credentials()
        assert not origin.refresh_credentials()
        await works(origin)
    files = authority.issue("client")
    origin = open_origin(
        "couchbases://127.0.0.1/b", clock=CLOCK, certificate=files.certificate, key=files.key, ca=authority.ca
    )
    _replace(Path(files.certificate), b"-----BEGIN CERTIFICATE-----\nhalf")
    with pytest.raises(OriginSetupError, match=r"client\.pem.*no PEM certificate and key that fit"):
        origin.refresh_credentials()
    assert not origin.refresh_credentials()


@pytest.mark.parametrize(
    ("url", "given", "told"),
    [
        ("couchbase://h/b", {"certificate": "C", "key": "K"}, "found a client certificate and couchbase://"),
        ("couchbase://h/b", {"ca": "A", "username": "u", "password": Secret(b"p")}, "expected couchbases:// (TLS)"),
        ("couchbases://h/b", {"certificate": "C", "key": "K", "username": "u"}, "expected one of them"),
        ("couchbases://h/b", {"certificate": "/nowhere", "key": "K"}, "cannot read /nowhere"),
        ("couchbases://h/b", {"certificate": "A", "key": "K"}, "no PEM certificate and key that fit"),
        ("couchbases://h/b", {}, "SIDECAR_ORIGIN_USERNAME"),
    ],
)
def test_credentials_that_cannot_be_used_end_the_start(authority, url, given, told):
    """With what was found and what was expected."""
    files = authority.issue("client")
    names = {"C": files.certificate, "K": files.key, "A": authority.ca}
    given = {name: names.get(value, value) if isinstance(value, str) else value for name, value in given.items()}
    with pytest.raises(OriginSetupError) as caught:
        open_origin(url, clock=CLOCK, **given)
    assert told in str(caught.value)


def test_capella_is_known_by_its_hosts():
    """Its clusters are far away: longer time to connect, the SDK's profile for that."""
    assert parse_couchbase_url("couchbases://cb.abc123.cloud.couchbase.com/b").is_capella
    assert not parse_couchbase_url("couchbases://db1,db2/b").is_capella


def _replace(file: Path, content: bytes) -> bytes:
    """As editors and Kubernetes do: a new file takes the name. What the old one held."""
    old = file.read_bytes()
    new = file.with_suffix(".new")
    new.write_bytes(content)
    os.replace(new, file)
    return old


async def test_a_password_that_changes_during_the_first_connection_is_taken_after_it(tmp_path, caplog):
    """The attempt under way has the old one; once it has succeeded the new one follows."""
    file = tmp_path / "password"
    file.write_bytes(b"secret")
    caplog.set_level("INFO")
    async with running_node() as node:
        node.hang()
        async with started_origin(node.url, password=SecretFile(str(file))) as origin:
            await eventually(lambda: len(node.connections) > 0)
            _replace(file, b"rotated")
            assert origin.refresh_credentials()
            node.resume()
            await works(origin)
            node.users["sidecar"] = "rotated"
            await eventually(lambda: "credentials_renewed" in caplog.text)
            await works(origin)


async def test_certificates_that_are_half_written_do_not_end_the_attempts(authority, tmp_path):
    """While the cluster cannot be reached and its files are being replaced: told as the cause, and mended by itself."""
    node = CouchbaseNode()
    node.tls = authority.server_context(asks_clients=True)
    await node.start()
    await node.stop()
    files = authority.issue("client")
    given = {"username": None, "password": None, "certificate": files.certificate, "key": files.key}
    fast = {"bootstrap_timeout_s": 0.5, "longest_pause_s": 0.05}
    async with started_origin(node.url, ca=authority.ca, **given, **fast) as origin:
        whole = _replace(Path(files.certificate), b"-----BEGIN CERTIFICATE-----\nhalf")
        await eventually(lambda: origin._connection.cause is Cause.CERTIFICATE)
        _replace(Path(files.certificate), whole)
        await node.start()
        await eventually(lambda: origin.connected)
        await works(origin)
    await node.stop()
