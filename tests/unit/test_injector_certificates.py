"""The webhook's certificates: made as TLS takes them, due in time, bundled; or read from files."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from sidecar.injector.certificate_source import CertificateError, CertificateFiles
from sidecar.injector.certificates import (
    AUTHORITY_DAYS,
    SERVING_DAYS,
    Pair,
    belongs_together,
    bundle,
    contains,
    is_due,
    is_for,
    make_authority,
    make_serving,
    validity,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOSTS = ["injector.injectors.svc", "injector.injectors.svc.cluster.local"]


def test_a_made_pair_is_what_tls_takes():
    """OpenSSL verifies the chain and the name; another name and another authority are refused."""
    authority = make_authority(NOW)
    pair = make_serving(authority, HOSTS, NOW)
    assert belongs_together(authority) and belongs_together(pair)
    assert is_for(pair.certificate, authority.certificate, HOSTS)
    assert not is_for(pair.certificate, authority.certificate, ["other.svc"])
    assert not is_for(pair.certificate, make_authority(NOW).certificate, HOSTS)
    begin, end = validity(pair.certificate)
    assert (begin, end) == (NOW - timedelta(minutes=5), NOW + timedelta(days=SERVING_DAYS))
    assert validity(authority.certificate)[1] == NOW + timedelta(days=AUTHORITY_DAYS)


def test_a_certificate_is_due_in_the_last_third_of_its_life():
    """Early enough that weeks of a failing renewal do no harm; what is none is due at once."""
    pair = make_serving(make_authority(NOW), HOSTS, NOW)
    assert not is_due(pair.certificate, NOW)
    assert not is_due(pair.certificate, NOW + timedelta(days=59))
    assert is_due(pair.certificate, NOW + timedelta(days=61))
    assert is_due(pair.certificate, NOW - timedelta(days=1))
    assert is_due(b"", NOW) and is_due(b"-----BEGIN CERTIFICATE-----\nx\n", NOW)


def test_a_long_service_name_fits():
    """A common name has 64 characters at most, hosts may have more."""
    host = f"{'a' * 63}.{'b' * 63}.svc"
    authority = make_authority(NOW)
    assert is_for(make_serving(authority, [host], NOW).certificate, authority.certificate, [host])


def test_a_bundle_keeps_earlier_authorities_while_they_are_valid():
    """Replicas that serve by the earlier one are trusted meanwhile; it does not grow for ever."""
    old, new, ended = make_authority(NOW), make_authority(NOW), make_authority(NOW - timedelta(days=AUTHORITY_DAYS + 1))
    both = bundle(new.certificate, old.certificate + ended.certificate, NOW)
    assert contains(both, new.certificate) and contains(both, old.certificate)
    assert not contains(both, ended.certificate)
    assert x509.load_pem_x509_certificate(both) == x509.load_pem_x509_certificate(new.certificate)
    assert bundle(new.certificate, b"garbage", NOW) == new.certificate
    many = b"".join(make_authority(NOW).certificate for _ in range(9))
    assert len(x509.load_pem_x509_certificates(bundle(new.certificate, many, NOW))) == 4
    assert not contains(both, b"") and not contains(b"", both)


async def test_files_are_read_each_time(tmp_path: Path):
    """cert-manager renews them; what does not belong together yet is not taken."""
    files = CertificateFiles(tmp_path)
    with pytest.raises(CertificateError, match="cannot be read"):
        await files.current(NOW)
    authority = make_authority(NOW)
    first, second = (make_serving(authority, HOSTS, NOW) for _ in range(2))
    (tmp_path / "tls.crt").write_bytes(first.certificate)
    (tmp_path / "tls.key").write_bytes(first.key)
    assert await files.current(NOW) == first
    (tmp_path / "tls.crt").write_bytes(second.certificate)
    with pytest.raises(CertificateError, match="do not belong together"):
        await files.current(NOW)
    (tmp_path / "tls.key").write_bytes(second.key)
    assert await files.current(NOW) == second
    (tmp_path / "tls.crt").write_bytes(b"garbage")
    with pytest.raises(CertificateError, match="is not a certificate"):
        await files.current(NOW)


def test_the_context_takes_what_is_made():
    """The ssl module loads it, without a file on a disk."""
    from sidecar.injector.webhook import ServingTls

    tls = ServingTls(make_serving(make_authority(NOW), HOSTS, NOW))
    with pytest.raises(ssl.SSLError):
        tls.use(Pair(b"garbage", b""))
