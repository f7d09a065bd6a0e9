"""From an origin's URL to the origin: the only place that knows which there are."""

from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from sidecar.clock import Clock
from sidecar.origins.base import Origin
from sidecar.origins.document import DtypeOf
from sidecar.origins.errors import OriginSetupError

_EXPECTED = "sqlite:///PATH, couchbase://HOST/BUCKET or memory://"


def open_origin(
    url: str, *, clock: Clock, dtype_of: DtypeOf | None = None, documents: Any = None, **credentials: Any
) -> Origin:
    """The origin that ``url`` names, not yet started.

    Args:
        url: sqlite:///PATH, memory:// or couchbase[s]://HOSTS/BUCKET.
        clock: for deadlines and expiries.
        dtype_of: (key, field) -> the policy's dtype, asked at each write; None: all text is kept as text.
        documents: how keys become scope, collection and document id; Couchbase only.
        credentials: Couchbase only (username, password, certificate...), never part of the URL.

    Raises:
        OriginSetupError: the URL is not understood.
    """
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise OriginSetupError(f"origin: found no URL, expected {_EXPECTED}") from exc
    if parts.scheme == "memory":
        return _memory(parts, clock, dtype_of)
    if parts.scheme == "sqlite":
        from sidecar.origins.sqlite import SqliteOrigin
        from sidecar.origins.sqlite_path import path_of

        return SqliteOrigin(path_of(url), clock, dtype_of)
    if parts.scheme in ("couchbase", "couchbases"):
        from sidecar.origins.couchbase import CouchbaseOrigin  # 180 ms and 20 MB: only for its URL

        origin: Origin = CouchbaseOrigin(url, clock=clock, dtype_of=dtype_of, documents=documents, **credentials)
        return origin
    raise OriginSetupError(f"origin: found {parts.scheme or 'no scheme'!r}, expected {_EXPECTED}")


def _memory(parts: SplitResult, clock: Clock, dtype_of: DtypeOf | None) -> Origin:
    from sidecar.origins.memory import MemoryOrigin

    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    latency_ms = options.pop("latency_ms", "0")
    if options or parts.netloc or parts.path or not latency_ms.isdecimal():
        raise OriginSetupError("origin: memory:// takes nothing but ?latency_ms=NUMBER, for tests")
    return MemoryOrigin(clock, dtype_of, int(latency_ms))
