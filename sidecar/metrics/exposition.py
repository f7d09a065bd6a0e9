"""Renders the metrics for a scraper: Prometheus text, or OpenMetrics where it is asked for."""

from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import CollectorRegistry

from sidecar.metrics.collector import Collector, MetricSources


class Exposition:
    """A registry of its own: our collector and the process's CPU, memory and descriptors."""

    def __init__(self, sources: MetricSources) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Collector(sources))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """(body, content type), negotiated by the Accept header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
