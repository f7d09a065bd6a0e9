"""What a scrape reads: everything from the first one, the right numbers afterwards, in two formats."""

import pytest
from fake_services import FakeServices
from prometheus_client import ProcessCollector
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.samples import Sample

import policies
from sidecar.metrics._counters import Outcome
from sidecar.metrics.catalog import CATALOG
from sidecar.metrics.histogram import Histogram, by_bit_length
from sidecar.metrics.text import new_family


def scrape(services: FakeServices) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels."""
    pieces, _ = services.exposition.pieces()
    body = b"".join(pieces)
    return {key_of(sample): sample.value for family in read_text(body.decode()) for sample in family.samples}


def key_of(sample: Sample) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Name and sorted labels."""
    return sample.name, tuple(sorted(sample.labels.items()))


def value(samples: dict, name: str, **labels: str) -> float:
    """One sample."""
    return samples["feature_sidecar_" + name, tuple(sorted(labels.items()))]


def test_every_metric_is_there_from_the_first_scrape():
    """Nothing happened yet, and each of the catalog has a sample; counters and histograms are zero."""
    samples = scrape(FakeServices())
    names = {name for name, _ in samples}
    for metric in CATALOG:
        assert metric.full_name in names or metric.full_name + "_bucket" in names, metric.name
        if metric.kind != "gauge":
            own = [v for (name, _), v in samples.items() if name.startswith(metric.full_name)]
            assert own and not any(own), metric.name


def test_every_label_value_is_there_from_the_first_scrape():
    """A rate over a series that appears with its first event misses that event."""
    samples = scrape(FakeServices())
    for view in ("_default", "user_profile"):
        for outcome in ("hit", "stale", "miss", "negative"):
            assert value(samples, "lookups_total", view=view, outcome=outcome) == 0
    for outcome in ("found", "absent", "failed", "timeout", "unavailable"):
        assert value(samples, "origin_requests_total", origin="sqlite", operation="read", outcome=outcome) == 0
    assert value(samples, "prefetch_documents_total", set="ranker", outcome="wasted") == 0
    assert value(samples, "commands_total", family="hmget") == 0


def test_counters_show_what_was_counted():
    """Hit path, miss path, memory, connections and policy, each by its own number."""
    services = FakeServices()
    services.counters.add_lookup(1, Outcome.HIT, 50)
    services.counters.add_lookup(0, Outcome.MISS, 3)
    services.counters.add_command(2, 7)
    services.misses.request("read", "found", 20)
    services.misses.request("write", "unknown")
    services.misses.batch("read", 0.002)
    services.misses.fill_dropped("writer")
    services.misses.joined += 9
    services.store.evictions["capacity"] = 4
    services.policy_status.failed("broken")
    services.poller.aborted_output = 2
    samples = scrape(services)
    assert value(samples, "lookups_total", view="user_profile", outcome="hit") == 50
    assert value(samples, "lookups_total", view="_default", outcome="miss") == 3
    assert value(samples, "commands_total", family="hmget") == 7
    assert value(samples, "origin_requests_total", origin="sqlite", operation="read", outcome="found") == 20
    assert value(samples, "origin_requests_total", origin="sqlite", operation="write", outcome="unknown") == 1
    assert value(samples, "origin_batches_total", origin="sqlite", operation="read") == 1
    assert value(samples, "fills_dropped_total", reason="writer") == 1
    assert value(samples, "flights_joined_total") == 9
    assert value(samples, "evictions_total", reason="capacity") == 4
    assert value(samples, "connections") == 3
    assert value(samples, "connections_aborted_total", reason="output_limit") == 2
    assert value(samples, "policy_generation") == 1
    assert value(samples, "policy_reload_failures_total") == 1
    assert value(samples, "memory_used_bytes") == 1000
    assert value(samples, "ready") == 1


def test_ages_and_durations_fall_into_the_buckets_that_hold_them():
    """An age of 100 ticks (1 s) lies above 0.64 s and within 1.28 s; 20 us of duration within 32.768 us."""
    services = FakeServices()
    services.counters.add_served(1, Outcome.HIT, 100, 5)
    services.counters.add_duration(1, 20_000)
    samples = scrape(services)
    assert value(samples, "served_age_seconds_bucket", view="user_profile", le="0.64") == 0
    assert value(samples, "served_age_seconds_bucket", view="user_profile", le="1.28") == 5
    assert value(samples, "served_age_seconds_bucket", view="user_profile", le="+Inf") == 5
    assert value(samples, "served_age_seconds_sum", view="user_profile") == 5.0
    assert value(samples, "command_duration_seconds_bucket", family="get", le="1.6384e-05") == 0
    assert value(samples, "command_duration_seconds_bucket", family="get", le="3.2768e-05") == 1
    assert value(samples, "command_duration_seconds_count", family="get") == 1


