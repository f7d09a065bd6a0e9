"""The webhook's HTTP: reviews over TLS on one port, probes and metrics on another."""

import asyncio
import contextlib
import os
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from sidecar.injector.admission import AdmissionRules, BadReview, Verdict, answer
from sidecar.injector.certificates import Pair
from sidecar.injector.counters import InjectorCounters
from sidecar.injector.exposition import InjectorExposition
from sidecar.logs import logger

OPT_IN, OPT_OUT = "/inject", "/inject/by-default"
# The API server takes objects of 3 MiB; a review holds one, escaped
MAX_BODY_BYTES = 8 << 20
# A pod is some 10 KiB. Of bodies above this only some are read at a time: decoded they take several times their size,
# and whoever may create pods could otherwise fill the injector's memory
LARGE_BODY_BYTES = 256 << 10
LARGE_BODIES = 2
READ_TIMEOUT_S = 2.0  # the webhook's own timeout: nobody waits for longer
LINGER_S = 0.5  # how long the rest of a body that was refused is read, so that its sender sees the answer
DRAIN_S = 5.0
READ_BUFFER = 32 << 10  # of each connection, while its body waits for room
_log = logger("injector")
_REASON_OF_EVENT = {"refused": "SidecarNotInjected", "failed": "SidecarNotInjected", "injected": "SidecarAnnotations"}


class Webhook:
    """Answers reviews by the rules in force."""

    def __init__(
        self, rules: AdmissionRules, counters: InjectorCounters, tell: Callable[[dict[str, object], str, str], None]
    ) -> None:
        """Args:
        rules: may be replaced at any time.
        counters: counts reviews.
        tell: makes an event about a request, with a reason and a text.

        ``read_timeout_s`` may be set: how long a review may take to arrive.
        """
        self.rules = rules
        self._counters = counters
        self._tell = tell
        self.read_timeout_s = READ_TIMEOUT_S
        self._large = asyncio.Semaphore(LARGE_BODIES)

    def application(self) -> web.Application:
        """The routes of the TLS port."""
        application = web.Application()
        application.router.add_post(OPT_IN, self._handler(by_default=False))
        application.router.add_post(OPT_OUT, self._handler(by_default=True))
        return application

    def _handler(self, *, by_default: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            size = request.content_length
            room = self._large if size is None or size > LARGE_BODY_BYTES else contextlib.nullcontext()
            try:
                async with asyncio.timeout(self.read_timeout_s), room:
                    return self._answer(await _body(request), by_default)
            except TimeoutError:
                return self._unreadable(408, "the review did not arrive in time")

        return handle

    def _answer(self, body: bytes, by_default: bool) -> web.Response:
        began = time.perf_counter()
        try:
            verdict = answer(orjson.loads(body), self.rules, by_default=by_default)
        except (BadReview, orjson.JSONDecodeError) as exc:
            return self._unreadable(400, str(exc))
        self._record(verdict, time.perf_counter() - began)
        return web.Response(body=orjson.dumps(verdict.response), content_type="application/json")

    def _unreadable(self, status: int, text: str) -> web.Response:
        self._counters.admissions["unreadable"] += 1
        return web.Response(status=status, text=f"{text}\n")

    def _record(self, verdict: Verdict, seconds: float) -> None:
        self._counters.count(verdict, seconds)
        if verdict.error is not None:
            _log.error("review_failed", uid=verdict.request.get("uid"), exc_info=verdict.error)
        if verdict.text:
            namespace = str(verdict.request.get("namespace"))[:63]
            _log.info("review", outcome=verdict.outcome, namespace=namespace, text=verdict.text[:1000])
            self._tell(verdict.request, _REASON_OF_EVENT[verdict.outcome], verdict.text)


async def _body(request: web.Request) -> bytes:
    """The body. ``Request.read`` would keep it with the connection, until the next request comes by it.

    Raises:
        HTTPRequestEntityTooLarge: it is longer than any review.
    """
    chunks, size = [], request.content_length or 0
    if size <= MAX_BODY_BYTES:
        size = 0
        async for chunk in request.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                break
    if size > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, size)
    return b"".join(chunks)


def admin_application(exposition: InjectorExposition, unready: Callable[[], str]) -> web.Application:
    """The routes of the admin port.

    Args:
        exposition: renders the metrics.
        unready: why reviews cannot be answered, in words; empty: they can.
    """

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = exposition.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = unready()
        return web.Response(status=503, text=f"{reason}\n") if reason else web.Response(text="ready\n")

    application = web.Application(client_max_size=1024)
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    return application


def runner(application: web.Application) -> web.AppRunner:
    """Runs an application; not set up yet."""
    return web.AppRunner(
        application, access_log=None, lingering_time=LINGER_S, shutdown_timeout=DRAIN_S, read_bufsize=READ_BUFFER
    )


class ServingTls:
    """A TLS context whose certificate can be replaced while it serves.

    Each certificate has a context of its own, chosen at the handshake: loading a second one into a context would leave
    the first in place where its key is of another kind.
    """

    def __init__(self, pair: Pair) -> None:
        self._current = _context(pair)
        self.context = _context(pair)
        self.context.sni_callback = self._choose  # called without a server name too

    def use(self, pair: Pair) -> None:
        """Serve this one from the next handshake on.

        Raises:
            ssl.SSLError: it cannot be used; the one before stays.
        """
        self._current = _context(pair)

    def _choose(self, connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self._current


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The ssl module reads certificates from files only. This one is in memory: the file system is read-only, and a
    # private key should not be on a disk
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("certificate")
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pair.certificate.rstrip() + b"\n" + pair.key)
            file.flush()
            context.load_cert_chain(path)
    finally:
        if not path.startswith("/proc/"):
            os.unlink(path)
    return context
