"""Just enough HTTP/1.1 for the admin port: bounded requests in, whole responses out. Input: hostile bytes."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import orjson

MAX_HEAD_BYTES = 16 * 1024  # what nginx and Node take
MAX_BODY_BYTES = 1024 * 1024  # POST /invalidate: some ten thousand keys
HEAD_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 75.0  # longer than Prometheus's usual interval of 15-60 s, so that a scrape finds its connection open


class Request(NamedTuple):
    """One request. Header names are lower case; query values are the bytes that were percent-encoded."""

    method: str
    path: str
    query: dict[str, bytes]
    headers: dict[str, str]
    body: bytes

    def wants_close(self) -> bool:
        """Whether the connection ends with this request."""
        return "close" in self.headers.get("connection", "").lower()


class Response(NamedTuple):
    """One answer, whole."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, *, head_only: bool, close: bool) -> bytes:
        """The bytes on the wire."""
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        if close:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head if head_only else head + self.body


class GradualResponse(NamedTuple):
    """An answer whose body is made piece by piece, for it would take too long at once."""

    pieces: Iterator[bytes]
    content_type: str

    async def whole(self) -> Response:
        """The answer; the loop serves others after each piece."""
        made = []
        for piece in self.pieces:
            made.append(piece)
            await asyncio.sleep(0)
        return Response(200, b"".join(made), self.content_type)


class BadRequest(Exception):
    """The peer broke HTTP or a limit: it gets ``status`` and the connection closes."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def text(status: int, message: str) -> Response:
    """An answer for people and probes."""
    return Response(status, message.encode() + b"\n")


def json(value: object, status: int = 200) -> Response:
    """An answer for programs; bytes in it become text, binary ones with backslash escapes."""
    body = orjson.dumps(value, default=_json_default, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Response(status, body, "application/json")


def _json_default(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; None: the peer closed, or stayed silent, between requests.

    Raises:
        BadRequest: malformed, too large or too slow.
    """
    try:
        line = await asyncio.wait_for(reader.readuntil(b"\n"), IDLE_TIMEOUT_S)
    except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
        return None
    except asyncio.LimitOverrunError as exc:
        raise BadRequest(431, "the request line is too long") from exc
    try:
        async with asyncio.timeout(HEAD_TIMEOUT_S):
            method, target = _request_line(line)
            headers = await _headers(reader, MAX_HEAD_BYTES - len(line))
            body = await _body(reader, headers)
    except TimeoutError as exc:
        raise BadRequest(408, "the request took too long") from exc
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    path, _, query = target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1", max_num_fields=32)
    return Request(method, unquote(path), {name: value.encode("latin-1") for name, value in pairs}, headers, body)


def _request_line(line: bytes) -> tuple[str, str]:
    parts = line.decode("latin-1").rstrip("\r\n").split(" ")
    if len(parts) != 3 or not parts[0].isalpha() or not parts[1].startswith("/") or not parts[2].startswith("HTTP/1."):
        raise BadRequest(400, "not an HTTP/1.1 request")
    return parts[0], parts[1]


async def _headers(reader: asyncio.StreamReader, room: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as exc:
            raise BadRequest(431, "the headers are too long") from exc
        room -= len(line)
        if room < 0:
            raise BadRequest(431, "the headers are too long")
        if line in (b"\r\n", b"\n"):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or name != name.strip() or not name:
            raise BadRequest(400, "a malformed header")
        if name.lower() in headers and name.lower() in ("host", "origin", "content-length", "authorization"):
            raise BadRequest(400, f"{name.lower()} stands twice")  # a second one could be judged by another reader
        headers[name.lower()] = value.strip()


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise BadRequest(501, "chunked bodies are not read; send Content-Length")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise BadRequest(400, "a malformed Content-Length")
    if int(length) > MAX_BODY_BYTES:
        raise BadRequest(413, f"a body of at most {MAX_BODY_BYTES} bytes")
    return await reader.readexactly(int(length))
