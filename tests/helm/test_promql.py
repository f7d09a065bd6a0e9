"""The reader of PromQL names, which alerts and dashboard are judged by."""

import pytest
from helm.promql import unknown_names


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("rate(feature_sidecar_lookups_total[5m])", []),
        ("rate(feature_sidecar_lookup_total[5m])", ["feature_sidecar_lookup_total"]),
        ('feature_sidecar_lookups_total{outcom="hit"}', ["feature_sidecar_lookups_total{outcom}"]),
        ('sum by (view, pod) (feature_sidecar_lookups_total{outcome=~"hit|stale"})', []),
        ("sum by (origin) (feature_sidecar_lookups_total)", ["origin"]),
        ("feature_sidecar_served_age_seconds", ["feature_sidecar_served_age_seconds"]),
        ("sum by (le) (feature_sidecar_served_age_seconds_bucket)", []),
        ("feature_sidecar_ready == 0", []),
    ],
)
def test_wrong_names_are_found(expression, wrong):
    """A misspelt metric or label would be a panel or an alert that stays empty for ever."""
    assert unknown_names(expression) == wrong
