"""The few calls of the Kubernetes API that the injector makes, as the service account of its pod."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_S = 10.0
_MAX_ANSWER_BYTES = 16 << 20


class ApiError(Exception):
    """A call failed.

    Attributes:
        status: HTTP status; 0: no answer came.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    @property
    def is_conflict(self) -> bool:
        """Somebody else wrote in between (409), or a patch's test failed (422)."""
        return self.status in (409, 422)


class KubernetesApi:
    """Calls the API server of the cluster that this pod runs in."""

    def __init__(self, base_url: str, token_file: Path | None, tls: ssl.SSLContext | None) -> None:
        """Use ``in_cluster`` but in tests.

        Args:
            base_url: without a slash at its end.
            token_file: read at each call, for Kubernetes replaces the token every hour.
            tls: how to trust the server; None: plain HTTP.
        """
        self._base_url = base_url
        self._token_file = token_file
        self._connector = aiohttp.TCPConnector(ssl=tls if tls is not None else True, limit=4)
        self._session = aiohttp.ClientSession(
            connector=self._connector, timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), trust_env=False
        )

    @classmethod
    def in_cluster(cls, environment: Mapping[str, str] = os.environ, account: Path = SERVICE_ACCOUNT) -> Self:
        """The API server that Kubernetes tells every pod of.

        Raises:
            ApiError: this is no pod, or it has no service account.
        """
        host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
        if not host or not port:
            raise ApiError(0, "KUBERNETES_SERVICE_HOST is not set: this is no pod of a cluster; give --tls-directory")
        try:
            tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
        except OSError as exc:
            raise ApiError(0, f"{account}/ca.crt: cannot be read: {exc.strerror}; mount a service account") from exc
        shown = f"[{host}]" if ":" in host else host
        return cls(f"https://{shown}:{port}", account / "token", tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str) -> dict[str, Any]:
        """One object.

        Raises:
            ApiError: 404 where there is none.
        """
        return await self._call("GET", path)

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object; ``path`` is its collection's.

        Raises:
            ApiError: 409 where it exists.
        """
        return await self._call("POST", path, body)

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace an object; its resourceVersion must be the one that was read.

        Raises:
            ApiError: 409 where somebody else wrote in between.
        """
        return await self._call("PUT", path, body)

    async def patch(self, path: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
        """Apply a JSON patch.

        Raises:
            ApiError: 409 or 422 where a test in it failed.
        """
        return await self._call("PATCH", path, operations, "application/json-patch+json")

    async def _call(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data, headers["Content-Type"] = orjson.dumps(body), content_type
        try:
            if self._token_file is not None:
                headers["Authorization"] = f"Bearer {self._token_file.read_text(encoding='ascii').strip()}"
            async with self._session.request(method, self._base_url + path, data=data, headers=headers) as response:
                text = await response.content.read(_MAX_ANSWER_BYTES)
                if response.status >= 300:
                    raise ApiError(response.status, f"{method} {path}: {response.status}: {_message(text)}")
                answer = orjson.loads(text)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
            raise ApiError(0, f"{method} {path}: {type(exc).__name__}: {exc}") from exc
        if not isinstance(answer, dict):
            raise ApiError(0, f"{method} {path}: found no object in the answer")
        return answer


def _message(body: bytes) -> str:
    """The message of a Status object, or the beginning of whatever it was."""
    try:
        message = orjson.loads(body).get("message")
    except (ValueError, AttributeError):
        message = None
    return str(message or body[:200].decode("utf-8", "replace"))[:300]
