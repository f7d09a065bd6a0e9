"""The admin port: metrics, probes, policy, explain, invalidation and the live page, over HTTP on the same loop."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from sidecar import admin_http, explain, overview
from sidecar.address import TcpAddress
from sidecar.admin_access import refusal
from sidecar.admin_http import BadRequest, GradualResponse, Request, Response, json, text
from sidecar.clock import Clock
from sidecar.config import Config
from sidecar.fetch import ReadThrough
from sidecar.listening_socket import listening_socket
from sidecar.logs import logger
from sidecar.metrics.collector import MetricSources
from sidecar.metrics.exposition import Exposition
from sidecar.prefetch import Prefetcher
from sidecar.prefetch.report import report
from sidecar.secret import SecretFile

MAX_CONNECTIONS = 64  # Prometheus, the kubelet, a few pages
_WRITE_TIMEOUT_S = 10.0
_PAGE_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "img-src data:; connect-src 'self'; frame-ancestors 'none'",
    ),
)
_log = logger("admin")


class AdminServices(MetricSources, Protocol):
    """What the admin port works with, beside what the metrics read; ``sidecar.server`` provides it.

    Attributes:
        config: the effective configuration.
        exposition: renders the metrics.
        reads: the read side of the miss path.
        prefetcher: follows feature sets and what was learned.
        admin_token: None where none is asked for.
        started_at: seconds since the epoch.
    """

    config: Config
    exposition: Exposition
    reads: ReadThrough
    prefetcher: Prefetcher
    admin_token: SecretFile | None
    started_at: float

    @property
    def clock(self) -> Clock:
        """What ages are judged by."""

    def drain(self) -> None:
        """Begin to turn clients away: /readyz fails from now on."""

    def quit(self) -> None:
        """Stop as on SIGTERM."""


class AdminServer:
    """Listens on the admin address and answers from ``AdminServices``."""

    def __init__(self, services: AdminServices) -> None:
        self._services = services
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._page = Path(__file__).with_name("admin_page.html").read_bytes()
        self._routes: dict[str, tuple[str, Callable[[Request], Response | GradualResponse]]] = {
            "/": ("GET", self._live_page),
            "/metrics": ("GET", self._metrics),
            "/healthz": ("GET", self._healthz),
            "/readyz": ("GET", self._readyz),
            "/policy": ("GET", self._policy),
            "/config": ("GET", self._config),
            "/explain": ("GET", self._explain),
            "/overview": ("GET", self._overview),
            "/prefetch": ("GET", self._prefetch),
            "/invalidate": ("POST", self._invalidate),
            "/drain": ("POST", self._drain),
            "/quit": ("POST", self._quit),
        }

    async def start(self, address: TcpAddress) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the address cannot be had.
        """
        listening = listening_socket(address)
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=admin_http.MAX_HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end open connections."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._connections):
            writer.close()

    def answer(self, request: Request, peer: str) -> Response | GradualResponse:
        """The response to one request: access first, then the route."""
        token = self._services.admin_token
        refused = refusal(request, peer, token.matches if token else None)
        if refused is not None:
            return refused
        route = self._routes.get(request.path)
        if route is None:
            return text(404, "no such page; there are " + " ".join(sorted(self._routes)))
        method, handler = route
        if request.method != method and not (method == "GET" and request.method == "HEAD"):
            return Response(405, f"{request.path} takes {method}\n".encode(), headers=(("Allow", method),))
        return handler(request)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(writer)
        peer = (writer.get_extra_info("peername") or ("",))[0]
        try:
            while (request := await admin_http.read_request(reader)) is not None:
                response = await self._answer_or_500(request, peer)
                await self._send(writer, response, head_only=request.method == "HEAD", close=request.wants_close())
                if request.wants_close():
                    break
        except BadRequest as exc:
            await self._send(writer, text(exc.status, str(exc)), head_only=False, close=True)
        except (ConnectionError, TimeoutError):
            pass  # the peer went away, or did not take the answer in time
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer_or_500(self, request: Request, peer: str) -> Response:
        try:
            response = self.answer(request, peer)
            return await response.whole() if isinstance(response, GradualResponse) else response
        except Exception as exc:  # a bug of ours must not take the port down
            _log.error("admin_request_failed", path=request.path, exc_info=exc)
            return text(500, "internal error; see the log")

    async def _send(self, writer: asyncio.StreamWriter, response: Response, *, head_only: bool, close: bool) -> None:
        writer.write(response.encode(head_only=head_only, close=close))
        await asyncio.wait_for(writer.drain(), _WRITE_TIMEOUT_S)

    def _live_page(self, _: Request) -> Response:
        return Response(200, self._page, "text/html; charset=utf-8", _PAGE_HEADERS)

    def _metrics(self, request: Request) -> GradualResponse:
        return GradualResponse(*self._services.exposition.pieces(request.headers.get("accept", "")))

    def _healthz(self, _: Request) -> Response:
        return text(200, "ok")

    def _readyz(self, _: Request) -> Response:
        reasons = self._services.health.reasons()
        return text(503, "; ".join(reasons)) if reasons else text(200, "ready")

    def _policy(self, _: Request) -> Response:
        status = self._services.policy_status
        return json({name: getattr(status, name) for name in type(status).__slots__})

    def _config(self, _: Request) -> Response:
        rows = self._services.config.shown()
        return json({name: {"value": value, "source": source} for name, value, source in rows})

    def _overview(self, _: Request) -> Response:
        return json(overview.collect(self._services))

    def _prefetch(self, _: Request) -> Response:
        return json(report(self._services.prefetcher, self._services.policy.current))

    def _explain(self, request: Request) -> Response:
        key = request.query.get("key")
        if key is None:
            return text(400, "found no key, expected /explain?key=KEY or /explain?key=KEY&field=FIELD")
        return json(explain.explain(self._services, key, request.query.get("field")))

    def _invalidate(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(request.body, type=_Invalidation)
        except msgspec.DecodeError as exc:
            return text(400, f'found {exc}, expected {{"keys": ["user:42"]}} or {{"match": "user:*"}}')
        if (wanted.keys is None) == (wanted.match is None):
            return text(400, 'expected {"keys": [...]} or {"match": "..."}, one of the two')
        if wanted.keys is not None:
            held = self._services.reads.invalidate([key.encode() for key in wanted.keys])
            return json({"keys": len(wanted.keys), "held": held})
        assert wanted.match is not None
        self._services.reads.invalidate_match(wanted.match.encode())  # walks on behind this answer, in small steps
        return json({"match": wanted.match})

    def _drain(self, _: Request) -> Response:
        self._services.drain()
        return text(200, "draining")

    def _quit(self, _: Request) -> Response:
        asyncio.get_running_loop().call_soon(self._services.quit)  # after this answer is on its way
        return text(200, "stopping")


class _Invalidation(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /invalidate."""

    keys: list[str] | None = None
    match: str | None = None
