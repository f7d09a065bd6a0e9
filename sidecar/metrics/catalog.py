"""Every metric: the table from which /metrics, ``feature-sidecar metrics`` and docs/metrics.md are made."""

from typing import NamedTuple

PREFIX = "feature_sidecar_"


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: without the common prefix; a counter's ends in ``_total``, others in their unit where they have one.
        kind: counter, gauge or histogram.
        labels: label names, in order; their values come from closed sets, never from a key or a client.
        help: what it counts, in one sentence or two.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def full_name(self) -> str:
        """As Prometheus sees it."""
        return PREFIX + self.name


CATALOG: tuple[Metric, ...] = (
    Metric(
        "lookups_total",
        "counter",
        ("view", "outcome"),
        "Entries looked up, by feature view and outcome: hit, stale (stale-if-error too), miss, negative (known to be "
        "absent). An HMGET of 50 fields counts 50, an HGETALL its fields or 1; keys of no view are _default.",
    ),
    Metric(
        "served_age_seconds",
        "histogram",
        ("view",),
        "Age of the entries answered from memory, counted from the moment the origin was asked, in steps of 10 ms.",
    ),
    Metric("commands_total", "counter", ("family",), "Commands executed, by command family."),
    Metric(
        "command_duration_seconds",
        "histogram",
        ("family",),
        "Time from reading a command to its reply being ready, by command family. Sampled: its count is smaller than "
        "commands_total.",
    ),
    Metric(
        "origin_requests_total",
        "counter",
        ("origin", "operation", "outcome"),
        "Documents asked of the origin: reads end as found, absent, failed, timeout or unavailable; writes as applied, "
        "refused or unknown.",
    ),
    Metric(
        "origin_batches_total",
        "counter",
        ("origin", "operation"),
        "Round trips to the origin; origin_requests_total over this is the size of a batch.",
    ),
    Metric(
        "origin_request_duration_seconds",
        "histogram",
        ("origin", "operation"),
        "Duration of a round trip to the origin.",
    ),
    Metric("origin_in_flight", "gauge", ("origin",), "Round trips under way."),
    Metric("origin_waiting", "gauge", ("origin",), "Requests that wait for a place at the origin."),
    Metric("origin_limit", "gauge", ("origin",), "Documents that the origin may be asked for at once (adaptive)."),
    Metric("origin_documents_in_flight", "gauge", ("origin",), "Documents that the origin is asked for now."),
    Metric(
        "origin_queue_length",
        "gauge",
        ("origin", "priority"),
        "What waits for a place at the origin: reads by priority (demand, revalidation, speculative), and writes.",
    ),
    Metric(
        "shed_total",
        "counter",
        ("reason",),
        "Requests given up before the origin was asked: the queue was full, it stood for too long (overload), the "
        "deadline could not be met any more, or the breaker was open.",
    ),
    Metric("overloaded", "gauge", ("origin",), "1 while a queue of reads stands: newest first, the oldest are shed."),
    Metric("overloads_total", "counter", ("origin",), "How often such a queue began to stand."),
    Metric("breaker_state", "gauge", ("origin",), "The circuit breaker: 0 closed, 1 half open, 2 open."),
    Metric("breaker_changes_total", "counter", ("origin", "state"), "How often the circuit breaker came into a state."),
    Metric(
        "retries_total",
        "counter",
        ("origin", "operation"),
        "Documents asked for again after a failure; with hedges at most a tenth of those asked for the first time.",
    ),
    Metric("retry_budget_documents", "gauge", ("origin",), "Documents that may be asked for again now."),
    Metric(
        "hedges_total",
        "counter",
        ("origin", "outcome"),
        "Small reads that were late and asked a second time: the second answer came first (won) or did not (lost).",
    ),
    Metric(
        "answers_without_origin_total",
        "counter",
        ("answer", "why"),
        "Reads answered though the origin could not: with a stale entry, with nil by policy or with an error, because "
        "it did not answer in time, too many waited, or it was down.",
    ),
    Metric(
        "flights_joined_total",
        "counter",
        (),
        "Misses that waited for a read already under way instead of asking again (singleflight).",
    ),
    Metric(
        "early_refreshes_total",
        "counter",
        (),
        "Hits that asked for the next fill while they were fresh: hot entries near their end, by what a fill takes.",
    ),
    Metric(
        "fills_dropped_total",
        "counter",
        ("reason",),
        "Answers of the origin that were given to whoever waited but not kept: a write began or was at work, a newer "
        "fill came first, the key was in quarantine or was invalidated, or memory did not admit it.",
    ),
    Metric(
        "prefetch_documents_total",
        "counter",
        ("set", "outcome"),
        "Documents fetched before they were asked for, by feature set (`learned`: all that was learned): used or "
        "wasted.",
    ),
    Metric(
        "snapshots_total",
        "counter",
        ("outcome",),
        "Snapshots (--snapshot): written, failed (the disk refused), given_up (the time that stopping may take was "
        "over).",
    ),
    Metric(
        "snapshot_timestamp_seconds", "gauge", (), "When the last snapshot was written, since the epoch; 0: none yet."
    ),
    Metric("snapshot_keys", "gauge", (), "Keys in the last snapshot written."),
    Metric("snapshot_bytes", "gauge", (), "Size of the last snapshot written."),
    Metric("snapshot_duration_seconds", "gauge", (), "How long the last snapshot took to write, beside serving."),
    Metric(
        "snapshots_refused_total",
        "counter",
        ("reason",),
        "Snapshots found at the start and not taken over; the log line `snapshot refused` says why.",
    ),
    Metric("warm_start_snapshot_keys", "gauge", (), "Keys of the snapshot that was found at the start."),
    Metric(
        "warm_start_keys_total",
        "counter",
        ("outcome",),
        "Keys of that snapshot: restored (the value was taken over), then answered (memory could answer for it when "
        "its turn came), replayed (read again) or failed.",
    ),
    Metric(
        "warmth_ratio",
        "gauge",
        (),
        "Share of that snapshot's keys that were answered or replayed; 1 without a snapshot.",
    ),
    Metric("memory_used_bytes", "gauge", (), "Bytes in use of the memory tier: arena, index, schemas and ghosts."),
    Metric("memory_limit_bytes", "gauge", (), "Bound of the memory tier (--max-memory)."),
    Metric("entries", "gauge", (), "Entries in memory: string values and hash fields."),
    Metric("rows", "gauge", (), "Rows in memory: hash keys with at least one entry."),
    Metric("evictions_total", "counter", ("reason",), "Items pushed out of memory, by reason."),
    Metric("expirations_total", "counter", (), "Items removed from memory because every window of theirs had passed."),
    Metric("connections", "gauge", (), "Client connections open."),
    Metric(
        "connections_aborted_total",
        "counter",
        ("reason",),
        "Clients cut off: over the output limit and not reading, or the biggest while all are over "
        "--max-client-memory.",
    ),
    Metric("client_memory_bytes", "gauge", (), "Bytes of all clients' buffers (bounded by --max-client-memory)."),
    Metric("policy_generation", "gauge", (), "Number of the policy in force; rises with each reload."),
    Metric("policy_reload_failures_total", "counter", (), "Changed policy files that were not taken."),
    Metric(
        "cpu_throttled_seconds_total",
        "counter",
        (),
        "Time in which the container was kept from the CPU because its CPU limit was used up; 0 without a limit.",
    ),
    Metric("ready", "gauge", (), "1 while /readyz answers 200."),
    Metric("build_info", "gauge", ("version", "python"), "Always 1; the version and the Python it runs on."),
)
BY_NAME = {metric.name: metric for metric in CATALOG}

