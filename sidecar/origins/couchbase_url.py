"""A Couchbase origin's URL: ``couchbase://host1,host2:port/BUCKET?option=value``."""

import ipaddress
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from sidecar.origins.errors import OriginSetupError

_PORTS = {"couchbase": 11210, "couchbases": 11207}
_CAPELLA = ".cloud.couchbase.com"
_EXPECTED = "couchbase[s]://HOST[,HOST...]/BUCKET"


class CouchbaseUrl(NamedTuple):
    """What the URL says.

    Attributes:
        connection_string: for the SDK: scheme, hosts and query options, without the bucket.
        hosts: (host, port) of each, the scheme's key-value port where none is given.
        bucket: the bucket's name.
        tls: the scheme is couchbases.
        is_capella: the hosts are Couchbase's own service, far away.
        may_be_srv: the one host may be a DNS SRV name, which needs no address of its own.
    """

    connection_string: str
    hosts: tuple[tuple[str, int], ...]
    bucket: str
    may_be_srv: bool
    tls: bool
    is_capella: bool


def parse_couchbase_url(url: str) -> CouchbaseUrl:
    """Take the URL apart.

    Raises:
        OriginSetupError: hosts or bucket missing, a port that is none, or credentials in the URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise OriginSetupError(f"origin: found no URL, expected {_EXPECTED}") from exc
    if parts.scheme not in _PORTS:
        raise OriginSetupError(f"origin: found scheme {parts.scheme!r}, expected {_EXPECTED}")
    if "@" in parts.netloc:
        raise OriginSetupError(
            "origin: found credentials in the URL; give them as SIDECAR_ORIGIN_USERNAME and SIDECAR_ORIGIN_PASSWORD"
        )
    bucket = unquote(parts.path.strip("/"))
    if not bucket or "/" in bucket:
        raise OriginSetupError(f"origin: found {parts.path!r} after the hosts, expected one bucket: {_EXPECTED}")
    hosts = tuple(_host(text, _PORTS[parts.scheme]) for text in parts.netloc.split(","))
    query = f"?{parts.query}" if parts.query else ""
    asks_srv = parse_qs(parts.query).get("enable_dns_srv", ["true"])[-1].lower() != "false"
    tls = parts.scheme == "couchbases"
    is_capella = all(host.endswith(_CAPELLA) for host, _ in hosts)
    single = len(hosts) == 1 and not _has_port(parts.netloc) and not _is_address(hosts[0][0])
    return CouchbaseUrl(f"{parts.scheme}://{parts.netloc}{query}", hosts, bucket, asks_srv and single, tls, is_capella)


def _host(text: str, default_port: int) -> tuple[str, int]:
    text = text.partition("=")[0]  # the SDK's ``host:port=mcd``
    if not _has_port(text):
        host, port = text, default_port
    else:
        host, _, port_text = text.rpartition(":")
        port = int(port_text) if port_text.isdecimal() else -1
    host = host.strip("[]")
    if not host or not 0 < port < 65536:
        raise OriginSetupError(f"origin: found {text!r} as a host, expected HOST or HOST:PORT")
    return host, port


def _has_port(text: str) -> bool:
    return ":" in text.rpartition("]")[2]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
