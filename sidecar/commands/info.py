"""INFO: the figures that dashboards and client libraries read, under Redis's names."""

import os
import platform
import resource
import sys
from collections.abc import Callable
from typing import Any

from protocol.replies import Reply, Verbatim
from sidecar.commands.config_view import EVICTION, config_view
from sidecar.commands.connection import SERVER_VERSION
from sidecar.commands.services import Handler, Services

Section = dict[str, object]
ALL_WORDS = (b"all", b"default", b"everything")


def info(services: Services, session: Any, args: list[bytes]) -> Reply:
    """INFO [section ...]: an unknown section is empty, as in Redis."""
    wanted = {argument.lower() for argument in args[1:]} or {b"default"}
    everything = not wanted.isdisjoint(ALL_WORDS)
    parts = []
    for title, make in SECTIONS.items():
        if everything or title.lower().encode() in wanted:
            lines = [f"# {title}", *(f"{name}:{value}" for name, value in make(services).items())]
            parts.append("".join(line + "\r\n" for line in lines))
    return Verbatim(b"txt", "\r\n".join(parts).encode())


def _server(services: Services) -> Section:
    uptime_s = int(services.loop.time() - services.started_at)
    return {
        "redis_version": SERVER_VERSION.decode(),
        "redis_git_sha1": "00000000",
        "redis_git_dirty": 0,
        "redis_build_id": "0000000000000000",
        "redis_mode": "standalone",
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "arch_bits": 64 if sys.maxsize > 2**32 else 32,
        "process_id": os.getpid(),
        "tcp_port": config_view(services.config)[b"port"].decode(),
        "server_time_usec": services.clock.wall_ms() * 1000,
        "uptime_in_seconds": uptime_s,
        "uptime_in_days": uptime_s // 86400,
        "executable": sys.executable,
        "config_file": "",
    }


def _clients(services: Services) -> Section:
    return {
        "connected_clients": sum(1 for _ in services.clients),
        "cluster_connections": 0,
        "maxclients": services.config.max_clients,
        "blocked_clients": 0,
        "tracking_clients": 0,
    }


def _memory(services: Services) -> Section:
    used = services.store.memory_used
    peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "used_memory": used,
        "used_memory_human": _human(used),
        "used_memory_rss": _resident_bytes() or peak_rss,
        "used_memory_peak": used,
        "used_memory_dataset": used,
        "maxmemory": services.store.memory_limit,
        "maxmemory_human": _human(services.store.memory_limit),
        "maxmemory_policy": EVICTION.decode(),
        "mem_clients_normal": sum(client.input_bytes + client.output_bytes for client in services.clients),
    }


def _resident_bytes() -> int:
    """0 where there is no /proc."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _human(size: int) -> str:
    """As Redis's bytesToHuman."""
    for unit, shift in (("B", 0), ("K", 10), ("M", 20), ("G", 30)):
        if size < 1 << shift + 10:
            return f"{size}B" if unit == "B" else f"{size / (1 << shift):.2f}{unit}"
    return f"{size / (1 << 40):.2f}T"


def _persistence(services: Services) -> Section:
    """``loading:0``: some clients do not start before they have read it."""
    return {"loading": 0, "async_loading": 0, "rdb_bgsave_in_progress": 0, "aof_enabled": 0}


def _stats(services: Services) -> Section:
    entries, commands = services.counters.totals(len(services.policy.current.view_names))
    return {
        "total_connections_received": services.connections_received(),
        "total_commands_processed": commands,
        "expired_keys": services.store.expired,
        "evicted_keys": sum(services.store.evictions.values()),
        "keyspace_hits": entries["hit"] + entries["stale"],  # entries answered from memory
        "keyspace_misses": entries["miss"] + entries["negative"],  # to Redis, what is known to be absent is a miss
        "pubsub_channels": 0,
        "pubsub_patterns": 0,
    }


def _replication(services: Services) -> Section:
    return {"role": "master", "connected_slaves": 0, "master_repl_offset": 0}


def _cpu(services: Services) -> Section:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"used_cpu_sys": f"{usage.ru_stime:.6f}", "used_cpu_user": f"{usage.ru_utime:.6f}"}


def _cluster(services: Services) -> Section:
    return {"cluster_enabled": 0}


def _keyspace(services: Services) -> Section:
    """The keys in memory; a database without keys has no line, as in Redis."""
    keys = services.store.rows + services.store.strings
    return {"db0": f"keys={keys},expires=0,avg_ttl=0,subexpiry=0"} if keys else {}


SECTIONS: dict[str, Callable[[Services], Section]] = {
    "Server": _server,
    "Clients": _clients,
    "Memory": _memory,
    "Persistence": _persistence,
    "Stats": _stats,
    "Replication": _replication,
    "CPU": _cpu,
    "Cluster": _cluster,
    "Keyspace": _keyspace,
}
HANDLERS: dict[bytes, Handler] = {b"info": info}
