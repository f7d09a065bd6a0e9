"""What a policy must be beyond well-formed: nothing ambiguous, nothing without effect, numbers for everything."""

from collections.abc import Iterable, Mapping, Sequence

from policies._table import MAX_RULES
from policies.blocks import Findings
from policies.byte_pattern import Step, overlaps
from policies.compiler import MAX_VIEWS
from policies.document_checks import check_documents
from policies.duration import format_duration
from policies.effective import effective
from policies.feast import feature_field
from policies.model import Block, Feature, FeatureSet, FeatureView, Place
from policies.policy import Policy
from policies.rules import count_rules, feast_groups
from policies.set_checks import check_sets
from policies.settings import MAX_WINDOW_MS
from policies.shown_bytes import show_bytes

_WINDOWS = ("ttl", "stale_while_revalidate", "stale_if_error")


def check(policy: Policy, findings: Findings) -> None:
    """Report every problem of a policy whose blocks are well-formed each by itself."""
    _check_names(policy.views, findings)
    _check_names(policy.feature_sets, findings)
    _check_windows(policy, findings)
    _check_key_ties(policy.views, findings)
    for view in policy.views:
        if view.feast is None:
            _check_feature_ties(view.features, findings)
    for group in feast_groups(policy.views).values():
        _check_field_hashes(group, findings)
    check_documents(policy.views, findings)
    check_sets(policy, findings)
    rules = count_rules(policy.views)
    for count, most, what in ((len(policy.views) + 1, MAX_VIEWS, "feature views"), (rules, MAX_RULES, "rules")):
        if count > most:
            findings.report(policy.views[-1].place, f"{count} {what}, _default included", f"at most {most}")


def _check_names(named: Sequence[FeatureView] | Sequence[FeatureSet], findings: Findings) -> None:
    """Names tell views apart in metrics and over reloads."""
    first: dict[str, Place] = {}
    for item in named:
        if item.name in first:
            findings.report(
                item.place, f"the name {item.name} again", f"a name of its own (line {first[item.name].line})"
            )
        first.setdefault(item.name, item.place)


def _check_windows(policy: Policy, findings: Findings) -> None:
    """Windows that no entry can reach the end of, and windows after a ttl of 0s."""
    _check_block([policy.defaults], findings)
    for view in policy.views:
        _check_block([view.settings, policy.defaults], findings)
        for feature in view.features:
            _check_block([feature.settings, view.settings, policy.defaults], findings)


def _check_block(blocks: Sequence[Block], findings: Findings) -> None:
    """The windows as they are in the first block, the others around it."""
    own: Mapping = blocks[0]
    given = [name for name in _WINDOWS if name in own]
    if not given:
        return
    settings = effective(blocks)
    total = sum(settings[name].value for name in _WINDOWS)
    if total > MAX_WINDOW_MS:
        expected = f"at most {format_duration(MAX_WINDOW_MS)}"
        findings.report(own[given[-1]].place, f"{' + '.join(_WINDOWS)} of {format_duration(total)}", expected)
    if "ttl" in own and own["ttl"].value == 0:
        for name in _WINDOWS[1:]:
            if name in own and own[name].value:
                found = f"{format_duration(own[name].value)} beside ttl: 0s"
                findings.report(own[name].place, found, "0s or nothing, for ttl: 0s means never from memory")


def _check_key_ties(views: Iterable[FeatureView], findings: Findings) -> None:
    """Two patterns as specific as each other must have no key in common."""
    patterned = [view for view in views if view.keys is not None]
    tied = _ties([(view.keys.literal_bytes, view.keys.steps()) for view in patterned if view.keys is not None])
    for earlier, later, example in tied:
        one, other = patterned[earlier], patterned[later]
        found = f'"{other.keys}" and "{one.keys}" ({one.name}, line {one.place.line}), as specific as each other'
        expected = f'patterns that no key matches alike, as "{show_bytes(example)}" does'
        findings.report(other.places["keys"], found, expected)


def _check_feature_ties(features: Sequence[Feature], findings: Findings) -> None:
    """Two globs as specific as each other must have no name in common."""
    globs = [feature for feature in features if feature.pattern.is_glob]
    tied = _ties([(feature.pattern.literal_bytes, feature.pattern.steps()) for feature in globs])
    for earlier, later, example in tied:
        one, other = globs[earlier], globs[later]
        found = f"{other.pattern.text} and {one.pattern.text} (line {one.place.line}), as specific as each other"
        expected = f'globs that no name matches alike, as "{show_bytes(example)}" does'
        findings.report(other.place, found, expected)


def _ties(patterns: Sequence[tuple[int, list[Step]]]) -> Iterable[tuple[int, int, bytes]]:
    """Pairs of equally specific patterns that share a string, and such a string."""
    by_literals: dict[int, list[int]] = {}
    for index, (literal_bytes, _) in enumerate(patterns):
        by_literals.setdefault(literal_bytes, []).append(index)
    for alike in by_literals.values():
        for earlier, later, example in overlaps([patterns[index][1] for index in alike]):
            yield alike[earlier], alike[later], example


def _check_field_hashes(group: Sequence[FeatureView], findings: Findings) -> None:
    """Feast hashes names to 4 bytes: two features of one hash may not share them."""
    seen: dict[bytes, tuple[FeatureView, Feature]] = {}
    for view in group:
        for feature in view.features:
            field = feature_field(view.name, feature.pattern.text)
            if field in seen:
                other_view, other = seen[field]
                found = f"{feature.pattern.text}, whose hash {other_view.name}.{other.pattern.text} has too"
                findings.report(feature.place, found, "names that Feast's hash tells apart", "rename one of them")
            seen.setdefault(field, (view, feature))