# What `feature-sidecar injector` shows: another process, with a catalog of its own.
INJECTOR_CATALOG: tuple[Metric, ...] = (
    Metric(
        "injector_admissions_total",
        "counter",
        ("outcome",),
        "Pods reviewed: injected, not_asked, present (there already), refused (asked and cannot be), failed (a bug) or "
        "unreadable (no review). All but those of a denying injector are admitted.",
    ),
    Metric(
        "injector_refusals_total",
        "counter",
        ("reason",),
        "Pods that asked for the sidecar and did not get it, by reason; docs/injection.md lists them.",
    ),
    Metric(
        "injector_ignored_annotations_total",
        "counter",
        ("problem",),
        "Annotations that were not followed: unknown, malformed, or set by the operator only.",
    ),
    Metric("injector_admission_duration_seconds", "histogram", (), "Time from a review's last byte to its answer."),
    Metric(
        "injector_events_total",
        "counter",
        ("outcome",),
        "Events about pods: sent, failed, repeated (told lately, not sent again) or dropped (too many).",
    ),
    Metric("injector_certificate_age_seconds", "gauge", (), "Age of the webhook's certificate in use."),
    Metric(
        "injector_certificate_expiry_timestamp_seconds",
        "gauge",
        (),
        "When the webhook's certificate in use ends, seconds since the epoch; past it nothing is injected.",
    ),
    Metric(
        "injector_certificate_failures_total",
        "counter",
        (),
        "Attempts to read, renew or publish the webhook's certificate that failed.",
    ),
    Metric(
        "injector_settings_failures_total",
        "counter",
        (),
        "Changed settings files of the injector that were not taken; those before stay in force.",
    ),
    Metric("injector_ready", "gauge", (), "1 while the injector's /readyz answers 200."),
    BY_NAME["build_info"],
)


