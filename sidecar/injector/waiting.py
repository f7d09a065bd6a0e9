"""Waits until a sidecar is ready, by its admin port."""

import http.client
import time

from sidecar.address import TcpAddress

_INTERVAL_S = 0.05


def wait_until_ready(address: TcpAddress, timeout_s: float) -> str:
    """Ask /readyz again and again; returns why it was given up, or nothing."""
    until = time.monotonic() + timeout_s
    while True:
        problem = _unready(address)
        if not problem:
            return ""
        if time.monotonic() >= until:
            return f"{address}: not ready within {timeout_s:g}s: {problem}"
        time.sleep(_INTERVAL_S)


def _unready(address: TcpAddress) -> str:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        text = answer.read(1000).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as exc:
        return str(exc) or type(exc).__name__
    finally:
        connection.close()
    return "" if answer.status == 200 else text or f"HTTP {answer.status}"
