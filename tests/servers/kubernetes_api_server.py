"""A Kubernetes API server for what the injector asks of one: Secrets, a webhook configuration, events, the version.

It keeps resourceVersions as the real one does and answers conflicts with 409, a failed test of a patch with 422.
Tests tell it what to fail. Its objects are plain dicts that tests look at.
"""

import ssl
from collections.abc import Callable
from typing import Any

import jsonpatch
from aiohttp import web

TOKEN = "the-token"


class KubernetesApiServer:
    """Serves on loopback, on a port that the system chose.

    Attributes:
        objects: by path.
        events: as they were posted.
        requests: method and path of each, in order.
        before: called before each request with method and path; it may change objects (somebody else's write in
            between) or return a status to fail with.
    """

    def __init__(self, minor: str = "32") -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[str, str], int | None] = lambda method, path: None
        self.minor = minor
        self._version = 100
        self._runner: web.AppRunner | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> str:
        """Listen; returns the base URL."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls).start()
        return f"{'https' if tls else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def put(self, path: str, item: dict[str, Any]) -> dict[str, Any]:
        """Store an object with a new resourceVersion."""
        self._version += 1
        metadata = {**item.get("metadata", {}), "resourceVersion": str(self._version)}
        self.objects[path] = {**item, "metadata": metadata}
        return self.objects[path]

    def put_webhooks(self, name: str, count: int = 2) -> str:
        """Store a MutatingWebhookConfiguration as the chart makes it; returns its path."""
        path = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{name}"
        client = {"service": {"name": name, "namespace": "injectors", "path": "/inject"}}
        webhooks = [{"name": f"w{n}.feature-sidecar.io", "clientConfig": client} for n in range(count)]
        self.put(path, {"metadata": {"name": name}, "webhooks": webhooks})
        return path

    async def _answer(self, request: web.Request) -> web.Response:
        method, path = request.method, request.path
        self.requests.append((method, path))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _status(401, "Unauthorized")
        failed = self.before(method, path)
        if failed:
            return _status(failed, "told to fail")
        if path == "/version":
            return web.json_response({"major": "1", "minor": self.minor, "gitVersion": f"v1.{self.minor}.0"})
        body = await request.json() if method != "GET" else None
        if method == "POST":
            return self._create(path, body)
        if path not in self.objects:
            return _status(404, f"{path} not found")
        if method == "GET":
            return web.json_response(self.objects[path])
        return self._replace(path, body) if method == "PUT" else self._patch(path, body)

    def _create(self, collection: str, body: dict[str, Any]) -> web.Response:
        if collection.endswith("/events"):
            self.events.append((collection.split("/")[4], body))
            return web.json_response(body, status=201)
        path = f"{collection}/{body['metadata']['name']}"
        if path in self.objects:
            return _status(409, "already exists")
        return web.json_response(self.put(path, body), status=201)

    def _replace(self, path: str, body: dict[str, Any]) -> web.Response:
        if body["metadata"].get("resourceVersion") != self.objects[path]["metadata"]["resourceVersion"]:
            return _status(409, "the object has been modified")
        return web.json_response(self.put(path, body))

    def _patch(self, path: str, operations: list[dict[str, Any]]) -> web.Response:
        try:
            changed = jsonpatch.apply_patch(self.objects[path], operations)
        except jsonpatch.JsonPatchTestFailed:
            return _status(422, "the server rejected our request due to an error in our request")
        return web.json_response(self.put(path, changed))


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "message": message}, status=code)
