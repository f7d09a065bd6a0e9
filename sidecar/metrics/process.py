"""The usual ``process_*`` metrics: what prometheus-client's ProcessCollector shows, read in steps.

That one lists /proc/self/fd whole: 10 ms with 10,000 clients.
"""

import os
import resource
from collections.abc import Iterator

from sidecar.metrics.text import new_family

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = resource.getpagesize()
_AT_ONCE = 200  # descriptors counted a step


def process_lines(openmetrics: bool) -> Iterator[list[str]]:
    """Lines of text, a step at a time. Nothing where there is no /proc."""
    try:
        with open("/proc/self/stat") as file:
            numbers = file.read().rpartition(")")[2].split()
        with open("/proc/stat") as file:
            booted_s = next(float(line.split()[1]) for line in file if line.startswith("btime "))
    except (OSError, StopIteration):
        return
    descriptors = 0
    for counted in _count_descriptors():
        descriptors = counted
        yield []
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for name, kind, meaning, value in (
        ("virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", int(numbers[20])),
        ("resident_memory_bytes", "gauge", "Resident memory size in bytes.", int(numbers[21]) * _PAGE_BYTES),
        (
            "start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            booted_s + int(numbers[19]) / _TICKS_PER_S,
        ),
        (
            "cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            (int(numbers[11]) + int(numbers[12])) / _TICKS_PER_S,
        ),
        ("open_fds", "gauge", "Number of open file descriptors.", descriptors),
        ("max_fds", "gauge", "Maximum number of open file descriptors.", limit),
    ):
        family = new_family(f"process_{name}", kind, meaning, openmetrics=openmetrics)
        family.add_metric((), value)
        yield family.take()


def _count_descriptors() -> Iterator[int]:
    """How many are open, so far: the last number is all of them."""
    count = os.stat("/proc/self/fd").st_size  # Linux 6.2 and later tell it without a list
    if count:
        yield count
        return
    with os.scandir("/proc/self/fd") as entries:
        for count, _entry in enumerate(entries, 1):
            if count % _AT_ONCE == 0:
                yield count
    yield count
