"""Ask a running sidecar whether it is healthy: the image's HEALTHCHECK. ``python -Im sidecar.healthcheck``

Exit code 0: /healthz answered 200; 1: it did not. The standard library's sockets only, so that it costs some 20 ms of
one core each time. The address is that of SIDECAR_ADMIN; a sidecar whose admin port is set by a flag is not found.
"""

import os
import socket
import sys

DEFAULT_ADMIN = "127.0.0.1:8379"  # of sidecar.flags, which would import the whole of the settings
TIMEOUT_S = 1.5


def main() -> int:
    """Returns the exit code; says why on stderr."""
    address = os.environ.get("SIDECAR_ADMIN") or DEFAULT_ADMIN
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if host in ("", "0.0.0.0", "::"):  # every address, the last IPv4's too where there is no IPv6
        host = "127.0.0.1"
    try:
        with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = connection.makefile("rb").readline()
    except (OSError, ValueError) as error:
        print(f"no answer from {address} (SIDECAR_ADMIN): {error}", file=sys.stderr)
        return 1
    if b" 200 " in status:
        return 0
    print(f"{address} answered {status.decode('latin-1').strip()!r}, expected 200", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
