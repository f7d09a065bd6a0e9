"""The compiled policy: which numbers an entry has, and that they stay its own over reloads."""

import pytest

from policies import DEFAULT_POLICY, RuleFlag, parse
from policies._freshness import jitter_of, judge
from policies.feast import entity_key, feature_field, timestamp_field
from policies.numbers import StableNumbers
from policies.resolver import MEMO_ENTRIES, MEMO_NAME_BYTES

POLICY = """\
version: 1
defaults: {ttl: 20s, stale_if_error: 1m, on_unavailable: nil}
feature_views:
  - name: user
    keys: "user:{user_id}"
    ttl: 1h
    jitter: 0%
    deadline: 100ms
    write_deadline: 3s
    read_error_backoff: 2s
    features:
      clicks: {ttl: 2s, stale_while_revalidate: 0s}
      "ctr_*": {ttl: 30s, on_unavailable: error}
      "ctr_7*": {ttl: 40s}
      tier: {ttl: 1d, dtype: string}
  - name: sessions
    keys: "user:{user_id}:sessions"
    ttl: 0s
  - name: vip
    keys: "user:vip_{user_id}"
"""
DRIVER = entity_key("check", [("driver_id", 4, (1001).to_bytes(8, "little"))])
OTHER = entity_key("elsewhere", [("driver_id", 4, (1001).to_bytes(8, "little"))])
FEAST = """\
version: 1
defaults: {ttl: 20s}
feature_views:
  - name: hourly
    feast: {project: check, join_keys: [driver_id]}
    ttl: 1h
    negative_ttl: 9s
    deadline: 300ms
    read_error_backoff: 1s
    features: {conv_rate: {ttl: 2s}, acc_rate: }
  - name: daily
    feast: {project: check, join_keys: [driver_id]}
    ttl: 1d
    negative_ttl: 3s
    deadline: 100ms
    read_error_backoff: 5s
    features: {conv_rate: }
"""


def compiled(text, previous=None):
    """A policy's text, compiled."""
    return parse(text, "p.yaml").compile(previous)


def limits(policy, key, field=None):
    """The row of the native table that an entry's rule number leads to."""
    row = policy.row_rule(key)
    return policy.table.row(row if field is None else policy.field_rules(row, [field])[0])


def verdict(age, key_hash, row):
    """How fresh an entry of a key is, its own jitter counted; FRESH is the least."""
    return judge(age, jitter_of(key_hash, row), row)


def rule_names(policy, key, *fields):
    """The names of rules of fields."""
    return [str(policy.rule(number).name) for number in policy.field_rules(policy.row_rule(key), fields)]


def test_the_default_policy_is_the_documented_one():
    """Without a file: 30s, 10% jitter, 10s stale, 5m on errors, 2s negative, in ticks of 10 ms."""
    policy = DEFAULT_POLICY.compile()
    assert limits(policy, b"any") == (3_000, 4_000, 34_000, 200, 300, 0, 0)
    assert (policy.deadline_ms(b"k"), policy.write_deadline_ms(b"k"), policy.read_error_backoff_ms(b"k")) == (
        250,
        2_000,
        1_000,
    )
    assert policy.view_names == ["_default"]
    assert (policy.generation, policy.pattern_epoch, policy.flush) == (1, 0, "refuse")


def test_windows_add_up_and_the_nearest_block_wins():
    """Feature over view over defaults over built in, setting by setting; windows are sums."""
    policy = compiled(POLICY)
    nil = RuleFlag.NIL_IF_UNAVAILABLE
    assert limits(policy, b"user:1") == (360_000, 361_000, 367_000, 200, 0, 1, nil)
    assert limits(policy, b"user:1", b"clicks") == (200, 200, 6_200, 200, 0, 1, nil)
    assert limits(policy, b"user:1", b"ctr_x") == (3_000, 4_000, 10_000, 200, 0, 1, 0)
    assert limits(policy, b"nobody") == (2_000, 3_000, 9_000, 200, 200, 0, nil)