def as_text() -> str:
    """The table for ``feature-sidecar metrics``: name and labels, type, then the meaning."""
    blocks = []
    for metric in (*CATALOG, *INJECTOR_CATALOG[:-1]):  # build_info stands once
        labels = "{" + ",".join(metric.labels) + "}" if metric.labels else ""
        blocks.append(f"{metric.full_name}{labels}  {metric.kind}\n    {metric.help}")
    return "\n".join(blocks)


def as_markdown() -> str:
    """docs/metrics.md."""
    return _PAGE.format(rows=_rows(CATALOG), injector_rows=_rows(INJECTOR_CATALOG))


def _rows(catalog: tuple[Metric, ...]) -> str:
    return "\n".join(
        f"| `{metric.full_name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels) or '-'} "
        f"| {metric.help} |"
        for metric in catalog
    )


_PAGE = """\
# Metrics

<!-- made by `make docs` from sidecar/metrics/catalog.py; a test fails when it is stale -->

`GET /metrics` on the admin port answers in the Prometheus text format, or in OpenMetrics where the scraper asks for it.
Every metric is there from the first scrape and starts at zero. Labels come from closed sets: never a key, a field or a
client's name. Beside these there are the usual `process_*` metrics.

| Metric | Type | Labels | Meaning |
|---|---|---|---|
{rows}

## Of the injector

`feature-sidecar injector` is a process of its own, with these metrics on its admin port.

| Metric | Type | Labels | Meaning |
|---|---|---|---|
{injector_rows}

## Questions and the queries that answer them

Hit ratio by feature view (stale answers count as hits):

```promql
sum by (view) (rate(feature_sidecar_lookups_total{{outcome=~"hit|stale|negative"}}[5m]))
  / sum by (view) (rate(feature_sidecar_lookups_total[5m]))
```

How old is what the model reads, 99th percentile:

```promql
histogram_quantile(0.99, sum by (view, le) (rate(feature_sidecar_served_age_seconds_bucket[5m])))
```

Share of the origin's reads that do not answer:

```promql
sum(rate(feature_sidecar_origin_requests_total{{operation="read",outcome=~"failed|timeout|unavailable"}}[5m]))
  / sum(rate(feature_sidecar_origin_requests_total{{operation="read"}}[5m]))
```

Documents per round trip:

```promql
sum(rate(feature_sidecar_origin_requests_total[5m])) / sum(rate(feature_sidecar_origin_batches_total[5m]))
```

A policy file that was not taken:

```promql
increase(feature_sidecar_policy_reload_failures_total[10m]) > 0
```
"""
