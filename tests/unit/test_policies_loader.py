"""Reading a policy file: what a good one says, and where a bad one is wrong."""

# ruff: noqa: E501 (messages stand whole, as an operator reads them)
import pytest

from policies import PolicyError, load, parse
from policies.feast import FeastHash
from policies.loader import MAX_FILE_BYTES

FULL = """\
version: 1
defaults:
  ttl: 20s
  jitter: 0%
  stale_while_revalidate: 10s
  stale_if_error: 5m
  negative_ttl: 2s
  on_unavailable: error
  deadline: 250ms
  write_deadline: 2s
  read_error_backoff: 1s
feature_views:
  - name: user_profile
    keys: "user:{user_id}"
    origin: {scope: features, collection: user_profile, document: "{user_id}", layout: json}
    durability: majority
    document_expiry: true
    ttl: 1h
    features:
      last_click_at: {ttl: 2s, stale_while_revalidate: 0s}
      "ctr_*": {ttl: 30s}
      tier: {ttl: 1d, dtype: string}
      country:
  - name: driver_hourly
    feast: {project: check, join_keys: [driver_id, area], entity_key_serialization_version: 3}
    features: {conv_rate: {ttl: 2s}}
feature_sets:
  - name: ranker_v3
    members: ["user:{user_id}", "user:{user_id}:sessions", "item:{item_id}"]
prefetch: {learn: false, budget: 20%, min_precision: 60%, window: 50ms}
snapshot: {values: false, every: 30s}
warmup: {level: 80%, timeout: 5s}
commands: {flush: memory}
"""


def test_a_full_policy_is_read():
    """Every block of the format arrives in the model."""
    policy = parse(FULL, "p.yaml")
    profile, driver = policy.views
    assert policy.defaults["ttl"].value == 20_000
    assert policy.defaults["ttl"].place == (3, "defaults.ttl")
    assert (profile.name, str(profile.keys), profile.durability) == ("user_profile", "user:{user_id}", "majority")
    assert profile.document_expiry is True
    assert (profile.origin.scope, profile.origin.collection) == ("features", "user_profile")
    assert str(profile.origin.document) == "{user_id}"
    assert [feature.pattern.text for feature in profile.features] == ["last_click_at", "ctr_*", "tier", "country"]
    assert profile.features[2].dtype == "string"
    assert profile.features[2].settings["ttl"].place == (22, "feature_views[0] (user_profile) features.tier.ttl")
    assert driver.feast == FeastHash("check", ("area", "driver_id"))
    assert [str(member) for member in policy.feature_sets[0].members][2] == "item:{item_id}"
    assert (policy.prefetch.learn, policy.prefetch.budget, policy.prefetch.window_ms) == (False, 0.2, 50)
    assert (policy.snapshot.values, policy.snapshot.every_ms) == (False, 30_000)
    assert (policy.warmup.level, policy.warmup.timeout_ms) == (0.8, 5_000)
    assert policy.flush == "memory"


def test_version_alone_is_a_policy():
    """Everything else has a default."""
    policy = parse("version: 1\n", "p.yaml")
    assert policy.views == ()
    assert policy.prefetch.learn is True
    assert policy.flush == "refuse"


def test_blocks_may_be_shared_by_anchors():
    """A merged setting counts, and keeps the line where it was written."""
    policy = parse(
        "version: 1\nfeature_views:\n- {name: a, keys: 'a:{x}', features: {f: &f {ttl: 2s}, g: {<<: *f}}}\n", "p"
    )
    assert policy.views[0].features[1].settings["ttl"].value == 2_000


