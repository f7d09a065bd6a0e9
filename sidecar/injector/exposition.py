"""Renders the injector's metrics for a scraper."""

import platform
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version
from typing import Any

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import CollectorRegistry

from sidecar.injector.certificates import validity
from sidecar.injector.counters import InjectorCounters
from sidecar.metrics.catalog import INJECTOR_CATALOG

_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}


class InjectorExposition:
    """A registry of its own: the injector's metrics and the process's."""

    def __init__(self, counters: InjectorCounters, ready: Callable[[], bool], now: Callable[[], datetime]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(counters, ready, now))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """(body, content type), negotiated by the Accept header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Collector:
    """One method a metric of the catalog, by its name."""

    def __init__(self, counters: InjectorCounters, ready: Callable[[], bool], now: Callable[[], datetime]) -> None:
        self._counters = counters
        self._is_ready = ready
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Every metric, read now."""
        for metric in INJECTOR_CATALOG:
            family = _FAMILIES[metric.kind](metric.full_name, metric.help, labels=metric.labels)
            getattr(self, "_" + metric.name.removeprefix("injector_"))(family)
            yield family

    def _admissions_total(self, family: Any) -> None:
        _add_each(family, self._counters.admissions)

    def _refusals_total(self, family: Any) -> None:
        _add_each(family, self._counters.refusals)

    def _ignored_annotations_total(self, family: Any) -> None:
        _add_each(family, self._counters.ignored)

    def _admission_duration_seconds(self, family: Any) -> None:
        family.add_metric((), self._counters.durations.cumulative(), self._counters.durations.total)

    def _events_total(self, family: Any) -> None:
        _add_each(family, self._counters.events)

    def _certificate_age_seconds(self, family: Any) -> None:
        if self._counters.certificate is not None:  # before the first there is no age, and 0 would look fine
            begin, _ = validity(self._counters.certificate)
            family.add_metric((), (self._now() - begin).total_seconds())

    def _certificate_expiry_timestamp_seconds(self, family: Any) -> None:
        if self._counters.certificate is not None:
            family.add_metric((), validity(self._counters.certificate)[1].timestamp())

    def _certificate_failures_total(self, family: Any) -> None:
        family.add_metric((), self._counters.certificate_failures)

    def _settings_failures_total(self, family: Any) -> None:
        family.add_metric((), self._counters.settings_failures)

    def _ready(self, family: Any) -> None:
        family.add_metric((), 1 if self._is_ready() else 0)

    def _build_info(self, family: Any) -> None:
        family.add_metric((version("feature-sidecar"), platform.python_version()), 1)


def _add_each(family: Any, values: dict[str, int]) -> None:
    for label, value in values.items():
        family.add_metric((label,), value)
