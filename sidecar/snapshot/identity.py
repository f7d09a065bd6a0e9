"""What a snapshot's values are tied to: one boot of one machine, one origin."""

import hashlib
import os
from urllib.parse import urlsplit

DIGEST_BYTES = 16
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_TIME_NAMESPACE = "/proc/self/ns/time"  # CLOCK_BOOTTIME may be shifted by it


def boot_identity() -> bytes:
    """Within which CLOCK_BOOTTIME goes on without a break; empty where the system does not say: no value is safe."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        return b""
    try:
        namespace = os.readlink(_TIME_NAMESPACE)
    except OSError:  # before Linux 5.6 there are none
        namespace = ""
    return _digest(f"{boot} {namespace}") if boot else b""


def origin_identity(url: str) -> bytes:
    """Which data an origin's URL names: kind, hosts in any order, and bucket or file; no login, no options."""
    parts = urlsplit(url)
    scheme = "couchbase" if parts.scheme == "couchbases" else parts.scheme
    hosts = sorted(host.rpartition("@")[2].lower() for host in parts.netloc.split(","))
    path = parts.path
    if scheme == "sqlite":
        from sidecar.origins.sqlite_path import path_of

        path = os.path.realpath(path_of(url))
    return _digest(f"{scheme}://{','.join(hosts)}{path}")


def outlives_the_process(url: str) -> bool:
    """Whether the origin has the same data after a restart: memory:// begins empty."""
    return urlsplit(url).scheme != "memory"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:DIGEST_BYTES]
