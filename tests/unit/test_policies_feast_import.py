"""The policy block made from a Feast repository."""

import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest

from policies import parse
from policies.feast import FeastHash
from policies.feast_import import FeastImportError, import_feast, render_views


def view(name, features, *, ttl=timedelta(), join_keys=("driver_id",), online=True, version=None):
    """A feature view as Feast's registry gives it."""
    return SimpleNamespace(
        name=name,
        features=[SimpleNamespace(name=feature) for feature in features],
        ttl=ttl,
        join_keys=list(join_keys),
        online=online,
        current_version_number=version,
    )


def store(batch, stream=(), *, version=3, suffixed=False):
    """A feast.FeatureStore with these views."""
    registry = SimpleNamespace(enable_online_feature_view_versioning=suffixed)
    return SimpleNamespace(
        project="check",
        config=SimpleNamespace(entity_key_serialization_version=version, registry=registry),
        list_batch_feature_views=lambda: list(batch),
        list_stream_feature_views=lambda: list(stream),
    )


def imported(*batch, **options):
    """The views of a rendered block, read back."""
    return parse("version: 1\n" + render_views(store(batch, **options)), "p.yaml").views


def test_every_online_view_is_listed_with_its_features_and_ttl():
    """The block is a policy that compiles; views that are not online have nothing to cache."""
    views = imported(
        view("hourly", ["driver_id", "conv_rate", "acc_rate"], ttl=timedelta(hours=2)),
        view("offline", ["x"], online=False),
        stream=[view("clicks", ["n"], ttl=None, join_keys=("user", "area"))],
    )
    assert [item.name for item in views] == ["clicks", "hourly"]
    clicks, hourly = views
    assert clicks.feast == FeastHash("check", ("area", "user"))
    assert "ttl" not in clicks.settings
    assert hourly.settings["ttl"].value == 7_200_000
    assert [feature.pattern.text for feature in hourly.features] == ["conv_rate", "acc_rate"]


def test_names_of_any_kind_are_quoted():
    """A feature called yes, or one with a quote in it, stays itself."""
    (item,) = imported(view("v", ["yes", "1", "a: b", 'q"\\', "#x"]))
    assert [feature.pattern.text for feature in item.features] == ["yes", "1", "a: b", 'q"\\', "#x"]


def test_a_view_without_entities_has_feasts_dummy_join_key():
    """Feast writes one row for it, under that key."""
    (item,) = imported(view("global", ["x"], join_keys=()))
    assert item.feast == FeastHash("check", ("__dummy_id",))


def test_a_ttl_beyond_what_windows_can_be_is_capped_and_said():
    """A year in Feast is the longest window here, with Feast's own figure beside it."""
    text = render_views(store([view("v", ["x"], ttl=timedelta(days=365))]))
    assert "ttl: 239d  # 365d in Feast" in text
    assert parse("version: 1\n" + text, "p.yaml").views[0].settings["ttl"].value == 239 * 86_400_000


def test_versions_of_views_are_part_of_their_online_names():
    """Only where the registry says so."""
    assert imported(view("v", ["x"], version=2), suffixed=True)[0].name == "v_v2"
    assert imported(view("v", ["x"], version=2))[0].name == "v"


def test_a_repository_without_views_is_an_empty_block():
    """Still a policy."""
    assert imported() == ()


def test_keys_of_version_2_are_refused():
    """They name no length, so views could not be told apart."""
    with pytest.raises(FeastImportError, match="version 2"):
        render_views(store([], version=2))


def test_without_feast_the_error_says_what_to_install(monkeypatch):
    """Feast is the user's, not ours."""
    monkeypatch.setitem(sys.modules, "feast", None)
    with pytest.raises(FeastImportError, match="pip install feast"):
        import_feast("/anywhere")


def test_what_feast_cannot_read_is_told_with_the_path(monkeypatch):
    """Whatever Feast raises, the command says which repository."""

    def refuse(repo_path):
        raise RuntimeError("no feature_store.yaml")

    monkeypatch.setitem(sys.modules, "feast", SimpleNamespace(FeatureStore=refuse))
    with pytest.raises(FeastImportError, match=r"Feast cannot read /repo: no feature_store\.yaml"):
        import_feast("/repo")
