"""Who may ask what of the admin port.

The port may be bound to a pod's address, for that is where the kubelet and Prometheus come to; so beyond loopback only
the three open paths answer. A browser on this machine must not be turned against it either: requests that bring a
foreign Host (DNS rebinding) or Origin (a page of another site) are refused.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable

from sidecar.address import is_address, is_loopback
from sidecar.admin_http import Request, Response, text

OPEN_PATHS = frozenset({"/metrics", "/healthz", "/readyz"})
LOOPBACK_ONLY = frozenset({"/quit"})  # whatever token is brought
_ASK = (("WWW-Authenticate", 'Basic realm="feature-sidecar admin: any name, the token as password"'),)


def refusal(request: Request, peer: str, token_matches: Callable[[bytes], bool] | None) -> Response | None:
    """Why the request is refused; None: it may go on.

    Args:
        request: what is asked.
        peer: the address it came from.
        token_matches: judges a token; None where no token is set.
    """
    if request.path in OPEN_PATHS and request.method in ("GET", "HEAD"):
        return None
    local = is_loopback(peer)
    if request.path in LOOPBACK_ONLY and not local:
        return text(403, "only from this machine")
    brought = _token(request)
    trusted = token_matches is not None and brought is not None and token_matches(brought)
    if not trusted:
        if token_matches is not None and local:
            return Response(401, b"the admin token is needed\n", headers=_ASK)
        if not local:
            return text(403, "beyond loopback only /metrics, /healthz and /readyz answer without the admin token")
        if not _host_is_address(request.headers.get("host", "")):
            return text(403, "the Host header must be localhost or an address")
    return _foreign_origin(request)


def _foreign_origin(request: Request) -> Response | None:
    """Refuse what a page of another site sent; a program sends no Origin at all."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers.get('host', '')}":
        return text(403, "the Origin header is not this port's own")
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return text(403, "a request of another site")
    return None


def _host_is_address(host: str) -> bool:
    """A rebound DNS name is the attack, and an address is no name. HTTP/1.0 without Host is no browser."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    name = name.removeprefix("[").removesuffix("]")
    return name in ("", "localhost") or is_address(name)


def _token(request: Request) -> bytes | None:
    """The token brought: as Bearer, or as the password of Basic so that a browser can open the page."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return b64decode(credentials, validate=True).partition(b":")[2]
        except NotBase64:
            return None
    return None
