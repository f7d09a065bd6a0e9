"""The webhook over TLS: reviews it cannot answer, denial, its certificate replaced, and what is counted."""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from pod_corpus import pod, review
from webhook_side import HOST, trusting, webhook_side

from sidecar.injector import admission, webhook
from sidecar.injector.admission import AdmissionRules
from sidecar.injector.certificates import make_authority, make_serving
from sidecar.injector.settings import SidecarSettings
from sidecar.injector.webhook import OPT_IN, OPT_OUT

SETTINGS = SidecarSettings.from_texts({})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "zero-length"),
        (b"{", "unexpected end"),
        (b"[]", "expected an AdmissionReview"),
        (b"{}", "expected an AdmissionReview"),
        (b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"}', "expected apiVersion"),
        (b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', "expected a request with a uid"),
        (b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":7}}', "with a uid"),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
    ],
)
async def test_what_is_no_review_is_a_400(body: bytes, expected: str):
    """There is nothing that could be answered; the API server then goes by failurePolicy."""
    async with webhook_side() as side:
        status, text = await side.post(body)
        assert status == 400 and side.counters.admissions["unreadable"] == 1
        assert expected in text.decode()


async def test_a_review_beyond_any_object_is_refused_unread():
    """8 MiB: the API server takes objects of 3."""
    async with webhook_side() as side:
        status, _ = await side.post(b" " * (webhook.MAX_BODY_BYTES + 1))
        assert status == 413
        status, _ = await side.post(review(pod({"x": "y" * 3_000_000})))
        assert status == 200

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b" " * 65536

        connector = aiohttp.TCPConnector(ssl=trusting(side.authority))
        async with aiohttp.ClientSession(connector=connector) as client:
            url = f"https://127.0.0.1:{side.port}{OPT_IN}"
            with contextlib.suppress(aiohttp.ClientError):  # it may be cut off while it still sends
                async with client.post(url, data=endless(), server_hostname=HOST) as answer:
                    assert answer.status == 413
        assert side.counters.admissions["injected"] == 1


async def test_large_reviews_are_read_a_few_at_a_time():
    """Twenty of 3 MB at once: never more than two are read, and small ones need not wait for them."""
    large = json.dumps(review(pod({"x": "y" * 3_000_000}))).encode()
    reading, most = 0, 0

    class Counted(asyncio.Semaphore):
        """Notes how many are inside."""

        async def __aenter__(self) -> None:
            nonlocal reading, most
            await super().__aenter__()
            reading += 1
            most = max(most, reading)

        async def __aexit__(self, *error: object) -> None:
            nonlocal reading
            reading -= 1
            await super().__aexit__(*error)  # type: ignore[arg-type]

    async with webhook_side() as side:
        side.webhook._large = Counted(webhook.LARGE_BODIES)
        results = await asyncio.gather(
            *(side.post(large) for _ in range(20)), *(side.post(review(pod())) for _ in "12")
        )
    assert {status for status, _ in results} == {200}
    assert (most, reading) == (webhook.LARGE_BODIES, 0)


async def test_a_review_that_does_not_arrive_is_given_up():
    """Its caller waits two seconds; a connection is not held for longer."""
    async with webhook_side() as side:
        side.webhook.read_timeout_s = 0.05
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", side.port, ssl=trusting(side.authority), server_hostname=HOST
        )
        writer.write(b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 20)
        writer.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"operation": "UPDATE"}, "updates are not ours"),
        ({"subResource": "ephemeralcontainers"}, "nor are subresources"),
        ({"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}}, "nor other kinds"),
        ({"kind": None}, "nor what has no kind"),
        ({"kind": []}, "whatever it is"),
        ({"namespace": "kube-system"}, "nor Kubernetes' own namespaces"),
        ({"namespace": "injectors"}, "nor ours"),
    ],
)
async def test_reviews_of_other_things_pass(change: dict, reason: str):
    """Admitted without a word; a kind of the wrong type is no reason to fail either."""
    rules = AdmissionRules(SETTINGS, excluded=admission.ALWAYS_EXCLUDED | {"injectors"})
    async with webhook_side(rules) as side:
        status, body = await side.post(review(pod(), **change))
        response = json.loads(body)["response"]
        assert status == 200 and response["allowed"] is True and "patch" not in response, reason
        assert side.counters.admissions["injected"] == 0


