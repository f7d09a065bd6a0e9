"""The admin port over a real socket: every endpoint, keep-alive, and what closes a connection."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from fake_services import FakeServices

from sidecar import admin
from sidecar.address import TcpAddress
from sidecar.admin import AdminServer
from sidecar.clock import floor_tick
from sidecar.memory import Store
from sidecar.origins.base import Found
from sidecar.secret import SecretFile


class Port:
    """A started admin server and a client of it."""

    def __init__(self, services: FakeServices) -> None:
        self.services = services
        self.server = AdminServer(services)
        self.number = 0

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.number)

    async def ask(self, method: str, path: str, body: bytes = b"", *headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body."""
        reader, writer = await self.open()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.number}",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        head, _, answer = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), answer

    async def get_json(self, path: str) -> dict:
        status, body = await self.ask("GET", path)
        assert status == 200
        return json.loads(body)


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    """Listening on a free port of loopback."""
    port = Port(FakeServices())
    port.number = await port.server.start(TcpAddress("127.0.0.1", 0))
    yield port
    await port.server.close()


async def test_probes_answer_200_when_ready(port: Port):
    """/healthz shows that the loop turns, /readyz that traffic may come."""
    assert await port.ask("GET", "/healthz") == (200, b"ok\n")
    assert await port.ask("GET", "/readyz") == (200, b"ready\n")


async def test_readyz_says_why_not(port: Port):
    """503 with the reasons; /healthz stays 200, or the kubelet would restart a draining process."""
    port.services.health.draining = True
    port.services.health.warmed_up = False
    assert await port.ask("GET", "/readyz") == (503, b"draining; warming up\n")
    assert await port.ask("GET", "/healthz") == (200, b"ok\n")


async def test_metrics_are_negotiated(port: Port):
    """Prometheus text by default, OpenMetrics by the Accept header."""
    status, body = await port.ask("GET", "/metrics")
    assert status == 200 and b"\nfeature_sidecar_ready 1\n" in body
    _, body = await port.ask("GET", "/metrics", b"", "Accept: application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


async def test_policy_shows_generation_and_last_error(port: Port):
    """A file that was not taken is told until one is."""
    port.services.policy_status.failed("policy.yaml:3 defaults.ttl: found 30")
    shown = await port.get_json("/policy")
    assert (shown["generation"], shown["reload_failures"]) == (1, 1)
    assert shown["last_error"] == "policy.yaml:3 defaults.ttl: found 30"
    port.services.policy_status.loaded(2)
    shown = await port.get_json("/policy")
    assert (shown["generation"], shown["last_error"]) == (2, None)


async def test_config_shows_values_and_sources(port: Port):
    """What `feature-sidecar config` prints, for programs."""
    assert (await port.get_json("/config"))["max-clients"] == {"value": "10000", "source": "default"}


async def test_explain_tells_rule_age_and_flight(port: Port):
    """A row in a real memory tier: outcome, numbers, whole, and what the policy says and where."""
    services = port.services
    services.store = Store(8 << 20, services.policy.current.table, services.counters)
    shown = await port.get_json("/explain?key=user:42&field=tier")
    assert (shown["outcome"], shown["whole"], shown["flight"]) == ("miss", None, False)
    filled_at = floor_tick(services.clock.now_ns())
    rule = services.policy.current.row_rule(b"user:42")
    assert services.store.install(b"user:42", Found({b"tier": b"gold"}), filled_at, rule)
    services.reads.tried.add(b"user:42")
    shown = await port.get_json("/explain?key=user:42&field=tier")
    assert (shown["key"], shown["field"], shown["view"]) == ("user:42", "tier", "user_profile")
    assert (shown["outcome"], shown["whole"], shown["flight"], shown["origin"]) == ("hit", True, True, "sqlite")
    assert 0 <= shown["age_s"] < 10 < shown["fresh_until_s"] <= 30 < shown["hard_limit_s"] <= 40
    assert "fresh for another" in shown["why"]
    assert shown["settings"]["ttl"]["value"] == "30s"
    assert (await port.get_json("/explain?key=user:42&field=nope"))["outcome"] == "negative"
    assert (await port.get_json("/explain?key=user:42"))["outcome"] == "hit"


async def test_explain_needs_a_key(port: Port):
    """400 with the form that is expected; a binary key is taken percent-encoded."""
    status, body = await port.ask("GET", "/explain")
    assert status == 400 and b"key=KEY" in body
    port.services.store = Store(8 << 20, port.services.policy.current.table, port.services.counters)
    assert (await port.get_json("/explain?key=%02%FF"))["key"] == "\x02\\xff"


async def test_invalidate_takes_keys_or_a_match(port: Port):
    """Each form reaches the miss path as bytes."""
    status, body = await port.ask("POST", "/invalidate", b'{"keys": ["user:42", "user:\\u00e9"]}')
    assert (status, json.loads(body)) == (200, {"keys": 2, "held": 2})
    status, _ = await port.ask("POST", "/invalidate", b'{"match": "user:*"}')
    assert status == 200
    assert port.services.reads.keys == [b"user:42", "user:é".encode()]
    assert port.services.reads.matches == [b"user:*"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"keys": [1]}', b'{"keys": ["a"], "match": "b"}', b'{"key": "a"}', b"\xff"]
)
async def test_invalidate_refuses_what_it_does_not_understand(port: Port, body: bytes):
    """400 with what was expected; nothing is invalidated."""
    status, answer = await port.ask("POST", "/invalidate", body)
    assert status == 400 and b"expected" in answer
    assert port.services.reads.keys == port.services.reads.matches == []


