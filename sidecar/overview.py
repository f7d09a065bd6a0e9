"""The numbers of the live page: totals since the start; the page itself makes rates of them."""

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sidecar.clock import TICK_NS

if TYPE_CHECKING:
    from sidecar.admin import AdminServices

_TICK_S = TICK_NS / 1e9


def collect(services: "AdminServices") -> dict[str, Any]:
    """All that the page shows, ready for JSON."""
    store, misses, health = services.store, services.misses, services.health
    snapshot = services.snapshot_status
    views = services.policy.current.view_names
    counters = services.counters
    return {
        "version": version("feature-sidecar"),
        "uptime_s": round(time.time() - services.started_at, 1),
        "ready": health.ready,
        "why_not_ready": health.reasons(),
        "policy": {
            "file": services.policy_status.file,
            "generation": services.policy_status.generation,
            "last_error": services.policy_status.last_error,
        },
        "snapshot": {
            "file": snapshot.file,
            "written_at": snapshot.written_at,
            "keys": snapshot.written_keys,
            "bytes": snapshot.written_bytes,
            "duration_s": round(snapshot.written_s, 3),
            "refused_because": snapshot.refused_because,
        },
        "warm_start": {
            "keys": snapshot.found_keys,
            "warmth": round(snapshot.warmth, 4),
            "replaying": snapshot.replaying,
            **snapshot.keys,
        },
        "memory": {
            "used_bytes": store.memory_used,
            "limit_bytes": store.memory_limit,
            "entries": store.entries,
            "rows": store.rows,
            "evictions": sum(store.evictions.values()),
        },
        "connections": {
            "open": len(services.poller.connections),
            "limit": services.config.max_clients,
            "buffers_bytes": services.poller.client_bytes,
        },
        "origin": {
            "name": misses.origin,
            "in_flight": misses.in_flight,
            "waiting": misses.waiting,
            "joined": misses.joined,
            "batches": misses.batches,
            "requests": {f"{operation} {outcome}": n for (operation, outcome), n in misses.requests.items()},
            "read_bounds_s": misses.durations["read"].bounds,
            "read_counts": misses.durations["read"].counts,
        },
        "commands": counters.totals(0)[1],
        "views": [
            {"name": name, **counters.lookups_of(number), "ages": counters.served_of(number)[0]}
            for number, name in enumerate(views)
        ],
        "age_bounds_s": [(1 << bits) * _TICK_S for bits in range(len(counters.served_of(0)[0]))],
    }
