"""A policy block from a Feast repository: its online feature views, their features and their TTLs."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from policies.duration import format_duration
from policies.feast import KEY_VERSION
from policies.settings import MAX_WINDOW_MS

_NO_ENTITY = "__dummy_id"  # feast.feature_view.DUMMY_ENTITY_ID: the join key of a view without entities


class FeastImportError(Exception):
    """The repository cannot be read, or its keys are of a version that we do not speak."""


def import_feast(repository: str) -> str:
    """The block ``feature_views`` for every online view of a Feast repository.

    Raises:
        FeastImportError: with what to do about it.
    """
    try:
        from feast import FeatureStore  # the user's: large, and nothing else here needs it
    except ImportError as error:
        raise FeastImportError(f"Feast is not installed here: {error}; run pip install feast") from error
    try:
        store = FeatureStore(repo_path=repository)
        return render_views(store)
    except FeastImportError:
        raise
    except Exception as error:  # Feast raises its own, pydantic's and the registry's
        raise FeastImportError(f"Feast cannot read {repository}: {error}") from error


def render_views(store: Any) -> str:
    """The block for a ``feast.FeatureStore``, batch and stream views by name.

    Raises:
        FeastImportError: keys of another version than 3.
    """
    version = store.config.entity_key_serialization_version
    if version != KEY_VERSION:
        raise FeastImportError(
            f"the repository writes entity keys of version {version}; "
            f"set entity_key_serialization_version: {KEY_VERSION} in feature_store.yaml and materialize again"
        )
    views = [*store.list_batch_feature_views(), *store.list_stream_feature_views()]
    online = sorted({view.name: view for view in views if view.online}.values(), key=lambda view: view.name)
    suffixed = getattr(store.config.registry, "enable_online_feature_view_versioning", False)
    blocks = [_render_view(store.project, view, _versioned(view) if suffixed else view.name) for view in online]
    head = [
        f"# Feast project {store.project}. ttl is Feast's bound on the age of data;",
        "# give a feature that changes sooner a shorter one, as in conv_rate: {ttl: 2s}.",
    ]
    return "\n".join([*head, "feature_views:" if blocks else "feature_views: []", *blocks]) + "\n"


def _versioned(view: Any) -> str:
    """The name that a view has in the online store of a registry with versions."""
    version = getattr(view, "current_version_number", None)
    return f"{view.name}_v{version}" if version else str(view.name)


def _render_view(project: str, view: Any, name: str) -> str:
    """One item of ``feature_views``."""
    join_keys = sorted(view.join_keys) or [_NO_ENTITY]
    lines = [
        f"  - name: {_quoted(name)}",
        f"    feast: {{project: {_quoted(project)}, join_keys: [{', '.join(map(_quoted, join_keys))}]}}",
    ]
    if view.ttl is not None and view.ttl > timedelta():
        lines.append(_render_ttl(view.ttl))
    features = _features(view.features, join_keys)
    lines.append("    features:" if features else "    features: {}")
    lines += [f"      {_quoted(feature)}: {{}}" for feature in features]
    return "\n".join(lines)


def _render_ttl(ttl: timedelta) -> str:
    """A view's ttl, as long as windows can be with the defaults behind it."""
    ttl_ms = ttl // timedelta(milliseconds=1)
    longest_ms = MAX_WINDOW_MS - timedelta(days=1) // timedelta(milliseconds=1)
    note = f"  # {format_duration(ttl_ms)} in Feast" if ttl_ms > longest_ms else ""
    return f"    ttl: {format_duration(max(10, min(ttl_ms, longest_ms)))}{note}"


def _features(fields: Iterable[Any], join_keys: list[str]) -> list[str]:
    """Names of the features, without the join keys that some versions list among them."""
    return [field.name for field in fields if field.name not in join_keys]


def _quoted(text: str) -> str:
    """Text as YAML's double-quoted scalar, for names of any kind."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