def test_a_field_takes_the_exact_name_then_the_most_literal_glob_then_the_view():
    """Fields of a view, and every field of a key of no view."""
    policy = compiled(POLICY)
    assert rule_names(policy, b"user:1", b"tier", b"ctr_7d", b"ctr_1d", b"name", b"ctr_") == [
        "user.tier",
        "user.ctr_7*",
        "user.ctr_*",
        "user",
        "user.ctr_*",
    ]
    assert rule_names(policy, b"x", b"tier", b"ctr_7d") == ["_default", "_default"]


def test_a_key_takes_the_most_literal_pattern():
    """A more specific view takes its keys from a wider one."""
    policy = compiled(POLICY)
    keys = [b"user:1", b"user:1:sessions", b"user:vip_1", b"user:", b"user:1:x", b"xuser:1"]
    assert [policy.view_names[policy.view_number(key)] for key in keys] == [
        "user",
        "sessions",
        "vip",
        "_default",
        "_default",
        "_default",
    ]


def test_row_settings_are_the_views():
    """Deadlines and backoff of a key's view; dtype of a field."""
    policy = compiled(POLICY)
    assert (policy.deadline_ms(b"user:1"), policy.deadline_ms(b"user:vip_1")) == (100, 250)
    assert (policy.write_deadline_ms(b"user:1"), policy.read_error_backoff_ms(b"user:1")) == (3_000, 2_000)
    assert (policy.dtype(b"user:1", b"tier"), policy.dtype(b"user:1", b"clicks")) == ("string", None)


def test_a_ttl_of_nothing_takes_every_window_with_it():
    """ttl: 0s means never from memory: no stale window, no error window, no negative entry that it did not ask for."""
    assert limits(compiled(POLICY), b"user:1:sessions")[:4] == (0, 0, 0, 0)
    kept = compiled("version: 1\ndefaults: {ttl: 0s, negative_ttl: 1s}\n")
    assert limits(kept, b"k")[:4] == (0, 0, 0, 100)


def test_windows_are_rounded_down_after_they_are_added():
    """Rounding to ticks never serves too long, and does not add up."""
    policy = compiled(
        "version: 1\ndefaults: {ttl: 15ms, stale_while_revalidate: 15ms, stale_if_error: 29ms, jitter: 100%}\n"
    )
    assert limits(policy, b"k")[:5] == (1, 3, 5, 200, 1)


def test_field_rules_answer_in_the_order_asked_whatever_was_asked_before():
    """Memos change nothing."""
    policy = compiled(POLICY)
    row = policy.row_rule(b"user:1")
    first = policy.field_rules(row, [b"tier", b"x", b"tier"])
    assert first == policy.field_rules(row, (b"tier", b"x", b"tier"))
    assert first[0] == first[2] != first[1] == row
    many = [b"f%d" % n for n in range(10_000)]
    assert policy.field_rules(row, many) == [row] * 10_000
    assert policy.field_rules(row, [b"tier"]) == first[:1]
    assert {policy.row_rule(b"user:%d" % n) for n in range(10_000)} == {row}


def test_memos_stay_small_under_any_keys_and_fields():
    """Clients choose keys and fields: what is remembered of them is bounded in number and in length."""
    policy = compiled(POLICY)
    resolver = policy.table.resolver
    for n in range(2 * MEMO_ENTRIES + 10):
        policy.field_rules(policy.row_rule(b"user:%d" % n), [b"f%d" % n])
    policy.field_rules(policy.row_rule(b"user:" + b"x" * 1_000), [b"f" * 1_000])
    for memo in (resolver._row_memo, *resolver._field_memos.values()):
        assert len(memo) <= MEMO_ENTRIES
        assert max(map(len, memo), default=0) <= MEMO_NAME_BYTES
    assert len(resolver._row_memo) > 5


