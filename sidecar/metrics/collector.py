"""Reads the counters of every part at scrape time and hands them to prometheus-client as metric families.

Nothing is counted through prometheus-client: the hit path adds to C integers, the miss path to plain dicts.
"""

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from sidecar.clock import TICK_NS
from sidecar.health import Health
from sidecar.metrics import catalog
from sidecar.metrics.histogram import by_bit_length
from sidecar.metrics.miss_path import PREFETCH_OUTCOMES, MissPathCounters
from sidecar.policy_status import PolicyStatus

# 12 bounds each: 40 ms to 3 h of age, 8 us to 1 s of duration
AGE_BITS = (2, 4, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20)
DURATION_BITS = (13, 14, 15, 16, 17, 18, 20, 22, 24, 26, 28, 30)
_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}


class MetricSources(Protocol):
    """Where the numbers are; ``sidecar.server`` provides it.

    Attributes:
        counters: the hit path's.
        misses: the miss path's.
        store: memory_used, memory_limit, entries, rows, evictions, expired.
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
    health: Health
    families: tuple[str, ...]


class Collector:
    """A prometheus-client collector over ``MetricSources``: one method per metric of the catalog, by its name."""

    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources
        self._version = version("feature-sidecar")
        self._snapshot: dict[str, Any] = {}

    def collect(self) -> Iterator[Metric]:
        """Every metric of the catalog, read now."""
        sources = self._sources
        self._views = sources.policy.current.view_names
        self._snapshot = sources.counters.snapshot(len(self._views), len(sources.families))
        for metric in catalog.CATALOG:
            family = _FAMILIES[metric.kind](metric.full_name, metric.help, labels=metric.labels)
            fill: Callable[[Any], None] = getattr(self, "_" + metric.name)
            fill(family)
            yield family

    def _lookups_total(self, family: CounterMetricFamily) -> None:
        for number, outcomes in self._snapshot["lookups"].items():
            for outcome, entries in outcomes.items():
                family.add_metric((self._views[number], outcome), entries)

    def _served_age_seconds(self, family: HistogramMetricFamily) -> None:
        tick_s = TICK_NS / 1e9
        for number, (counts, ticks) in self._snapshot["served_age"].items():
            family.add_metric((self._views[number],), by_bit_length(counts, AGE_BITS, tick_s), ticks * tick_s)

    def _commands_total(self, family: CounterMetricFamily) -> None:
        for number, commands in self._snapshot["commands"].items():
            family.add_metric((self._sources.families[number],), commands)

    def _command_duration_seconds(self, family: HistogramMetricFamily) -> None:
        for number, (counts, total_ns, _) in self._snapshot["durations"].items():
            labels = (self._sources.families[number],)
            family.add_metric(labels, by_bit_length(counts, DURATION_BITS, 1e-9), total_ns / 1e9)

    def _origin_requests_total(self, family: CounterMetricFamily) -> None:
        misses = self._sources.misses
        for (operation, outcome), documents in misses.requests.items():
            family.add_metric((misses.origin, operation, outcome), documents)

    def _origin_batches_total(self, family: CounterMetricFamily) -> None:
        misses = self._sources.misses
        for operation, batches in misses.batches.items():
            family.add_metric((misses.origin, operation), batches)

    def _origin_request_duration_seconds(self, family: HistogramMetricFamily) -> None:
        misses = self._sources.misses
        for operation, histogram in misses.durations.items():
            family.add_metric((misses.origin, operation), histogram.cumulative(), histogram.total)

    def _origin_in_flight(self, family: GaugeMetricFamily) -> None:
        family.add_metric((self._sources.misses.origin,), self._sources.misses.in_flight)

    def _origin_waiting(self, family: GaugeMetricFamily) -> None:
        family.add_metric((self._sources.misses.origin,), self._sources.misses.waiting)

    def _flights_joined_total(self, family: CounterMetricFamily) -> None:
        family.add_metric((), self._sources.misses.joined)

    def _fills_dropped_total(self, family: CounterMetricFamily) -> None:
        for reason, fills in self._sources.misses.fills_dropped.items():
            family.add_metric((reason,), fills)

    def _prefetch_documents_total(self, family: CounterMetricFamily) -> None:
        prefetched = self._sources.misses.prefetched
        for feature_set in self._sources.policy.current.feature_sets:
            for outcome in PREFETCH_OUTCOMES:
                family.add_metric((feature_set.name, outcome), prefetched.get((feature_set.name, outcome), 0))

    def _memory_used_bytes(self, family: GaugeMetricFamily) -> None:
        family.add_metric((), self._sources.store.memory_used)

    def _memory_limit_bytes(self, family: GaugeMetricFamily) -> None:
        family.add_metric((), self._sources.store.memory_limit)

    def _entries(self, family: GaugeMetricFamily) -> None:
        family.add_metric((), self._sources.store.entries)

    def _rows(self, family: GaugeMetricFamily) -> None:
        family.add_metric((), self._sources.store.rows)

    def _evictions_total(self, family: CounterMetricFamily) -> None:
        for reason, items in self._sources.store.evictions.items():
            family.add_metric((reason,), items)

    def _expirations_total(self, family: CounterMetricFamily) -> None:
        family.add_metric((), self._sources.store.expired)

    def _connections(self, family: GaugeMetricFamily) -> None:
        family.add_metric((), len(self._sources.poller.connections))

    def _connections_aborted_total(self, family: CounterMetricFamily) -> None:
        family.add_metric(("output_limit",), self._sources.poller.aborted_output)
        family.add_metric(("client_memory",), self._sources.poller.aborted_memory)

    def _client_memory_bytes(self, family: GaugeMetricFamily) -> None:
        family.add_metric((), self._sources.poller.client_bytes)

    def _policy_generation(self, family: GaugeMetricFamily) -> None:
        family.add_metric((), self._sources.policy_status.generation)

    def _policy_reload_failures_total(self, family: CounterMetricFamily) -> None:
        family.add_metric((), self._sources.policy_status.reload_failures)

    def _ready(self, family: GaugeMetricFamily) -> None:
        family.add_metric((), 1 if self._sources.health.ready else 0)

    def _build_info(self, family: GaugeMetricFamily) -> None:
        family.add_metric((self._version, platform.python_version()), 1)
