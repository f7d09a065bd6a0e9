"""Reads the counters of every part at scrape time and writes them as metric families.

Nothing is counted through prometheus-client: the hit path adds to C integers, the miss path to plain dicts.

A scrape is written in steps. Of the hit path it shows one moment, a copy made in C, from which what there is of each
feature view, of which there may be a thousand, is written; the other numbers are read a family at a time.
"""

import platform
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from importlib.metadata import version
from typing import Any, Protocol

from sidecar.cgroup import CpuThrottling
from sidecar.clock import TICK_NS
from sidecar.health import Health
from sidecar.metrics import Counters, catalog
from sidecar.metrics.histogram import by_bit_length
from sidecar.metrics.miss_path import PREFETCH_OUTCOMES, QUEUES, MissPathCounters
from sidecar.metrics.text import FamilyText, HistogramText, new_family
from sidecar.policy_status import PolicyStatus
from sidecar.snapshot_status import SnapshotStatus

# 12 bounds each: 40 ms to 3 h of age, 8 us to 1 s of duration
AGE_BITS = (2, 4, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20)
DURATION_BITS = (13, 14, 15, 16, 17, 18, 20, 22, 24, 26, 28, 30)
NAMES_AT_ONCE = 10  # about 0.1 ms
_TICK_S = TICK_NS / 1e9


@cache
def installed_version() -> str:
    """Of this distribution; reading it takes a millisecond."""
    return version("feature-sidecar")


class MetricSources(Protocol):
    """Where the numbers are; ``sidecar.server`` provides it.

    Attributes:
        counters: the hit path's.
        misses: the miss path's.
        store: memory_used, memory_limit, entries, rows, evictions, expired, early_refreshes.
        poller: connections, client_bytes, aborted_output, aborted_memory.
        policy: has ``.current`` with ``view_names`` and ``feature_sets``.
        families: names of the command families, by number.
    """

    counters: Any
    misses: MissPathCounters
    store: Any
    poller: Any
    policy: Any
    policy_status: PolicyStatus
    snapshot_status: SnapshotStatus
    health: Health
    families: tuple[str, ...]


