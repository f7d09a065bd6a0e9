"""The admin port's HTTP: what is read, what is refused, and that hostile bytes cost little."""

import asyncio

import pytest

from sidecar import admin_http
from sidecar.admin_http import BadRequest, Request, Response, read_request


async def read(raw: bytes, *, eof: bool = True) -> Request | None:
    """The first request of what a peer sent."""
    reader = asyncio.StreamReader(limit=admin_http.MAX_HEAD_BYTES)
    reader.feed_data(raw)
    if eof:
        reader.feed_eof()
    return await read_request(reader)


async def test_a_request_is_read_with_its_parts():
    """Method, decoded path, query as bytes, headers in lower case, body by its length."""
    request = await read(
        b"POST /a%20b?key=user%3A1&field=%FF+x HTTP/1.1\r\nHost: h\r\nX-Y:  z \r\nContent-Length: 3\r\n\r\nabcd"
    )
    assert request == Request(
        "POST",
        "/a b",
        {"key": b"user:1", "field": b"\xff x"},
        {"host": "h", "x-y": "z", "content-length": "3"},
        b"abc",
    )


async def test_bare_newlines_are_taken():
    """What people type into nc."""
    request = await read(b"GET / HTTP/1.0\n\n")
    assert request is not None and request.path == "/"


async def test_a_peer_that_leaves_between_requests_is_no_error():
    """None, not an exception."""
    assert await read(b"") is None
    assert await read(b"GET / HT") is None
    assert await read(b"GET / HTTP/1.1\r\nHost:") is None


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"PING\r\n", 400),
        (b"*1\r\n$4\r\nPING\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nOrigin: a\r\nOrigin: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5_000 + b"\r\n", 431),
    ],
)
async def test_what_is_not_http_or_too_large_is_refused(raw: bytes, status: int):
    """Each with the status that says why."""
    with pytest.raises(BadRequest) as caught:
        await read(raw)
    assert caught.value.status == status


async def test_a_slow_head_is_ended(monkeypatch: pytest.MonkeyPatch):
    """A peer that sends its request line and then nothing holds a place for HEAD_TIMEOUT_S only."""
    monkeypatch.setattr(admin_http, "HEAD_TIMEOUT_S", 0.01)
    with pytest.raises(BadRequest) as caught:
        await asyncio.wait_for(read(b"GET / HTTP/1.1\r\n", eof=False), 10)
    assert caught.value.status == 408


async def test_a_silent_peer_is_let_go(monkeypatch: pytest.MonkeyPatch):
    """Between requests silence is no error."""
    monkeypatch.setattr(admin_http, "IDLE_TIMEOUT_S", 0.01)
    assert await asyncio.wait_for(read(b"", eof=False), 10) is None


def test_a_response_says_how_long_it_is():
    """Length, type and no caching; HEAD has the head only."""
    response = Response(200, b"body", headers=(("A", "b"),))
    whole = response.encode(head_only=False, close=True)
    assert whole.startswith(b"HTTP/1.1 200 OK\r\n") and whole.endswith(b"\r\n\r\nbody")
    assert b"Content-Length: 4\r\n" in whole and b"A: b\r\n" in whole and b"Connection: close\r\n" in whole
    head = response.encode(head_only=True, close=False)
    assert head.endswith(b"\r\n\r\n") and b"Content-Length: 4\r\n" in head and b"Connection" not in head


def test_json_shows_binary_keys_with_escapes():
    """Feast's keys are binary; /explain must show them."""
    assert admin_http.json({"k": b"\xff\x00"}).body == b'{\n  "k": "\\\\xff\\u0000"\n}\n'
