"""Who the sidecar is to a Couchbase cluster, and whose certificates it trusts; read again where the files change."""

import os
import ssl
from pathlib import Path

from couchbase.auth import Authenticator, CertificateAuthenticator, PasswordAuthenticator

from sidecar.origins.errors import OriginSetupError
from sidecar.secret import Secret, SecretFile

_ASK = (
    "origin: couchbase needs a user: set SIDECAR_ORIGIN_USERNAME, and SIDECAR_ORIGIN_PASSWORD or "
    "SIDECAR_ORIGIN_PASSWORD_FILE; or a client certificate: SIDECAR_ORIGIN_CERTIFICATE and SIDECAR_ORIGIN_KEY"
)


class CouchbaseCredentials:
    """A user and password, or a client certificate.

    Args:
        tls: the URL is ``couchbases://``.
        ca: a file of certificates (PEM) that the cluster's must be signed by; None: the system's, and Capella's.

    Raises:
        OriginSetupError: what is missing, or cannot be read, and what to do.
    """

    def __init__(
        self,
        *,
        tls: bool,
        username: str | None = None,
        password: Secret | SecretFile | None = None,
        certificate: str | None = None,
        key: str | None = None,
        ca: str | None = None,
    ) -> None:
        self._username = username
        self._password = password
        self._certificate = certificate
        self._key = key
        self._ca = ca
        self._tls = tls
        if (certificate or ca) and not tls:
            given = "a client certificate" if certificate else "a certificate authority"
            raise OriginSetupError(f"origin: found {given} and couchbase://, expected couchbases:// (TLS)")
        if certificate and (username or password):
            raise OriginSetupError("origin: found a client certificate and a user, expected one of them")
        if not certificate and (not username or password is None):
            raise OriginSetupError(_ASK)
        for path in filter(None, (certificate, key, ca)):
            if not os.access(path, os.R_OK):
                raise OriginSetupError(f"origin: cannot read {path}: name a PEM file that this user may read")
        self.tls_context()
        self._seen = self._stamps()

    def authenticator(self) -> Authenticator:
        """What the SDK logs in by, as the files are now."""
        if self._certificate is not None:
            return CertificateAuthenticator(self._certificate, self._key, self._ca)
        assert self._username is not None
        assert self._password is not None
        return PasswordAuthenticator(self._username, self._password.reveal().decode(), cert_path=self._ca)

    def tls_context(self) -> ssl.SSLContext | None:
        """For a look at what the SDK meets, as it says "timeout" of a bad certificate; None: no TLS.

        Raises:
            OriginSetupError: a file holds no certificate or key, or the two do not belong together.
        """
        if not self._tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self._ca)
            if self._certificate is not None:
                context.load_cert_chain(self._certificate, self._key)
        except (ssl.SSLError, OSError) as exc:
            files = ", ".join(filter(None, (self._certificate, self._key, self._ca)))
            raise OriginSetupError(f"origin: {files}: no PEM certificate and key that fit: {exc}") from exc
        return context

    def refresh(self) -> bool:
        """Look at the files; True: something is new.

        Raises:
            SecretFileError: the password's file became unusable; the old password stays.
            OriginSetupError: the certificate's did.
        """
        changed = isinstance(self._password, SecretFile) and self._password.refresh()
        stamps = self._stamps()
        if stamps == self._seen:
            return changed
        self._seen = stamps
        self.tls_context()  # a half-written file is told, and looked at again when it changes
        return True

    def __repr__(self) -> str:
        return f"CouchbaseCredentials({self._username or self._certificate!r})"

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in (self._certificate, self._key, self._ca) if path is not None]


def _stamp(path: str) -> tuple[int, int, int] | None:
    """Changes when the file's content may have; None: it is gone for now (Kubernetes swaps mounted Secrets)."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
