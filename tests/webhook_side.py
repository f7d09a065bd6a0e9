"""The webhook over TLS in this process, and a client that trusts it as an API server does."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from sidecar.injector.admission import AdmissionRules
from sidecar.injector.certificates import Pair, make_authority, make_serving
from sidecar.injector.counters import InjectorCounters
from sidecar.injector.settings import SidecarSettings
from sidecar.injector.webhook import OPT_IN, ServingTls, Webhook, runner

HOST = "feature-sidecar-injector.injectors.svc"


class WebhookSide:
    """One webhook and its client."""

    def __init__(self, rules: AdmissionRules, now: datetime) -> None:
        self.authority = make_authority(now)
        self.tls = ServingTls(make_serving(self.authority, [HOST], now))
        self.counters = InjectorCounters()
        self.told: list[tuple[dict[str, Any], str, str]] = []
        self.webhook = Webhook(rules, self.counters, lambda *about: self.told.append(about))
        self.webhook.read_timeout_s = 60.0  # however slow the machine
        self.port = 0

    async def post(self, body: object, path: str = OPT_IN) -> tuple[int, bytes]:
        """Status and body of the answer to one review, on a connection of its own."""
        connector = aiohttp.TCPConnector(ssl=trusting(self.authority), force_close=True)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with aiohttp.ClientSession(connector=connector) as client:
            url = f"https://127.0.0.1:{self.port}{path}"
            async with client.post(url, data=data, server_hostname=HOST) as answer:
                return answer.status, await answer.read()


@asynccontextmanager
async def webhook_side(rules: AdmissionRules | None = None) -> AsyncIterator[WebhookSide]:
    """A webhook that serves while the block runs."""
    side = WebhookSide(rules or AdmissionRules(SidecarSettings.from_texts({})), datetime.now(UTC))
    running = runner(side.webhook.application())
    await running.setup()
    try:
        await web.TCPSite(running, "127.0.0.1", 0, ssl_context=side.tls.context).start()
        side.port = running.addresses[0][1]
        yield side
    finally:
        await running.cleanup()


def trusting(authority: Pair) -> ssl.SSLContext:
    """A client's context that trusts this authority only, as the caBundle makes an API server do."""
    return ssl.create_default_context(cadata=authority.certificate.decode())