HEAD = "version: 1\n"
VIEW = HEAD + 'feature_views:\n  - name: v\n    keys: "k:{id}"\n'
FEAST = HEAD + "feature_views:\n  - name: v\n    feast: {project: p, join_keys: [id]}\n"
UNIT = "expected a duration with a unit such as 30s or 1h"
NAME = "expected a name of 1 to 128 letters, digits and _ . @ / -"
PROBLEMS = [
    ("", "p.yaml:1: found no version, expected version: 1"),
    ("[]", "p.yaml:1: found a list, expected a mapping of names to values"),
    ("version: 2", "p.yaml:1 version: found 2, expected 1, the only version there is"),
    (
        "version: [1]",
        "p.yaml:1 version: found a list, expected 1, the only version there is (quote text that begins with { or [)",
    ),
    ("a: b: c", "p.yaml:1: found text that is not YAML: mapping values are not allowed in this context, expected YAML"),
    (HEAD + "version: 1", "p.yaml:2: found version again, expected each name once (it stands at line 1 too)"),
    (
        HEAD + "commands: {}\ncomands: {}",
        "p.yaml:3 comands: found the unknown name comands, expected one of commands, defaults, feature_sets, "
        "feature_views, prefetch, snapshot, version, warmup (did you mean commands?)",
    ),
    (HEAD + "defaults: 3", "p.yaml:2 defaults: found 3, expected a mapping of names to values"),
    (HEAD + "defaults:\n  ttl: 30", f"p.yaml:3 defaults.ttl: found 30, {UNIT}"),
    (HEAD + "defaults:\n  ttl: '30'", f'p.yaml:3 defaults.ttl: found "30", {UNIT}'),
    (HEAD + "defaults:\n  ttl:", f"p.yaml:3 defaults.ttl: found nothing, {UNIT}"),
    (HEAD + "defaults:\n  ttl: [30s]", f"p.yaml:3 defaults.ttl: found a list, {UNIT}"),
    (HEAD + "defaults:\n  ttl: 9ms", "p.yaml:3 defaults.ttl: found 9ms, expected 0s, or from 10ms to 240d"),
    (HEAD + "defaults:\n  ttl: 241d", "p.yaml:3 defaults.ttl: found 241d, expected 0s, or from 10ms to 240d"),
    (HEAD + "defaults:\n  deadline: 0s", "p.yaml:3 defaults.deadline: found 0s, expected from 1ms to 1h"),
    (
        HEAD + "defaults:\n  read_error_backoff: 2h",
        "p.yaml:3 defaults.read_error_backoff: found 2h, expected at most 1h",
    ),
    (HEAD + "defaults:\n  jitter: 10", "p.yaml:3 defaults.jitter: found 10, expected a percentage from 0% to 100%"),
    (
        HEAD + "defaults:\n  on_unavailable: null",
        "p.yaml:3 defaults.on_unavailable: found nothing, expected error or nil",
    ),
    (
        HEAD + "defaults:\n  on_unavailable: empty",
        "p.yaml:3 defaults.on_unavailable: found empty, expected error or nil",
    ),
    (
        HEAD + "defaults:\n  dtype: string",
        "p.yaml:3 defaults.dtype: found the unknown name dtype, expected one of deadline, jitter, negative_ttl, "
        "on_unavailable, read_error_backoff, stale_if_error, stale_while_revalidate, ttl, write_deadline "
        "(dtype belongs in a feature)",
    ),
    (HEAD + "feature_views: {}", "p.yaml:2 feature_views: found a mapping, expected a list of feature views"),
    (HEAD + "feature_views:\n  - 7", "p.yaml:3 feature_views[0]: found 7, expected a mapping of names to values"),
    (HEAD + "feature_views:\n  - keys: 'a:{b}'", f"p.yaml:3 feature_views[0]: found no name, {NAME}"),
    (
        HEAD + "feature_views:\n  - name: _default\n    keys: 'a:{b}'",
        f"p.yaml:3 feature_views[0].name: found _default, {NAME}; _default is reserved",
    ),
    (
        HEAD + "feature_views:\n  - name: a b\n    keys: 'a:{b}'",
        f"p.yaml:3 feature_views[0].name: found a b, {NAME}; _default is reserved",
    ),
    (
        HEAD + "feature_views:\n  - name: v",
        "p.yaml:3 feature_views[0] (v): found neither keys nor feast, expected one of them, to say which keys the view has",
    ),
    (
        VIEW + "    feast: {project: p, join_keys: [id]}",
        "p.yaml:3 feature_views[0] (v): found both keys and feast, expected one of them, to say which keys the view has",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    keys: {user_id}",
        'p.yaml:4 feature_views[0] (v) keys: found a mapping, expected a quoted pattern such as "user:{user_id}" '
        "(quote text that begins with { or [)",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    keys: 'a:{b'",
        "p.yaml:4 feature_views[0] (v) keys: found a single { in 'a:{b', expected {name} for a placeholder, {{ or }} for a brace",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    keys: 'a:*'",
        "p.yaml:4 feature_views[0] (v) keys: found 'a:*' with a * outside braces, expected {name*} for the rest of a key, quoted",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    keys: 'a:{b}{c}'",
        "p.yaml:4 feature_views[0] (v) keys: found two placeholders side by side in 'a:{b}{c}', "
        "expected a literal such as : between them",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    keys: 'a:{b}:{b}'",
        "p.yaml:4 feature_views[0] (v) keys: found {b} twice in 'a:{b}:{b}', expected each placeholder once",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    keys: 'a:{b*}:c'",
        "p.yaml:4 feature_views[0] (v) keys: found {b*} before the end of 'a:{b*}:c', expected {name*} only at the end",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    keys: 'a:{}'",
        "p.yaml:4 feature_views[0] (v) keys: found {} in 'a:{}', expected a placeholder such as {user_id} or {rest*}",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    keys: ''",
        'p.yaml:4 feature_views[0] (v) keys: found an empty pattern, expected a pattern such as "user:{user_id}"',
    ),
    (
        VIEW + "    durability: all",
        "p.yaml:5 feature_views[0] (v) durability: found all, expected none, majority, majority_and_persist or persist_to_majority",
    ),
    (
        VIEW + "    document_expiry: yes",
        "p.yaml:5 feature_views[0] (v) document_expiry: found yes, expected true or false",
    ),
    (
        VIEW + "    features: [tier]",
        "p.yaml:5 feature_views[0] (v) features: found a list, expected a mapping of names to values",
    ),
    (
        VIEW + "    features:\n      tier: 30s",
        "p.yaml:6 feature_views[0] (v) features.tier: found 30s, expected a mapping of names to values",
    ),
    (
        VIEW + "    features:\n      tier: {ttl: 30}",
        f"p.yaml:6 feature_views[0] (v) features.tier.ttl: found 30, {UNIT}",
    ),
    (
        VIEW + "    features:\n      '': {}",
        "p.yaml:6 feature_views[0] (v) features.: found an empty name, expected a feature's name or a glob",
    ),
    (
        VIEW + "    features:\n      tier: {dtype: str}",
        "p.yaml:6 feature_views[0] (v) features.tier.dtype: found str, "
        "expected string, bool, int32, int64, float32, float64 or bytes",
    ),
    (
        VIEW + "    features:\n      tier: {negative_ttl: 1s}",
        "p.yaml:6 feature_views[0] (v) features.tier.negative_ttl: found the unknown name negative_ttl, expected one of "
        "dtype, jitter, on_unavailable, stale_if_error, stale_while_revalidate, ttl "
        "(negative_ttl belongs in defaults or a feature view)",
    ),
    (
        VIEW + "    features:\n      *x : {}",
        "p.yaml:6: found *x, which names nothing, expected an anchor that was set before "
        "(a name that starts with * must be quoted)",
    ),
    (
        VIEW + "    origin: {scope: _system}",
        "p.yaml:5 feature_views[0] (v) origin.scope: found _system, "
        "expected 1 to 251 letters, digits and _ - %, not beginning with _ or % (or _default)",
    ),
    (
        VIEW + "    origin: {layout: xml}",
        "p.yaml:5 feature_views[0] (v) origin.layout: found xml, expected json, binary or feast",
    ),
    (
        VIEW + "    origin: {layout: feast}",
        "p.yaml:5 feature_views[0] (v) origin.layout: found feast, expected json or binary in a view with keys",
    ),
    (
        VIEW + "    origin: {document: '{x}'}",
        "p.yaml:5 feature_views[0] (v) origin.document: found {x} in '{x}', "
        'expected only placeholders of the keys "k:{id}"',
    ),
    (
        VIEW + "    origin: {document: doc}",
        "p.yaml:5 feature_views[0] (v) origin.document: found 'doc' without {id}, "
        "expected every placeholder, or two keys would be one document",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    keys: 'k:{a}:{b}'\n    origin: {scope: s, document: '{b}-{a}'}",
        "p.yaml:5 feature_views[0] (v) origin.document: found '{b}-{a}', "
        "expected a : between two placeholders, or two keys could be one document",
    ),
    (
        FEAST + "    origin: {document: '{id}'}",
        "p.yaml:5 feature_views[0] (v) origin.document: found a document template, "
        "expected none in a feast view, whose keys are documents",
    ),
    (
        FEAST + "    features:\n      'a*': {}",
        "p.yaml:6 feature_views[0] (v) features.a*: found the glob a*, expected a feature's whole name in a feast view "
        "(Feast stores hashes of names: policy import-feast lists every feature)",
    ),
    (
        FEAST + "    features:\n      a: {dtype: int64}",
        "p.yaml:6 feature_views[0] (v) features.a.dtype: found dtype int64, "
        "expected no dtype in a feast view, whose values are Feast's bytes",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    feast:\n      project: p\n      join_keys: []",
        "p.yaml:6 feature_views[0] (v) feast.join_keys: found 0 items, expected a list of the entity's join keys",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    feast:\n      project: p\n      join_keys: id",
        "p.yaml:6 feature_views[0] (v) feast.join_keys: found id, expected a list of the entity's join keys",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    feast:\n      project: p\n      join_keys: [a, a]",
        "p.yaml:6 feature_views[0] (v) feast.join_keys[1]: found a again, expected each join key once",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    feast:\n      join_keys: [a]",
        "p.yaml:4 feature_views[0] (v) feast: found no project, expected the Feast project's name",
    ),
    (
        HEAD + "feature_views:\n  - name: v\n    feast:\n      project: p\n      join_keys: [a]\n"
        "      entity_key_serialization_version: 2",
        "p.yaml:7 feature_views[0] (v) feast.entity_key_serialization_version: found 2, expected 3 (Feast writes keys of "
        "version 3 since 0.40: set entity_key_serialization_version: 3 and materialize again)",
    ),
    (
        HEAD + "feature_sets:\n  - name: s\n    members: ['a:{x}']",
        "p.yaml:4 feature_sets[0] (s) members: found 1 items, expected a list of at least two key patterns",
    ),
    (
        HEAD + "feature_sets:\n  - name: s",
        "p.yaml:3 feature_sets[0] (s): found no members, expected a list of at least two key patterns",
    ),
    (
        HEAD + "feature_sets:\n  - name: s\n    members:\n      - 'a:{x}'\n      - 'a:{x}'",
        'p.yaml:6 feature_sets[0] (s) members[1]: found "a:{x}" again, expected each member once',
    ),
    (
        HEAD + "feature_sets:\n  - name: s\n    members:\n      - 'a:{x}'\n      - [b]",
        'p.yaml:6 feature_sets[0] (s) members[1]: found a list, expected a quoted pattern such as "user:{user_id}", '
        "or {view: NAME} "
        "(quote text that begins with { or [)",
    ),
    (HEAD + "prefetch: {budget: 0.1}", "p.yaml:2 prefetch.budget: found 0.1, expected a percentage from 0% to 100%"),
    (HEAD + "snapshot: {every: 10ms}", "p.yaml:2 snapshot.every: found 10ms, expected at least 1s"),
    (HEAD + "warmup: {timeout: 10}", f"p.yaml:2 warmup.timeout: found 10, {UNIT}"),
    (HEAD + "commands: {flush: yes}", "p.yaml:2 commands.flush: found yes, expected refuse or memory"),
]


