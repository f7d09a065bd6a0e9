"""Metric families as text, in the Prometheus format 0.0.4 or as OpenMetrics 1.0.

prometheus-client's own encoders take 10 us a sample and a whole registry at once; this takes a tenth and any number of
samples at a time, so that a scrape can be made in steps between which the loop serves clients.
"""

from collections.abc import Sequence
from functools import cache

from prometheus_client.utils import floatToGoString

_PLACE = "\0"  # _escape takes it out of label values


def _escape(text: str) -> str:
    """A label value as both formats write it."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"').replace(_PLACE, "")


def _number(value: float) -> str:
    """Integers as such, other numbers as Go writes them."""
    return str(value) if isinstance(value, int) else floatToGoString(value)


@cache
def _template(name: str, labels: tuple[str, ...]) -> str:
    """A sample up to its value, to be filled in with the labels' values in the order given; sorted, as elsewhere."""
    if not labels:
        return f"{name} "
    places = sorted((label, number) for number, label in enumerate(labels))
    return name + "{{" + ",".join(f'{label}="{{{number}}}"' for label, number in places) + "}} "


@cache
def _head(name: str, kind: str, meaning: str, openmetrics: bool) -> str:
    """The lines that say what a family is."""
    base = name.removesuffix("_total") if openmetrics and kind == "counter" else name
    meaning = meaning.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        meaning = meaning.replace('"', '\\"')
    return f"# HELP {base} {meaning}\n# TYPE {base} {kind}\n"


class FamilyText:
    """The samples of a counter or a gauge, after lines that say what they are.

    Args:
        name: in full; a counter's ends in ``_total``.
        openmetrics: the format to write.
    """

    def __init__(
        self, name: str, kind: str, meaning: str, labels: tuple[str, ...] = (), *, openmetrics: bool = False
    ) -> None:
        self.lines = [_head(name, kind, meaning, openmetrics)]
        self._sample = _template(name, labels)

    def add_metric(self, labels: Sequence[str], value: float) -> None:
        """One sample; labels in the order of the family's names."""
        self.lines.append(f"{self._sample.format(*map(_escape, labels))}{_number(value)}\n")

    def take(self) -> list[str]:
        """The lines since they were last taken."""
        lines, self.lines = self.lines, []
        return lines


class HistogramText(FamilyText):
    """The samples of a histogram."""

    def __init__(
        self, name: str, kind: str, meaning: str, labels: tuple[str, ...] = (), *, openmetrics: bool = False
    ) -> None:
        super().__init__(name, kind, meaning, labels, openmetrics=openmetrics)
        self._bucket = _template(f"{name}_bucket", (*labels, "le"))
        self._sum = _template(f"{name}_sum", labels)
        self._count = _template(f"{name}_count", labels)

    def add_metric(  # type: ignore[override]
        self, labels: Sequence[str], buckets: Sequence[tuple[str, float]], sum_value: float
    ) -> None:
        """One histogram; buckets: (bound, observations up to it), +Inf last."""
        values = [_escape(label) for label in labels]
        before, after = self._bucket.format(*values, _PLACE).split(_PLACE)
        self.lines += [f"{before}{bound}{after}{_number(seen)}\n" for bound, seen in buckets]
        self.lines.append(f"{self._count.format(*values)}{_number(buckets[-1][1])}\n")
        self.lines.append(f"{self._sum.format(*values)}{_number(sum_value)}\n")


def new_family(name: str, kind: str, meaning: str, labels: tuple[str, ...] = (), *, openmetrics: bool) -> FamilyText:
    """An empty family of a kind: counter, gauge or histogram."""
    made = HistogramText if kind == "histogram" else FamilyText
    return made(name, kind, meaning, labels, openmetrics=openmetrics)
