"""How the Couchbase origin comes up: in the background, with the true cause when it cannot."""

import asyncio
import gc
import os
import socket
import time

import pytest
from servers.couchbase_node_origin import eventually, running_node, started_origin, within

from sidecar.clock import SystemClock
from sidecar.origins import OriginSetupError, open_origin
from sidecar.origins.base import (
    ABSENT,
    Applied,
    Cause,
    OriginTimeout,
    OriginUnavailable,
    Read,
    Refusal,
    Refused,
    SetValue,
)
from sidecar.origins.couchbase_probe import probe
from sidecar.origins.couchbase_url import parse_couchbase_url
from sidecar.secret import Secret

READ = [Read(b"k")]
WRITE = [SetValue(b"k", b"1")]


@pytest.fixture
async def node():
    async with running_node() as node:
        yield node


async def test_the_first_requests_wait_for_the_first_connection(node):
    """Asked before it is connected, the origin answers as soon as it is, within the deadline."""
    async with started_origin(node.url) as origin:
        assert await origin.fetch_many(READ, within()) == [ABSENT]
        assert await origin.write_many(WRITE, within()) == [Applied((True, None))]


@pytest.mark.parametrize(
    ("url", "options", "cause"),
    [
        ("{url}", {"password": Secret(b"wrong")}, Cause.AUTHENTICATION),
        ("{url}", {"username": "nobody"}, Cause.AUTHENTICATION),
        ("{hosts}/other", {}, Cause.BUCKET),
        ("couchbase://not..a..name/features?enable_dns_srv=false", {}, Cause.DNS),
    ],
)
async def test_what_is_wrong_is_told_with_its_cause(node, url, options, cause):
    """Reads raise, and writes are refused as not sent, with the cause and well before the deadline."""
    url = url.format(url=node.url, hosts=node.url.rpartition("/")[0])
    async with started_origin(url, **options) as origin:
        with pytest.raises(OriginUnavailable) as caught:
            await origin.fetch_many(READ, within(20_000))
        assert caught.value.cause is cause
        assert await origin.write_many(WRITE * 2, within()) == [Refused(Refusal.NOT_SENT, cause)] * 2


async def test_a_refused_port_is_told_at_once_and_left_as_soon_as_it_opens(node):
    """The SDK says nothing for its whole bootstrap timeout; a probe beside it does. Nobody restarts anything."""
    await node.stop()
    async with started_origin(node.url) as origin:
        began = time.monotonic()
        with pytest.raises(OriginUnavailable) as caught:
            await origin.fetch_many(READ, within())
        assert caught.value.cause is Cause.CONNECTION_REFUSED
        assert time.monotonic() - began < 3  # the SDK's own attempt takes 10 s
        await node.start()
        await eventually(lambda: origin.connected)
        assert await origin.fetch_many(READ, within()) == [ABSENT]


async def test_a_bucket_made_later_is_found(node):
    """A failed attempt is not the last: the origin tries again until it is let in."""
    node.topology.bucket = "not yet"
    async with started_origin(f"couchbase://127.0.0.1:{node.port}/features") as origin:
        with pytest.raises(OriginUnavailable):
            await origin.fetch_many(READ, within())
        node.topology.bucket = "features"
        await eventually(lambda: origin.connected)
        assert await origin.fetch_many(READ, within()) == [ABSENT]


async def test_a_silent_server_is_a_timeout(node):
    """It accepts and never speaks: first the deadline passes, then the attempt does, and the cause is a timeout."""
    node.hang()
    async with started_origin(node.url, bootstrap_timeout_s=0.3) as origin:
        with pytest.raises(OriginTimeout):
            await origin.fetch_many(READ, within(50))
        with pytest.raises(OriginUnavailable) as caught:
            await origin.fetch_many(READ, within())
        assert caught.value.cause is Cause.TIMEOUT
        node.resume()
        await eventually(lambda: origin.connected)


async def test_closing_does_not_wait_for_an_attempt_under_way(node):
    """SIGTERM while the cluster is down: the SDK cannot be stopped, so it is left to end by itself."""
    await node.stop()
    async with started_origin(node.url) as origin:
        with pytest.raises(OriginUnavailable):
            await origin.fetch_many(READ, within())
        began = time.monotonic()
        await origin.close()
        assert time.monotonic() - began < 1
        with pytest.raises(OriginUnavailable) as caught:
            await origin.fetch_many(READ, within())
        assert caught.value.cause is Cause.CLOSED


async def test_an_attempt_that_ends_after_closing_disturbs_nobody(node):
    """Its failure is no error of the loop, its success leaves no connection open."""
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))

    async def abandoned_attempt() -> None:
        node.hang()
        async with started_origin(node.url, bootstrap_timeout_s=1.0):
            await eventually(lambda: len(node.connections) > 0)

    def attempts() -> list[str]:
        return [repr(task) for task in asyncio.all_tasks() if "_bootstrap" in repr(task)]

    await abandoned_attempt()
    assert attempts()
    await eventually(lambda: not attempts())
    await abandoned_attempt()
    node.resume()
    await eventually(lambda: not attempts() and not node.connections)
    gc.collect()
    assert errors == []