@pytest.mark.parametrize(("text", "message"), PROBLEMS, ids=[message[:60] for _, message in PROBLEMS])
def test_a_problem_names_line_path_found_and_expected(text, message):
    """One line per problem, exactly so: what an operator reads."""
    with pytest.raises(PolicyError) as caught:
        parse(text, "p.yaml")
    assert str(caught.value) == message


def test_every_problem_is_told_at_once_in_the_order_of_the_file():
    """One run of the check is enough to mend the file."""
    with pytest.raises(PolicyError) as caught:
        parse("version: 3\ncommands: {flush: x}\ndefaults:\n  ttl: 1\n  jitter: 2\n", "p.yaml")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 4, 5]
    assert [problem.path for problem in caught.value.problems] == [
        "version",
        "commands.flush",
        "defaults.ttl",
        "defaults.jitter",
    ]


def test_a_file_is_read_from_disk(tmp_path):
    """load names the path that it was given."""
    path = tmp_path / "policy.yaml"
    path.write_text(FULL)
    assert load(path).filename == str(path)
    assert load(path).digest == parse(FULL, "x").digest


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_policy_error(tmp_path, name):
    """A missing file and a folder are told like any other problem."""
    with pytest.raises(PolicyError, match="expected a readable file"):
        load(tmp_path / name)


def test_a_file_too_large_is_refused_unread():
    """Nothing of that size is a policy."""
    with pytest.raises(PolicyError, match="found more than 16 MiB"):
        parse(b"#" * (MAX_FILE_BYTES + 1), "p.yaml")
