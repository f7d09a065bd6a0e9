"""Why a Couchbase cluster does not answer: the SDK says "timeout" for all of refused, unreachable and unknown host."""

import asyncio
import socket
from collections.abc import Sequence

from sidecar.origins.base import Cause

_CONNECT_TIMEOUT_S = 1.0
_TELLING = (Cause.CONNECTION_REFUSED, Cause.UNREACHABLE, Cause.DNS)  # of several hosts' causes the first of these


async def probe(hosts: Sequence[tuple[str, int]]) -> Cause | None:
    """Open and close a TCP connection to each host; None: one at least accepts, so the trouble lies elsewhere."""
    causes = await asyncio.gather(*(_probe_host(host, port) for host, port in hosts))
    if None in causes:
        return None
    return next(cause for cause in _TELLING if cause in causes)


async def _probe_host(host: str, port: int) -> Cause | None:
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (socket.gaierror, UnicodeError):  # UnicodeError: a name that cannot be one
        return Cause.DNS
    except ConnectionRefusedError:
        return Cause.CONNECTION_REFUSED
    except OSError:  # TimeoutError is one
        return Cause.UNREACHABLE
    writer.close()
    return None
