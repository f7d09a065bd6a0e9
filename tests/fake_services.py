"""A sidecar's parts as the admin port and the metrics see them: real counters, made-up memory and sockets."""

import time
from types import SimpleNamespace
from typing import Any

import policies
from sidecar import config
from sidecar.clock import SystemClock
from sidecar.health import Health
from sidecar.memory import Store
from sidecar.metrics._counters import Counters
from sidecar.metrics.exposition import Exposition
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.policy_status import PolicyStatus
from sidecar.prefetch import Prefetcher, TouchLog
from sidecar.snapshot_status import SnapshotStatus

POLICY = """
version: 1
feature_views:
  - name: user_profile
    keys: "user:{user_id}"
feature_sets:
  - name: ranker
    members: ["user:{user_id}", "item:{item_id}"]
"""


class FakeReads:
    """Notes what was to be invalidated."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.matches: list[bytes] = []
        self.tried: set[bytes] = set()

    def invalidate(self, keys: list[bytes]) -> int:
        self.keys += keys
        return len(keys)

    def is_tried(self, key: bytes) -> bool:
        return key in self.tried

    def trouble(self, key: bytes, fields: tuple[bytes, ...] | None) -> None:
        """The origin can always be asked."""

    def invalidate_match(self, glob: bytes) -> None:
        self.matches.append(glob)


class FakeServices:
    """AdminServices and MetricSources."""

    def __init__(self, flags: dict[str, Any] | None = None) -> None:
        self.config = config.load(flags or {}, {})
        self.health = Health(accepting=True, policy_loaded=True, warmed_up=True)
        self.policy = SimpleNamespace(current=policies.parse(POLICY, "policy.yaml").compile())
        self.policy_status = PolicyStatus("policy.yaml")
        self.policy_status.loaded(1)
        self.snapshot_status = SnapshotStatus()
        self.counters = Counters()
        self.misses = MissPathCounters("sqlite")
        self.store = SimpleNamespace(
            memory_used=1000,
            memory_limit=4000,
            entries=10,
            rows=2,
            evictions={"capacity": 0},
            expired=0,
            early_refreshes=0,
        )
        self.poller = SimpleNamespace(connections={1, 2, 3}, client_bytes=64, aborted_output=0, aborted_memory=0)
        self.families = ("other", "get", "hmget")
        self.reads = FakeReads()
        self.clock = SystemClock()
        self.prefetcher = Prefetcher(
            self.clock,
            Store(1 << 20, self.policy.current.table, Counters()),
            self.reads,
            self.policy,
            TouchLog(),
            self.misses,
        )
        self.admin_token = None
        self.started_at = time.time() - 60
        self.exposition = Exposition(self)
        self.calls: list[str] = []

    def drain(self) -> None:
        self.calls.append("drain")

    def quit(self) -> None:
        self.calls.append("quit")
