"""YAML as a tree of text with lines."""

import pytest

from policies.yaml_tree import Mapping, Scalar, Sequence, YamlError, parse_yaml


def test_scalars_stay_text_with_their_lines():
    """Nothing is interpreted: numbers, booleans and dates are the text that stands there."""
    tree = parse_yaml("a: 30\nb:\n  - yes\n  - '2026-01-01'\n")
    assert isinstance(tree, Mapping)
    assert tree.items["a"] == Scalar(1, "30")
    assert tree.items["b"] == Sequence(3, (Scalar(3, "yes"), Scalar(4, "2026-01-01", plain=False)))
    assert tree.lines == {"a": 1, "b": 2}


@pytest.mark.parametrize("text", ["", "~", "null", "# only a comment\n", "---\n"])
def test_nothing_is_null(text):
    """An empty file, or a plain null, is nothing; quoted text is not."""
    tree = parse_yaml(text)
    assert isinstance(tree, Scalar)
    assert tree.is_null
    assert not Scalar(1, "null", plain=False).is_null


def test_anchors_and_merges_share_blocks():
    """What a mapping gives itself wins over what it merges, and the first merged over the next."""
    tree = parse_yaml("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 9\n")
    assert isinstance(tree, Mapping)
    z = tree.items["z"]
    assert isinstance(z, Mapping)
    assert {name: str(value) for name, value in z.items.items()} == {"a": "9", "b": "2", "c": "4"}


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a again"),
        ("a: 1\nb: *c\n", 2, "*c, which names nothing"),
        ("a: &a [*a]\n", 1, "*a, which names nothing"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: 1\nb: !!int 2\n", 2, "the tag"),
        ("a: 1\nb: [1\n", 2, "not YAML"),
        ("a: 1\n? [b]\n: 2\n", 2, "a list as a name"),
        ("a: 1\n*: 2\n", 2, "not YAML"),
        ("a:\n  <<: 7\n", 2, "7 after <<"),
        ("a: 1\nb: \x00\n", 2, "a character"),
        (b"a: 1\nb: \xff\n", 2, "a character"),
    ],
)
def test_what_a_policy_has_no_use_for_is_an_error_with_its_line(text, line, found):
    """Equal names, loose ends and broken text are found where they stand."""
    with pytest.raises(YamlError) as caught:
        parse_yaml(text)
    assert caught.value.line == line
    assert found in caught.value.found


@pytest.mark.parametrize("depth", [33, 100_000])
def test_depth_is_bounded_without_recursion(depth):
    """A file of nothing but brackets is refused (by us, or by libyaml further on), not a crash."""
    with pytest.raises(YamlError, match=r"too deep|nesting depth"):
        parse_yaml("[" * depth + "]" * depth)


def test_depth_up_to_the_bound_is_read():
    """The bound itself is allowed."""
    assert isinstance(parse_yaml("[" * 32 + "]" * 32), Sequence)


def test_nested_anchors_do_not_multiply():
    """Aliases share what they name: nine levels of nine are one small tree, not 9**9 nodes."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    tree = parse_yaml("\n".join(lines))
    assert isinstance(tree, Mapping)
    assert len(tree.items) == 10