async def test_the_two_paths_differ_in_what_silence_means():
    """A namespace with the label is sent to the second."""
    silent = pod()
    del silent["metadata"]["annotations"]
    async with webhook_side() as side:
        for path, injected in ((OPT_IN, False), (OPT_OUT, True)):
            _, body = await side.post(review(silent), path)
            assert ("patch" in json.loads(body)["response"]) is injected


async def test_a_denying_injector_turns_pods_away_that_ask():
    """And only those; the message tells why."""
    async with webhook_side(AdmissionRules(SETTINGS, deny=True)) as side:
        _, body = await side.post(review(pod(hostNetwork=True)))
        response = json.loads(body)["response"]
        assert response["allowed"] is False
        assert "uses the node's network" in response["status"]["message"]
        assert response["status"]["code"] == 403
        for fine in (pod(), {"spec": None}, pod() | {"metadata": {}}):
            _, body = await side.post(review(fine))
            assert json.loads(body)["response"]["allowed"] is True


async def test_a_bug_of_ours_admits_the_pod_and_shows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Fail-open: a warning, an event, a count, and the traceback in the log."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(admission, "inject", broken)
    async with webhook_side() as side:
        _, body = await side.post(review(pod()))
        response = json.loads(body)["response"]
        assert response["allowed"] is True and "patch" not in response
        assert "internal error" in response["warnings"][0]
        assert side.counters.admissions["failed"] == 1
        assert [reason for _, reason, _ in side.told] == ["SidecarNotInjected"]
        assert "a bug" in caplog.text


async def test_outcomes_are_counted_and_told():
    """Refusals by reason, annotations by problem; silence for pods that got what they asked for."""
    async with webhook_side() as side:
        await side.post(review(pod()))
        assert side.told == []
        await side.post(review(pod(hostNetwork=True)))
        await side.post(review(pod({"max-memory": "lots", "max-memroy": "1", "image": "x"})))
        assert [reason for _, reason, _ in side.told] == ["SidecarNotInjected", "SidecarAnnotations"]
        counted = {outcome: number for outcome, number in side.counters.admissions.items() if number}
        assert counted == {"injected": 2, "refused": 1}
        assert side.counters.refusals["host_network"] == 1
        assert side.counters.ignored == {"unknown": 1, "malformed": 1, "operator_only": 1}
        assert sum(side.counters.durations.counts) == 3


async def test_a_renewed_certificate_is_served_from_the_next_connection_on():
    """Also one of another authority; connections that are there stay."""
    async with webhook_side() as side:
        old = side.authority
        connector = aiohttp.TCPConnector(ssl=trusting(old))
        async with aiohttp.ClientSession(connector=connector) as kept:
            url = f"https://127.0.0.1:{side.port}{OPT_IN}"
            async with kept.post(url, json=review(pod()), server_hostname=HOST) as answer:
                assert answer.status == 200
            now = datetime.now(UTC)
            side.authority = make_authority(now)
            side.tls.use(make_serving(side.authority, [HOST], now))
            assert (await side.post(review(pod())))[0] == 200
            async with kept.post(url, json=review(pod()), server_hostname=HOST) as answer:
                assert answer.status == 200
        side.authority = old
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await side.post(review(pod()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_old_tls_is_refused():
    """1.2 at least, as the API server speaks it."""
    async with webhook_side() as side:
        context = trusting(side.authority)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", side.port, ssl=context, server_hostname=HOST)


async def test_many_reviews_at_once():
    """A rollout of a hundred pods: each gets its own answer."""
    async with webhook_side() as side:
        connector = aiohttp.TCPConnector(ssl=trusting(side.authority), limit=10)
        async with aiohttp.ClientSession(connector=connector) as client:

            async def ask(number: int) -> None:
                url = f"https://127.0.0.1:{side.port}{OPT_IN}"
                body = review(pod({"port": str(7000 + number)}), uid=f"uid-{number}")
                async with client.post(url, json=body, server_hostname=HOST) as answer:
                    response = (await answer.json())["response"]
                assert response["uid"] == f"uid-{number}"
                assert f"tcp://127.0.0.1:{7000 + number}" in base64.b64decode(response["patch"]).decode()

            await asyncio.gather(*(ask(number) for number in range(100)))