def test_openmetrics_is_answered_where_it_is_asked_for():
    """By the Accept header; an independent parser reads it to its end mark."""
    pieces, content_type = FakeServices().exposition.pieces("application/openmetrics-text; version=1.0.0")
    body = b"".join(pieces)
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert len(list(read_openmetrics(body.decode()))) >= len(CATALOG)
    _, plain = FakeServices().exposition.pieces("")
    assert plain.startswith("text/plain")


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_a_thousand_views_are_written_in_small_pieces_of_one_moment(accept: str):
    """Each piece is a step of the loop; what is counted between them does not show, nor does another scrape."""
    services = FakeServices()
    views = "".join(f'  - {{name: v{n}, keys: "v{n}:{{id}}"}}\n' for n in range(1000))
    services.policy.current = policies.parse(f"version: 1\nfeature_views:\n{views}", "policy.yaml").compile()
    services.counters.add_served(1000, Outcome.HIT, 100, 5)
    pieces, _ = services.exposition.pieces(accept)
    made = [next(pieces)]
    services.counters.add_served(1000, Outcome.HIT, 100, 1)
    other, _ = services.exposition.pieces(accept)
    next(other)
    made += pieces
    body = b"".join(made).decode()
    assert len(made) > 100 and max(piece.count(b"\n") for piece in made) < 400
    read = read_openmetrics if accept else read_text
    samples = {key_of(sample): sample.value for family in read(body) for sample in family.samples}
    assert value(samples, "served_age_seconds_count", view="v999") == 5
    assert value(samples, "lookups_total", view="v999", outcome="hit") == 5
    assert b'_count{view="v999"} 6\n' in b"".join(other)


def test_labels_and_numbers_are_read_back_as_they_were():
    """Quotes, backslashes and line ends in a label; integers past 2**53 and small fractions."""
    label = 'a "b" \\ c\nd'
    for openmetrics, read in ((False, read_text), (True, read_openmetrics)):
        family = new_family("some_total", "counter", 'says "x" \\ y', ("z", "a"), openmetrics=openmetrics)
        family.add_metric((label, "other"), 2**60 + 1)
        histogram = new_family("some_seconds", "histogram", "h", ("view",), openmetrics=openmetrics)
        histogram.add_metric((label,), [("0.5", 1), ("+Inf", 2)], 1e-07)
        text = "".join(family.lines + histogram.lines)
        assert str(2**60 + 1) in text
        counter, seconds = read(text + "# EOF\n" if openmetrics else text)
        assert counter.documentation == 'says "x" \\ y'
        assert [sample.labels for sample in counter.samples] == [{"a": "other", "z": label}]
        assert {sample.name: sample.value for sample in seconds.samples}["some_seconds_sum"] == 1e-07
        assert [sample.labels for sample in seconds.samples if "le" in sample.labels] == [
            {"view": label, "le": "0.5"}, {"view": label, "le": "+Inf"},
        ]  # fmt: skip


def test_the_process_is_measured_too():
    """As prometheus-client does it: the same names, and numbers as large."""
    samples = scrape(FakeServices())
    theirs = {family.name: family.samples[0] for family in ProcessCollector(registry=None).collect()}
    assert len(theirs) == 6
    for sample in theirs.values():
        assert samples[sample.name, ()] == pytest.approx(sample.value, rel=0.2), sample.name


def test_a_histogram_puts_a_value_on_a_bound_into_its_bucket():
    """le means less or equal."""
    histogram = Histogram((0.1, 1.0))
    for observed in (0.1, 0.5, 1.0, 7.0):
        histogram.observe(observed)
    assert histogram.cumulative() == [("0.1", 1.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert histogram.total == 8.6


def test_bit_lengths_become_bounds_that_hold_all_below_them():
    """7 has three bits and lies below 8; what is longer than the last bound counts in +Inf only."""
    counts = [1, 0, 2, 3, 0, 4]  # 0, then 2-3, 4-7, 16-31
    assert by_bit_length(counts, (0, 3, 4), 1.0) == [("1.0", 1.0), ("8.0", 6.0), ("16.0", 6.0), ("+Inf", 10.0)]
