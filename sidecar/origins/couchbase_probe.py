"""Why a Couchbase cluster does not answer: the SDK says "timeout" for all of refused, unreachable and unknown host."""

import asyncio
import socket
import ssl
from collections.abc import Sequence

from sidecar.origins.base import Cause

_CONNECT_TIMEOUT_S = 1.0
# Of several hosts' causes the first of these.
_TELLING = (Cause.CERTIFICATE, Cause.CONNECTION_REFUSED, Cause.UNREACHABLE, Cause.DNS)


async def probe(hosts: Sequence[tuple[str, int]], tls: ssl.SSLContext | None = None) -> Cause | None:
    """Open and close a connection to each host; None: one at least accepts, so the trouble lies elsewhere."""
    causes = await asyncio.gather(*(_probe_host(host, port, tls) for host, port in hosts))
    if None in causes:
        return None
    return next(cause for cause in _TELLING if cause in causes)


async def _probe_host(host: str, port: int, tls: ssl.SSLContext | None) -> Cause | None:
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
    except (socket.gaierror, UnicodeError):  # UnicodeError: a name that cannot be one
        return Cause.DNS
    except ssl.SSLError:  # an OSError too
        return Cause.CERTIFICATE
    except ConnectionRefusedError:
        return Cause.CONNECTION_REFUSED
    except OSError:  # TimeoutError is one
        return Cause.UNREACHABLE
    writer.close()
    return None