async def test_closing_twice_is_closing_once(node):
    """Close is idempotent, connected or not."""
    async with started_origin(node.url) as origin:
        await origin.fetch_many(READ, within())
        await origin.close()
        await origin.close()
        assert await origin.write_many(WRITE, within()) == [Refused(Refusal.NOT_SENT, Cause.CLOSED)]


async def test_the_password_is_in_no_log_and_no_representation(node, caplog):
    """Neither success nor failure shows it."""
    caplog.set_level("DEBUG")
    secret = b"canary-3f9a"
    async with started_origin(node.url, password=Secret(secret)) as origin:
        with pytest.raises(OriginUnavailable) as caught:
            await origin.fetch_many(READ, within())
        shown = [repr(origin), repr(vars(origin)), repr(caught.value), caplog.text]
    assert "not_connected" in caplog.text
    assert not [text for text in shown if secret.decode() in text]


async def test_the_probe_tells_refused_unknown_and_accepting_apart():
    """One accepting host is enough; of several failing ones the most telling cause is given."""
    with socket.socket() as bound, socket.create_server(("127.0.0.1", 0)) as listening:
        bound.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take the port, and it refuses
        refusing = bound.getsockname()
        accepting = listening.getsockname()
        assert await probe([refusing]) is Cause.CONNECTION_REFUSED
        assert await probe([("not..a..name", 1)]) is Cause.DNS
        assert await probe([("not..a..name", 1), refusing]) is Cause.CONNECTION_REFUSED
        assert await probe([refusing, accepting]) is None


@pytest.mark.parametrize(
    ("url", "hosts", "bucket", "may_be_srv"),
    [
        ("couchbase://db/features", (("db", 11210),), "features", True),
        ("couchbases://a,b:1234/my%20bucket", (("a", 11207), ("b", 1234)), "my bucket", False),
        ("couchbase://10.0.0.1/f", (("10.0.0.1", 11210),), "f", False),
        ("couchbase://[::1]:99/f", (("::1", 99),), "f", False),
        ("couchbase://db/f?enable_dns_srv=false", (("db", 11210),), "f", False),
    ],
)
def test_urls_are_taken_apart(url, hosts, bucket, may_be_srv):
    """Hosts with ports, the bucket, and whether the name may be a DNS SRV record."""
    parsed = parse_couchbase_url(url)
    assert (parsed.hosts, parsed.bucket, parsed.may_be_srv) == (hosts, bucket, may_be_srv)


def test_the_sdk_gets_hosts_and_options_without_the_bucket():
    """``network=external`` and its like are the SDK's to read."""
    parsed = parse_couchbase_url("couchbase://a,b/features?network=external")
    assert parsed.connection_string == "couchbase://a,b?network=external"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("couchbase://db", "expected one bucket"),
        ("couchbase://db/a/b", "expected one bucket"),
        ("couchbase:///features", "as a host"),
        ("couchbase://db:http/features", "as a host"),
        ("couchbase://me:canary@db/features", "credentials in the URL"),
    ],
)
def test_a_wrong_url_is_refused_and_says_why(url, told):
    """The message helps and never repeats credentials."""
    with pytest.raises(OriginSetupError, match=told) as caught:
        open_origin(url, clock=SystemClock(), username="u", password=Secret(b"p"))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("option", ["enable_tls=maybe", "ip_protocol=9", "kv_timeout=soon"])
async def test_options_that_the_sdk_refuses_end_the_start(option):
    """A typo in the URL is told when the sidecar starts, not as an origin that never comes up."""
    origin = open_origin(f"couchbase://db/features?{option}", clock=SystemClock(), username="u", password=Secret(b"p"))
    with pytest.raises(OriginSetupError, match="refuses an option"):
        await origin.start()


@pytest.mark.parametrize("credentials", [{}, {"username": "u"}, {"password": Secret(b"p")}])
def test_missing_credentials_are_asked_for_by_name(credentials):
    """The operator is told which settings to give."""
    with pytest.raises(OriginSetupError, match="SIDECAR_ORIGIN_USERNAME"):
        open_origin("couchbase://db/features", clock=SystemClock(), **credentials)


async def test_failed_attempts_leave_no_threads_behind(node):
    """Each attempt has a thread of the SDK's; a sidecar with a wrong password must not gather them."""
    before = len(os.listdir("/proc/self/task"))  # other tests' libraries have threads of their own
    async with started_origin(node.url, password=Secret(b"wrong"), longest_pause_s=0.02) as origin:
        await eventually(lambda: node.requests["SASL_AUTH"] >= 20)
        assert len(os.listdir("/proc/self/task")) < before + 14
        with pytest.raises(OriginUnavailable):
            await origin.fetch_many(READ, within())
