"""The webhook's certificates: an authority of our own, and what it signs."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
SERVING_DAYS = 90
_CLOCK_SKEW = timedelta(minutes=5)  # an API server whose clock is behind must trust a new one


class Pair(NamedTuple):
    """A certificate and its private key, PEM."""

    certificate: bytes
    key: bytes


def make_authority(now: datetime) -> Pair:
    """An authority that signs one webhook's certificates, self-signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("feature-sidecar injector CA")
    builder = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def make_serving(authority: Pair, hosts: list[str], now: datetime) -> Pair:
    """A server's certificate for ``hosts``, the first its name, signed by the authority."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signer = _signing_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    # X.509 bounds a common name at 64 characters, and hosts are judged by the alternative names anyway
    builder = (
        _builder(_name(hosts[0][:64]), issuer.subject, key.public_key(), now, SERVING_DAYS)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return Pair(_pem(builder.sign(signer, hashes.SHA256())), _key_pem(key))


def validity(certificate: bytes) -> tuple[datetime, datetime]:
    """From when until when the first certificate of a PEM file is valid.

    Raises:
        ValueError: it is no certificate.
    """
    first = x509.load_pem_x509_certificate(certificate)
    return first.not_valid_before_utc, first.not_valid_after_utc


def is_due(certificate: bytes, now: datetime) -> bool:
    """Whether it should be replaced: in the last third of its life, or not a certificate."""
    try:
        begin, end = validity(certificate)
    except ValueError:
        return True
    return now >= end - (end - begin) / 3 or now < begin


def belongs_together(pair: Pair) -> bool:
    """Whether the key is the certificate's."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, None)
    except (ValueError, TypeError):
        return False
    return key.public_key() == certificate.public_key()


def is_for(certificate: bytes, authority: bytes, hosts: list[str]) -> bool:
    """Whether a certificate names all the hosts and is signed by the authority."""
    try:
        serving = x509.load_pem_x509_certificate(certificate)
        issuer = x509.load_pem_x509_certificate(authority)
        names = serving.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        serving.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return set(hosts) <= set(names.get_values_for_type(x509.DNSName))


def bundle(current: bytes, earlier: bytes, now: datetime) -> bytes:
    """The authorities to trust: the current ones first, then earlier ones that are still valid; four at most."""
    kept: list[x509.Certificate] = []
    for certificate in (*_certificates(current), *_certificates(earlier)):
        if certificate.not_valid_after_utc > now and certificate not in kept:
            kept.append(certificate)
    return b"".join(map(_pem, kept[:4]))


def contains(bundled: bytes, certificate: bytes) -> bool:
    """Whether all of a PEM file's certificates are in a bundle."""
    wanted = _certificates(certificate)
    have = _certificates(bundled)
    return bool(wanted) and all(one in have for one in wanted)


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def _signing_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("found another kind of key, expected one of an elliptic curve")
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def utc_now() -> datetime:
    """Now, as certificates count time."""
    return datetime.now(UTC)