def test_more_literal_bytes_win_over_a_longer_prefix():
    """Patterns are looked up by their first literal bytes, which do not decide."""
    policy = compiled("version: 1\nfeature_views: [{name: more, keys: 'a{x}bbb'}, {name: longer, keys: 'aa{x}'}]\n")
    assert [policy.view_names[policy.view_number(key)] for key in (b"aaxbbb", b"aaxbb", b"axbbb")] == [
        "more",
        "longer",
        "more",
    ]


def test_views_of_one_feast_hash_keep_their_own_ttl():
    """In one hash, a feature's field leads to its own view's rule: conv_rate of two views, and a neighbour."""
    policy = compiled(FEAST)
    hourly, daily = feature_field("hourly", "conv_rate"), feature_field("daily", "conv_rate")
    assert limits(policy, DRIVER, hourly)[0] == 200
    assert limits(policy, DRIVER, feature_field("hourly", "acc_rate"))[0] == 360_000
    assert limits(policy, DRIVER, daily)[0] == 8_640_000
    assert policy.view_names[policy.view_number(DRIVER, daily)] == "daily"
    assert policy.view_names[policy.view_number(DRIVER, hourly)] == "hourly"


def test_an_undeclared_field_of_a_feast_hash_takes_the_defaults():
    """Its view is the default one too."""
    policy = compiled(FEAST)
    unknown = feature_field("hourly", "unknown")
    assert limits(policy, DRIVER, unknown)[:2] == (2_000, 3_000)
    assert policy.view_number(DRIVER, unknown) == 0


def test_feast_timestamps_are_marked_and_outlive_their_features():
    """A `_ts:` field never limits the features beside it, declared or not."""
    policy = compiled(FEAST)
    stamp = limits(policy, DRIVER, timestamp_field("hourly"))
    assert stamp[6] & RuleFlag.FEAST_TIMESTAMP
    for feature in ("conv_rate", "acc_rate"):
        beside = limits(policy, DRIVER, feature_field("hourly", feature))
        for key_hash in range(0, 1 << 40, 1 << 35):
            for age in (0, 100, 199, 200, 1_199, 1_200, 330_000, 355_000, 360_999, 390_999):
                assert verdict(age, key_hash, stamp) <= verdict(age, key_hash, beside)
    unknown = limits(policy, DRIVER, timestamp_field("unknown"))
    assert unknown[6] & RuleFlag.FEAST_TIMESTAMP
    assert unknown[5] == 0
    assert not limits(policy, DRIVER, feature_field("hourly", "conv_rate"))[6] & RuleFlag.FEAST_TIMESTAMP


def test_a_feast_row_takes_the_strictest_of_its_views():
    """What the views answer together exceeds none of them; fills are whole rows."""
    policy = compiled(FEAST)
    row = limits(policy, DRIVER)
    assert row[:4] == (360_000, 361_000, 391_000, 300)
    assert row[6] == RuleFlag.FEAST_ROW
    assert (policy.deadline_ms(DRIVER), policy.read_error_backoff_ms(DRIVER)) == (100, 5_000)


def test_a_feast_hash_of_no_view_is_still_filled_whole():
    """Feast pointed at the sidecar without any policy keeps its late-data check."""
    for policy in (DEFAULT_POLICY.compile(), compiled(FEAST)):
        assert limits(policy, OTHER)[6] == RuleFlag.FEAST_ROW
        assert limits(policy, OTHER, timestamp_field("any"))[6] & RuleFlag.FEAST_TIMESTAMP
        assert limits(policy, b"user:1")[6] == 0
        assert limits(policy, b"user:1", timestamp_field("any"))[6] == 0


def test_feast_views_are_listed_with_their_fields():
    """What an origin that stores features one by one needs."""
    views = compiled(FEAST).feast_views
    assert [(view.name, view.project, view.join_keys) for view in views] == [
        ("hourly", "check", ("driver_id",)),
        ("daily", "check", ("driver_id",)),
    ]
    assert views[0].features[feature_field("hourly", "acc_rate")] == "acc_rate"


