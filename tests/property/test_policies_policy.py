"""Whole policies: any text is read or refused, compiled limits grow, numbers stay over any reloads."""

import string

from hypothesis import given
from hypothesis import strategies as st

from policies import Policy, PolicyError, parse
from policies.duration import format_duration, parse_duration
from policies.feast import entity_key, split_entity_key
from policies.numbers import StableNumbers
from policies.percentage import format_percentage, parse_percentage
from policies.rules import count_rules
from policies.size import format_size, parse_size
from policies.yaml_tree import YamlError, parse_yaml

DURATIONS = st.sampled_from(["0s", "10ms", "15ms", "1s", "30s", "5m", "1h", "1d"])
TIMING = {
    "ttl": DURATIONS,
    "jitter": st.sampled_from(["0%", "10%", "12.5%", "100%"]),
    "stale_while_revalidate": DURATIONS,
    "stale_if_error": DURATIONS,
    "on_unavailable": st.sampled_from(["error", "nil"]),
}
BLOCK = st.fixed_dictionaries({}, optional=TIMING)
FEATURES = st.dictionaries(st.text("ab", min_size=1, max_size=3), BLOCK, max_size=4)
TEXT = st.text(string.printable + "é{}*", max_size=60)
SNIPPETS = st.sampled_from(
    [
        *("version: 1\n", "defaults:\n", "  ttl: 30s\n", "feature_views:\n", "  - name: a\n", "    keys: 'a:{x}'\n"),
        *("<<: *a\n", "&a ", "- ", "? ", ": ", "[", "}"),
    ]
)


def write(views):
    """The text of a policy of views, each (features, own settings), as JSON, which is YAML."""
    listed = [
        {"name": name, "keys": f"{name}:{{id}}", **block, "features": features}
        for name, (features, block) in views.items()
    ]
    return ("version: 1\nfeature_views: " + repr(listed)).replace("'", '"')


VIEWS = st.dictionaries(st.sampled_from(["u", "v", "w"]), st.tuples(FEATURES, BLOCK), max_size=3)


def read(views):
    """A Policy, or None where the checks refuse it (a window beside ttl: 0s)."""
    try:
        return parse(write(views), "p.yaml")
    except PolicyError as error:
        assert all("beside ttl: 0s" in str(problem) for problem in error.problems)
        return None


@given(text=TEXT | st.lists(SNIPPETS | TEXT, max_size=8).map("".join) | st.binary(max_size=40))
def test_any_text_is_a_policy_or_a_policy_error(text):
    """Nothing else is raised, and every problem has a line of the file and words."""
    try:
        assert isinstance(parse(text, "p.yaml"), Policy)
    except PolicyError as error:
        for problem in error.problems:
            assert problem.line >= 1
            if isinstance(text, str):
                assert problem.line <= max(1, len(text.splitlines()))
            assert problem.found
            assert problem.expected


@given(text=TEXT | st.lists(SNIPPETS | TEXT, max_size=8).map("".join))
def test_any_text_is_a_tree_or_a_yaml_error(text):
    """The reader of YAML lets no exception of the library through."""
    try:
        parse_yaml(text)
    except YamlError as error:
        assert error.line >= 1


@given(views=VIEWS)
def test_the_windows_of_every_rule_grow(views):
    """Whatever is combined: jitter <= fresh <= stale <= error, and a hard limit is the sum that was written."""
    policy = read(views)
    if policy is None:
        return
    compiled = policy.compile()
    assert len(compiled.table) == count_rules(policy.views)
    for number in range(len(compiled.table)):
        fresh, stale, error, _, jitter, view, _ = compiled.table.row(number)
        assert 0 <= jitter <= fresh <= stale <= error
        settings = compiled.rule(number).settings
        assert stale == (settings["ttl"].value + settings["stale_while_revalidate"].value) // 10
        assert compiled.view_names[view] == compiled.rule(number).name.view


@given(history=st.lists(VIEWS, min_size=2, max_size=5))
def test_over_any_reloads_a_rule_keeps_its_number_and_old_numbers_stay_within_the_table(history):
    """An entry that has a rule's number finds that rule's limits, or resolves again because the epoch moved."""
    compiled, numbers = None, {}
    for views in history:
        policy = read(views)
        if policy is None:
            continue
        before = compiled
        compiled = policy.compile(before)
        for number in range(len(compiled.table)):
            try:
                name = compiled.rule(number).name
            except KeyError:
                continue
            assert numbers.setdefault(name, number) == number
        assert len(compiled.table) > max(numbers.values())
        if before is not None and before.pattern_epoch == compiled.pattern_epoch:
            for name in views:
                key = f"{name}:1".encode()
                fields = [b"a", b"b", b"ab", b"zz"]
                row = before.row_rule(key)
                assert compiled.row_rule(key) == row
                assert compiled.field_rules(row, fields) == before.field_rules(row, fields)


@given(reloads=st.lists(st.sets(st.integers(0, 9), max_size=4), max_size=12))
def test_numbers_never_collide_within_a_reload(reloads):
    """With four numbers for ten names: those in use at once have a number each, and keep it while in use."""
    numbers, held = StableNumbers(4), {}
    for names in reloads:
        numbers = numbers.successor(sorted(names))
        now = {name: numbers[name] for name in names}
        assert len(set(now.values())) == len(names)
        assert all(now[name] == held[name] for name in names & held.keys())
        held = now


@given(value=st.integers(0, 10**13))
def test_printed_units_read_back_as_the_same(value):
    """Durations and sizes lose nothing."""
    assert parse_duration(format_duration(value)) == value
    assert parse_size(format_size(value)) == value


@given(thousandths=st.integers(0, 100_000))
def test_printed_percentages_read_back_as_the_same(thousandths):
    """To a thousandth of a percent."""
    text = format_percentage(thousandths / 100_000)
    assert abs(parse_percentage(text) - thousandths / 100_000) < 1e-9


@given(key=st.binary(max_size=80))
def test_any_bytes_are_an_entity_key_or_not(key):
    """Hostile keys raise nothing, and what is taken apart adds up."""
    parts = split_entity_key(key)
    if parts is not None:
        assert key.startswith(parts[0])
        assert key.endswith(parts[1])
        assert parts[1]


@given(
    values=st.dictionaries(st.text("abc", min_size=1, max_size=4), st.binary(max_size=30), min_size=1, max_size=4),
    project=st.text("pq", min_size=1, max_size=5),
)
def test_every_entity_key_is_taken_apart_again(values, project):
    """Whatever bytes the values are, the project after them is found."""
    key = entity_key(project, [(name, 1, value) for name, value in values.items()])
    parts = split_entity_key(key)
    assert parts is not None
    assert parts[1] == project.encode()
