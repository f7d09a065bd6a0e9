"""JSON patches: an independent library applies them and gets what was wanted."""

from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.injector.json_patch import json_patch

_NAMES = st.sampled_from(["a", "b/c", "d~e", "~1", "", "0", "é"])
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "y"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | st.just("name"), inner, max_size=4),
    max_leaves=20,
)


@given(old=_VALUES, new=_VALUES)
def test_the_patch_turns_old_into_new(old: Any, new: Any):
    """Whatever the two are, and to the letter: 1 and true are two values."""
    patched = jsonpatch.apply_patch({"at": old}, json_patch({"at": old}, {"at": new}))
    assert repr(patched["at"]) == repr(new) or patched["at"] == new
    assert json_patch(patched["at"], patched["at"]) == []


@given(value=_VALUES)
def test_nothing_to_do_is_an_empty_patch(value: Any):
    """Equal documents need no operation."""
    assert json_patch({"at": value}, {"at": value}) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {"a": [1]}, [{"op": "add", "path": "/a", "value": [1]}]),
        ({"a": {"b/c": 1}}, {"a": {"b/c": 2}}, [{"op": "replace", "path": "/a/b~1c", "value": 2}]),
        ({"a~b": 1}, {}, [{"op": "remove", "path": "/a~0b"}]),
        ({"a": None}, {"a": {}}, [{"op": "replace", "path": "/a", "value": {}}]),
        ([1, 2], [0, 1, 2], [{"op": "add", "path": "/0", "value": 0}]),
        ([1, 2], [1, 2, 3], [{"op": "add", "path": "/2", "value": 3}]),
        ([1], [True], [{"op": "replace", "path": "/0", "value": True}]),
    ],
)
def test_patches_are_small(old: Any, new: Any, expected: list[dict[str, Any]]):
    """Only what differs; names are escaped; absent members are added whole."""
    assert json_patch(old, new) == expected


def test_named_items_are_told_apart_by_name():
    """A container put first, and a change in another, are two operations and not a new list."""
    old = [{"name": "a", "env": []}, {"name": "b"}]
    new = [{"name": "ours"}, {"name": "a", "env": [{"name": "X"}]}, {"name": "b"}]
    assert json_patch(old, new) == [
        {"op": "add", "path": "/0", "value": {"name": "ours"}},
        {"op": "add", "path": "/1/env/0", "value": {"name": "X"}},
    ]
