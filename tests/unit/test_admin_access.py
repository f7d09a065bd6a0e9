"""Who may ask what of the admin port: a table of peers, headers and paths."""

from base64 import b64encode

import pytest

from sidecar.admin_access import refusal
from sidecar.admin_http import Request
from sidecar.secret import Secret

TOKEN = Secret(b"hunter2")
BEARER = {"authorization": "Bearer hunter2"}


def asked(path: str, method: str = "GET", **headers: str) -> Request:
    """A request as a browser or curl on this machine would send it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, path, {}, {"host": "127.0.0.1:8379", **named}, b"")


def status(request: Request, peer: str, token: Secret | None = None) -> int:
    """The refusal's status, 200 for none."""
    refused = refusal(request, peer, token.matches if token else None)
    return refused.status if refused else 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_probes_and_metrics_are_open_to_the_pod_address(path: str, token: Secret | None):
    """The kubelet and Prometheus come from elsewhere and bring nothing."""
    assert status(asked(path, host="10.0.0.7:8379"), "10.0.0.1", token) == 200


@pytest.mark.parametrize("path", ["/", "/policy", "/config", "/explain", "/overview", "/nonsense"])
def test_the_rest_is_closed_beyond_loopback(path: str):
    """Whether or not the path exists; with no token set there is nothing that could open it."""
    assert status(asked(path), "10.0.0.1") == 403
    assert status(asked(path), "10.0.0.1", TOKEN) == 403
    assert status(asked(path, **BEARER), "10.0.0.1") == 403


def test_posting_to_an_open_path_is_not_open():
    """The three are open for reading only."""
    assert status(asked("/metrics", "POST"), "10.0.0.1") == 403


def test_the_token_opens_beyond_loopback():
    """Brought as Bearer; a wrong one does not."""
    assert status(asked("/config", **BEARER), "10.0.0.1", TOKEN) == 200
    assert status(asked("/config", authorization="Bearer hunter"), "10.0.0.1", TOKEN) == 403
    assert status(asked("/invalidate", "POST", **BEARER), "10.0.0.1", TOKEN) == 200


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_needs_no_token_unless_one_is_set(peer: str):
    """With a token file set, this machine must bring it too, and is told how."""
    assert status(asked("/config"), peer) == 200
    assert status(asked("/config"), peer, TOKEN) == 401
    assert status(asked("/config", **BEARER), peer, TOKEN) == 200


def test_a_browser_brings_the_token_as_a_basic_password():
    """So that the page can be opened; the 401 asks for it."""
    basic = b64encode(b"anyone:hunter2").decode()
    assert status(asked("/", authorization=f"Basic {basic}"), "127.0.0.1", TOKEN) == 200
    assert status(asked("/", authorization="Basic ???"), "127.0.0.1", TOKEN) == 401
    refused = refusal(asked("/"), "127.0.0.1", TOKEN.matches)
    assert refused is not None and refused.headers[0][0] == "WWW-Authenticate"


def test_quit_is_for_this_machine_only():
    """Not even the token stops a process from outside."""
    assert status(asked("/quit", "POST", **BEARER), "10.0.0.1", TOKEN) == 403
    assert status(asked("/quit", "POST", **BEARER), "127.0.0.1", TOKEN) == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8379", "localhost:8379", "localhost", "[::1]:8379", "[::1]", "10.0.0.7:8379"]
)
def test_addresses_are_hosts(host: str):
    """What a browser or curl on this machine sends."""
    assert status(asked("/explain", host=host), "127.0.0.1") == 200


@pytest.mark.parametrize("host", ["evil.org", "evil.org:8379", "localhost.evil.org:8379", "127.0.0.1.evil.org"])
def test_a_rebound_name_is_refused(host: str):
    """A page of evil.org whose name now points to 127.0.0.1 must not read /explain, nor post."""
    assert status(asked("/explain", host=host), "127.0.0.1") == 403
    assert status(asked("/invalidate", "POST", host=host), "127.0.0.1") == 403


def test_a_page_of_another_site_cannot_post():
    """A form of evil.org sent to 127.0.0.1 carries its Origin; our own page's does not differ from Host."""
    assert status(asked("/invalidate", "POST", origin="http://evil.org"), "127.0.0.1") == 403
    assert status(asked("/invalidate", "POST", origin="null"), "127.0.0.1") == 403
    assert status(asked("/invalidate", "POST", origin="http://127.0.0.1:1"), "127.0.0.1") == 403
    assert status(asked("/invalidate", "POST", sec_fetch_site="cross-site"), "127.0.0.1") == 403
    assert status(asked("/invalidate", "POST", origin="http://127.0.0.1:8379"), "127.0.0.1") == 200
    assert status(asked("/invalidate", "POST"), "127.0.0.1") == 200


def test_the_browser_must_not_be_used_with_its_saved_token():
    """A browser that knows the token sends it along with another site's form."""
    assert status(asked("/drain", "POST", origin="http://evil.org", **BEARER), "127.0.0.1", TOKEN) == 403
