"""CONFIG GET's read-only view: this sidecar's settings under the names that Redis tools ask for."""

from typing import Any


def config_view(config: Any) -> dict[bytes, bytes]:
    """What tools read. Persistence is off: the data lives at the origin."""
    tcp = [address for address in config.listen if hasattr(address, "port")]
    return {
        b"appendonly": b"no",
        b"bind": b" ".join(address.host.encode() for address in tcp),
        b"client-output-buffer-limit": b"normal %d 0 0" % config.client_output_limit,
        b"databases": b"1",
        b"maxclients": b"%d" % config.max_clients,
        b"maxmemory": b"%d" % config.max_memory,
        b"maxmemory-clients": b"%d" % config.max_client_memory,
        b"maxmemory-policy": EVICTION,
        b"port": b"%d" % (tcp[0].port if tcp else 0),
        b"replica-read-only": b"yes",
        b"save": b"",
        b"slave-read-only": b"yes",
        b"timeout": b"%d" % config.idle_timeout,
    }


EVICTION = b"allkeys-s3fifo"