class Collector:
    """One scrape. One method per metric of the catalog, by its name: it fills a family at once or in steps."""

    def __init__(self, sources: MetricSources, throttling: CpuThrottling) -> None:
        self._sources = sources
        self._throttling = throttling
        self._views = list(sources.policy.current.view_names)
        self._counted: Counters = sources.counters.copy(len(self._views))

    def lines(self, openmetrics: bool) -> Iterator[list[str]]:
        """Every metric of the catalog as lines of text: a step at a time."""
        for metric in catalog.CATALOG:
            family = new_family(metric.full_name, metric.kind, metric.help, metric.labels, openmetrics=openmetrics)
            fill: Callable[[Any], Iterator[None] | None] = getattr(self, "_" + metric.name)
            for _ in fill(family) or ():
                yield family.take()
            yield family.take()

    def _lookups_total(self, family: FamilyText) -> Iterator[None]:
        return _in_steps(partial(_add_lookups, family, self._counted), self._views)

    def _served_age_seconds(self, family: HistogramText) -> Iterator[None]:
        return _in_steps(partial(_add_ages, family, self._counted), self._views)

    def _commands_total(self, family: FamilyText) -> Iterator[None]:
        return _in_steps(partial(_add_commands, family, self._counted), self._sources.families)

    def _command_duration_seconds(self, family: HistogramText) -> Iterator[None]:
        return _in_steps(partial(_add_durations, family, self._counted), self._sources.families)

    def _origin_requests_total(self, family: FamilyText) -> None:
        misses = self._sources.misses
        for (operation, outcome), documents in misses.requests.items():
            family.add_metric((misses.origin, operation, outcome), documents)

    def _origin_batches_total(self, family: FamilyText) -> None:
        misses = self._sources.misses
        for operation, batches in misses.batches.items():
            family.add_metric((misses.origin, operation), batches)

    def _origin_request_duration_seconds(self, family: HistogramText) -> None:
        misses = self._sources.misses
        for operation, histogram in misses.durations.items():
            family.add_metric((misses.origin, operation), histogram.cumulative(), histogram.total)

    def _origin_in_flight(self, family: FamilyText) -> None:
        family.add_metric((self._sources.misses.origin,), self._sources.misses.in_flight)

    def _origin_waiting(self, family: FamilyText) -> None:
        family.add_metric((self._sources.misses.origin,), self._sources.misses.waiting)

    def _origin_limit(self, family: FamilyText) -> None:
        guard = self._sources.misses.guard
        family.add_metric((self._sources.misses.origin,), guard.limiter.limit if guard else 0)

    def _origin_documents_in_flight(self, family: FamilyText) -> None:
        guard = self._sources.misses.guard
        family.add_metric((self._sources.misses.origin,), guard.limiter.in_use if guard else 0)

    def _origin_queue_length(self, family: FamilyText) -> None:
        misses = self._sources.misses
        for priority, length in zip(QUEUES, (*misses.read_queue, len(misses.write_queue)), strict=True):
            family.add_metric((self._sources.misses.origin, priority), length)

    def _shed_total(self, family: FamilyText) -> None:
        for reason, requests in self._sources.misses.shed.items():
            family.add_metric((reason,), requests)

    def _overloaded(self, family: FamilyText) -> None:
        guard = self._sources.misses.guard
        family.add_metric((self._sources.misses.origin,), 1 if guard and guard.is_overloaded() else 0)

    def _overloads_total(self, family: FamilyText) -> None:
        family.add_metric((self._sources.misses.origin,), self._sources.misses.overloads)

    def _breaker_state(self, family: FamilyText) -> None:
        guard = self._sources.misses.guard
        family.add_metric((self._sources.misses.origin,), guard.breaker_state() if guard else 0)

    def _breaker_changes_total(self, family: FamilyText) -> None:
        for state, changes in self._sources.misses.breaker_changes.items():
            family.add_metric((self._sources.misses.origin, state), changes)

    def _retries_total(self, family: FamilyText) -> None:
        for operation, documents in self._sources.misses.retries.items():
            family.add_metric((self._sources.misses.origin, operation), documents)

    def _retry_budget_documents(self, family: FamilyText) -> None:
        guard = self._sources.misses.guard
        family.add_metric((self._sources.misses.origin,), guard.budget_left() if guard else 0)

    def _hedges_total(self, family: FamilyText) -> None:
        for outcome, reads in self._sources.misses.hedges.items():
            family.add_metric((self._sources.misses.origin, outcome), reads)

    def _answers_without_origin_total(self, family: FamilyText) -> None:
        for labels, answers in self._sources.misses.without_origin.items():
            family.add_metric(labels, answers)

    def _flights_joined_total(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.misses.joined)

    def _early_refreshes_total(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.store.early_refreshes)

    def _fills_dropped_total(self, family: FamilyText) -> None:
        for reason, fills in self._sources.misses.fills_dropped.items():
            family.add_metric((reason,), fills)

    def _prefetch_documents_total(self, family: FamilyText) -> None:
        prefetched = self._sources.misses.prefetched
        names = [*(one.name for one in self._sources.policy.current.feature_sets), "learned"]
        for name in names:
            for outcome in PREFETCH_OUTCOMES:
                family.add_metric((name, outcome), prefetched.get((name, outcome), 0))

    def _memory_used_bytes(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.store.memory_used)

    def _memory_limit_bytes(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.store.memory_limit)

    def _entries(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.store.entries)

    def _rows(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.store.rows)

    def _evictions_total(self, family: FamilyText) -> None:
        for reason, items in self._sources.store.evictions.items():
            family.add_metric((reason,), items)

    def _expirations_total(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.store.expired)

    def _connections(self, family: FamilyText) -> None:
        family.add_metric((), len(self._sources.poller.connections))

    def _connections_aborted_total(self, family: FamilyText) -> None:
        family.add_metric(("output_limit",), self._sources.poller.aborted_output)
        family.add_metric(("client_memory",), self._sources.poller.aborted_memory)

    def _client_memory_bytes(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.poller.client_bytes)

    def _policy_generation(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.policy_status.generation)

    def _policy_reload_failures_total(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.policy_status.reload_failures)

    def _snapshots_total(self, family: FamilyText) -> None:
        for outcome, snapshots in self._sources.snapshot_status.writes.items():
            family.add_metric((outcome,), snapshots)

    def _snapshot_timestamp_seconds(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.snapshot_status.written_at)

    def _snapshot_keys(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.snapshot_status.written_keys)

    def _snapshot_bytes(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.snapshot_status.written_bytes)

    def _snapshot_duration_seconds(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.snapshot_status.written_s)

    def _snapshots_refused_total(self, family: FamilyText) -> None:
        for reason, snapshots in self._sources.snapshot_status.refusals.items():
            family.add_metric((reason,), snapshots)

    def _warm_start_snapshot_keys(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.snapshot_status.found_keys)

    def _warm_start_keys_total(self, family: FamilyText) -> None:
        for outcome, keys in self._sources.snapshot_status.keys.items():
            family.add_metric((outcome,), keys)

    def _warmth_ratio(self, family: FamilyText) -> None:
        family.add_metric((), self._sources.snapshot_status.warmth)

    def _cpu_throttled_seconds_total(self, family: FamilyText) -> None:
        family.add_metric((), self._throttling.seconds())

    def _ready(self, family: FamilyText) -> None:
        family.add_metric((), 1 if self._sources.health.ready else 0)

    def _build_info(self, family: FamilyText) -> None:
        family.add_metric((installed_version(), platform.python_version()), 1)


def _in_steps(add: Callable[[int, str], None], names: Sequence[str]) -> Iterator[None]:
    """``add`` for each number and name; a step ends after some."""
    for number, name in enumerate(names):
        add(number, name)
        if number % NAMES_AT_ONCE == NAMES_AT_ONCE - 1:
            yield


def _add_lookups(family: FamilyText, counted: Counters, number: int, view: str) -> None:
    for outcome, entries in counted.lookups_of(number).items():
        family.add_metric((view, outcome), entries)


def _add_ages(family: HistogramText, counted: Counters, number: int, view: str) -> None:
    counts, ticks = counted.served_of(number)
    family.add_metric((view,), by_bit_length(counts, AGE_BITS, _TICK_S), ticks * _TICK_S)


def _add_commands(family: FamilyText, counted: Counters, number: int, name: str) -> None:
    family.add_metric((name,), counted.commands_of(number))


def _add_durations(family: HistogramText, counted: Counters, number: int, name: str) -> None:
    counts, total_ns, _samples = counted.durations_of(number)
    family.add_metric((name,), by_bit_length(counts, DURATION_BITS, 1e-9), total_ns / 1e9)