def test_rule_and_view_numbers_stay_over_reloads():
    """Whatever is added, removed, reordered or brought back: what has the same name has the same number."""
    first = compiled(POLICY)
    second = compiled("version: 1\nfeature_views:\n  - {name: new, keys: 'new:{x}'}\n", first)
    third = compiled(POLICY.replace("version: 1", "version: 1\nfeature_sets: []"), second)
    for key, fields in ((b"user:1", [b"tier", b"ctr_7d", b"x"]), (b"user:1:sessions", [b"a"]), (b"x", [b"y"])):
        row = first.row_rule(key)
        assert third.row_rule(key) == row
        assert third.field_rules(row, fields) == first.field_rules(row, fields)
        assert third.view_number(key) == first.view_number(key)
    assert second.row_rule(b"new:1") == len(first.table)
    assert second.view_names == ["_default", "user", "sessions", "vip", "new"]
    assert (second.generation, third.generation) == (2, 3)
    assert (second.table.generation, third.table.generation) == (2, 3)


def test_a_number_whose_rule_went_away_is_never_fresh():
    """Until it is resolved again an entry of a removed rule is a miss."""
    first = compiled(POLICY)
    row = first.row_rule(b"user:1")
    second = compiled("version: 1\n", first)
    assert len(second.table) == len(first.table)
    assert second.table.row(row) == (0,) * 7
    with pytest.raises(KeyError):
        second.rule(row)


CHANGES = {
    "nothing": ("", "", 0),
    "a ttl": ("ttl: 1h", "ttl: 2h", 0),
    "a dtype": ("dtype: string", "dtype: bytes", 0),
    "a key pattern": ("user:vip_{user_id}", "user:v_{user_id}", 1),
    "a feature pattern": ("ctr_7*", "ctr_8*", 1),
    "a feature added": ("      tier:", "      rank: {}\n      tier:", 1),
    "a view's name": ("name: vip", "name: vips", 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_a_change_of_patterns_bumps_the_epoch(change):
    """Numbers in the table apply at once; entries are resolved again only where they may have another rule."""
    old, new, bump = CHANGES[change]
    first = compiled(POLICY)
    assert old in POLICY
    second = compiled(POLICY.replace(old, new, 1), first)
    assert second.pattern_epoch == first.pattern_epoch + bump
    assert second.table.pattern_epoch == second.pattern_epoch


def test_the_pattern_epoch_wraps_in_a_byte():
    """256 changes of pattern come round to 0."""
    policy = None
    for n in range(257):
        policy = compiled(f"version: 1\nfeature_views:\n  - {{name: v, keys: 'v{n}:{{x}}'}}\n", policy)
    assert policy.pattern_epoch == 0


def test_numbers_are_reused_only_when_all_are_taken():
    """The oldest unused name gives its number up; one in use never does."""
    numbers = StableNumbers(3).successor(["a", "b", "c"]).successor(["c"]).successor(["c", "d"])
    assert (numbers["c"], numbers["d"]) == (2, 0)
    assert numbers.names == ["d", "b", "c"]
    with pytest.raises(KeyError):
        numbers["a"]
    assert numbers.successor(["b", "c", "e"])["e"] == 0
    with pytest.raises(ValueError, match="at most 3"):
        numbers.successor("abcd")


def test_the_table_resolves_as_the_policy_does():
    """The store asks the table's resolver for entries of an older epoch."""
    policy = compiled(POLICY)
    resolver = policy.table.resolver
    assert resolver.row_rule(b"user:1") == policy.row_rule(b"user:1")
    assert resolver.field_rules(policy.row_rule(b"user:1"), [b"tier"]) == policy.field_rules(
        policy.row_rule(b"user:1"), [b"tier"]
    )
