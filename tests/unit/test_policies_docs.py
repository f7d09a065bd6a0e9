"""docs/policies.md says what the table of settings says, and its examples are policies."""

import re
from pathlib import Path

import pytest

from policies import parse
from policies.reference import setting_rows

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()


def test_the_page_and_the_table_of_settings_are_the_same():
    """Both ways: no setting is missing from the page, none is described that there is not."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| `") and line.count("|") == 5]
    assert rows == setting_rows()


EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_is_a_policy(example):
    """What is shown can be copied."""
    assert parse(example, "docs/policies.md").compile().table


def test_there_is_an_example():
    """The pattern above finds what it looks for."""
    assert EXAMPLES


def test_the_example_policy_of_the_quick_start_is_a_policy():
    """`make run` serves with it: per-feature numbers for its three views."""
    text = (Path(__file__).parents[2] / "examples" / "policy.yaml").read_text()
    policy = parse(text, "examples/policy.yaml").compile()
    assert policy.view_names == ["_default", "user_profile", "user_sessions", "item_stats"]