async def test_drain_and_quit_are_posts(port: Port):
    """A link or an image cannot stop the process."""
    for path in ("/drain", "/quit"):
        status, _ = await port.ask("GET", path)
        assert status == 405
    assert port.services.calls == []
    assert (await port.ask("POST", "/drain"))[0] == 200
    assert (await port.ask("POST", "/quit"))[0] == 200
    assert port.services.calls == ["drain", "quit"]


async def test_the_page_needs_nothing_from_outside(port: Port):
    """One document, whose policy forbids every other origin; no address of another host stands in it."""
    reader, writer = await port.open()
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head, _, page = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    assert b"Content-Security-Policy: default-src 'none';" in head
    outside = page.replace(b"http://www.w3.org/2000/svg", b"")  # a name, not an address
    assert b"http:" not in outside and b"https:" not in outside and b"src=" not in outside
    assert b'fetch("/overview"' in page


async def test_overview_has_what_the_page_shows(port: Port):
    """Lookups by view, memory, origin, connections, and nothing that JSON cannot hold."""
    port.services.counters.add_lookup(1, 0, 5)
    shown = await port.get_json("/overview")
    assert [(view["name"], view["hit"]) for view in shown["views"]] == [("_default", 0), ("user_profile", 5)]
    assert len(shown["age_bounds_s"]) == len(shown["views"][0]["ages"])
    assert shown["memory"]["used_bytes"] == 1000 and shown["connections"]["open"] == 3
    assert shown["origin"]["requests"]["read found"] == 0
    assert 59 < shown["uptime_s"] < 90


async def test_unknown_paths_name_the_known_ones(port: Port):
    """404 that helps."""
    status, body = await port.ask("GET", "/nope")
    assert status == 404 and b"/metrics" in body


async def test_one_connection_serves_many_requests(port: Port):
    """Scrapers keep theirs open; HEAD has no body, so the next answer follows its head."""
    reader, writer = await port.open()
    for method in ("GET", "HEAD", "GET"):
        writer.write(f"{method} /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answers = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answers.count(b"HTTP/1.1 200 OK") == 4
    assert answers.count(b"\r\n\r\nok\n") == 3


async def test_a_redis_client_on_the_wrong_port_is_told_and_closed(port: Port):
    """400 and the end of the connection."""
    reader, writer = await port.open()
    writer.write(b"*1\r\n$4\r\nPING\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")


async def test_a_bug_of_ours_is_a_500_and_the_port_lives_on(port: Port):
    """The log has the traceback, the answer has none."""
    del port.services.store.memory_used
    status, body = await port.ask("GET", "/overview")
    assert status == 500 and b"memory_used" not in body
    assert (await port.ask("GET", "/healthz"))[0] == 200


async def test_connections_over_the_limit_are_cut(port: Port, monkeypatch: pytest.MonkeyPatch):
    """A flood must not take descriptors from clients."""
    monkeypatch.setattr(admin, "MAX_CONNECTIONS", 1)
    first_reader, first = await port.open()
    first.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await asyncio.wait_for(first_reader.readuntil(b"ok\n"), 10)
    reader, second = await port.open()
    with pytest.raises(ConnectionError):
        second.write(b"GET /healthz HTTP/1.1\r\n")
        if await asyncio.wait_for(reader.read(), 10) == b"":
            raise ConnectionResetError
    first.close()
    second.close()


async def test_the_token_is_asked_for_over_the_socket_too(port: Port, tmp_path):
    """/config answers 401 without it; /readyz stays open."""
    (tmp_path / "token").write_text("hunter2\n")
    port.services.admin_token = SecretFile(str(tmp_path / "token"))
    assert (await port.ask("GET", "/config"))[0] == 401
    assert (await port.ask("GET", "/config", b"", "Authorization: Bearer hunter2"))[0] == 200
    assert (await port.ask("GET", "/readyz"))[0] == 200


async def test_prefetch_tells_of_declared_and_learned_sets(port: Port):
    """/prefetch has the sets of the policy with their state, the budget, and what was learned as a block."""
    told = await port.get_json("/prefetch")
    assert [one["name"] for one in told["declared"]] == ["ranker"]
    assert told["learned"] == []
    assert told["budget"]["share"] == 0.1
    assert told["feature_sets"] == "feature_sets: []"
