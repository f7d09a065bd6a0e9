"""Where the webhook's certificate comes from: our own authority kept in a Secret, or files that something else renews.

Own authority. Certificates and keys live in one Secret, which all replicas read; the authority's certificates go into
the caBundle of the MutatingWebhookConfiguration. Replicas need no leader: the Secret is written with the
resourceVersion that was read, so of two that renew at once one gets a conflict and takes what the other wrote. The
order is what keeps the API server's calls working: first the Secret, then the caBundle, and only then is the new
certificate served; and authorities are only added to the caBundle, so a slow replica cannot take away the one that a
fast one serves by.
"""

import base64
import binascii
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from sidecar.injector.certificates import (
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
from sidecar.injector.kubernetes_api import ApiError, KubernetesApi
from sidecar.logs import logger

_ATTEMPTS = 5
_AUTHORITY, _AUTHORITY_KEY = "ca.crt", "ca.key"
_SERVING, _SERVING_KEY = "tls.crt", "tls.key"
_log = logger("injector")


class CertificateError(Exception):
    """There is no usable certificate now; the text tells why."""


class CertificateSource(Protocol):
    """Gives the certificate to serve."""

    async def current(self, now: datetime) -> Pair:
        """The pair to serve from now on; asked again and again.

        Raises:
            CertificateError: none can be had now; whoever serves an earlier one goes on with it.
        """


class CertificateFiles:
    """``tls.crt`` and ``tls.key`` of a directory, as cert-manager's Secret is mounted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def current(self, now: datetime) -> Pair:
        """The files as they are now. Read each time: they are small, and swapped by a symlink above them.

        Raises:
            CertificateError: missing, not PEM, or not a pair (as while they are being replaced).
        """
        try:
            pair = Pair((self._directory / _SERVING).read_bytes(), (self._directory / _SERVING_KEY).read_bytes())
            validity(pair.certificate)
        except OSError as exc:
            raise CertificateError(f"{exc.filename}: cannot be read: {exc.strerror}") from exc
        except ValueError as exc:
            raise CertificateError(f"{self._directory / _SERVING}: is not a certificate in PEM") from exc
        if not belongs_together(pair):
            raise CertificateError(f"{self._directory}: {_SERVING} and {_SERVING_KEY} do not belong together")
        return pair


class OwnAuthority:
    """An authority of our own, in a Secret."""

    def __init__(self, api: KubernetesApi, namespace: str, secret: str, webhooks: str, hosts: list[str]) -> None:
        """Nothing is called yet.

        Args:
            api: the API server.
            namespace: of the Secret.
            secret: its name; it may exist without data.
            webhooks: name of the MutatingWebhookConfiguration.
            hosts: what the API server calls the webhook.
        """
        self._api = api
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._secret = secret
        self._webhooks = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{webhooks}"
        self._hosts = hosts

    async def current(self, now: datetime) -> Pair:
        """Read the Secret, renew what is due, have the API server trust it.

        Raises:
            CertificateError: the API server does not answer or does not let us.
        """
        try:
            data = await self._agreed(now)
            await self._trust(data[_AUTHORITY], now)
        except ApiError as exc:
            raise CertificateError(str(exc)) from exc
        return Pair(data[_SERVING], data[_SERVING_KEY])

    async def _agreed(self, now: datetime) -> dict[str, bytes]:
        """The Secret's data after this replica or another renewed what was due."""
        for attempt in range(_ATTEMPTS):
            secret = await self._read()
            data = _decoded(secret.get("data") if secret else None)
            renewed = self._renewed(data, now)
            if renewed == data:
                return data
            try:
                await self._write(secret, renewed)
            except ApiError as exc:
                if not exc.is_conflict or attempt == _ATTEMPTS - 1:
                    raise
                continue  # another replica was faster: take what it wrote
            _log.info("certificate_renewed", until=validity(renewed[_SERVING])[1].isoformat())
            return renewed
        raise AssertionError("the last attempt returns or raises")

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._api.get(f"{self._secrets}/{self._secret}")
        except ApiError as exc:
            if exc.status == 404:
                return None
            raise

    async def _write(self, secret: dict[str, Any] | None, data: dict[str, bytes]) -> None:
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        if secret is None:
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": self._secret}, "type": "Opaque"}
            await self._api.create(self._secrets, {**body, "data": encoded})
        else:
            await self._api.replace(f"{self._secrets}/{self._secret}", {**secret, "data": encoded})

    def _renewed(self, data: dict[str, bytes], now: datetime) -> dict[str, bytes]:
        """The data with what is missing, broken or due made anew; the same where nothing is."""
        renewed = dict(data)
        authority = Pair(data.get(_AUTHORITY, b""), data.get(_AUTHORITY_KEY, b""))
        if is_due(authority.certificate, now) or not belongs_together(authority):
            made = make_authority(now)
            renewed[_AUTHORITY] = bundle(made.certificate, authority.certificate, now)
            renewed[_AUTHORITY_KEY] = made.key
            authority = made
        serving = Pair(data.get(_SERVING, b""), data.get(_SERVING_KEY, b""))
        if (
            is_due(serving.certificate, now)
            or not belongs_together(serving)
            or not is_for(serving.certificate, authority.certificate, self._hosts)
        ):
            renewed[_SERVING], renewed[_SERVING_KEY] = make_serving(authority, self._hosts, now)
        return renewed

    async def _trust(self, authorities: bytes, now: datetime) -> None:
        """Have the caBundle of each webhook hold the authorities."""
        for attempt in range(_ATTEMPTS):
            configuration = await self._api.get(self._webhooks)
            operations = _trusting(configuration, authorities, now)
            if not operations:
                return
            try:
                await self._api.patch(self._webhooks, operations)
            except ApiError as exc:
                if not exc.is_conflict or attempt == _ATTEMPTS - 1:
                    raise
                continue  # somebody changed it in between: look again
            _log.info("ca_bundle_patched", webhooks=len(operations) - 1)
            return


def _trusting(configuration: dict[str, Any], authorities: bytes, now: datetime) -> list[dict[str, Any]]:
    """The patch that adds the authorities where they are missing; empty: they are everywhere."""
    operations = []
    for number, webhook in enumerate(configuration.get("webhooks") or []):
        present = _from_base64((webhook.get("clientConfig") or {}).get("caBundle") or "")
        if not contains(present, authorities):
            value = base64.b64encode(bundle(authorities, present, now)).decode()
            operations.append({"op": "add", "path": f"/webhooks/{number}/clientConfig/caBundle", "value": value})
    if not operations:
        return []
    version = configuration["metadata"]["resourceVersion"]
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *operations]


def _decoded(data: dict[str, str] | None) -> dict[str, bytes]:
    return {name: _from_base64(value) for name, value in (data or {}).items()}


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
