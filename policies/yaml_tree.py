"""YAML as text with lines: a tree of scalars, lists and mappings whose values nobody has interpreted yet.

Built from the parser's events rather than its constructor: the constructor forgets lines, keeps the last of two equal
names, turns ``30`` and ``yes`` into other types, and recurses as deep as the file says.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where PyYAML has libyaml
_MERGE = "<<"
_NULLS = ("", "~", "null", "Null", "NULL")
_MAX_DEPTH = 32  # the policy's own form is 5 deep


class Scalar(NamedTuple):
    """Text; ``plain``: written without quotes."""

    line: int
    text: str
    plain: bool = True

    @property
    def is_null(self) -> bool:
        """Nothing was written."""
        return self.plain and self.text in _NULLS

    def __str__(self) -> str:
        if self.is_null:
            return "nothing"
        return self.text if self.plain else f'"{self.text}"'


class Sequence(NamedTuple):
    """A list."""

    line: int
    items: tuple["Node", ...]

    def __str__(self) -> str:
        return "a list"


class Mapping(NamedTuple):
    """Names and values in order. ``lines``: where each name stands."""

    line: int
    items: dict[str, "Node"]
    lines: dict[str, int]

    def __str__(self) -> str:
        return "a mapping"


Node = Scalar | Sequence | Mapping


class YamlError(Exception):
    """Not YAML, or YAML that a policy has no use for."""

    def __init__(self, line: int, found: str, expected: str, hint: str = "") -> None:
        super().__init__(f"line {line}: {found}")
        self.line = line
        self.found = found
        self.expected = expected
        self.hint = hint


def parse_yaml(text: str | bytes) -> Node:
    """The tree of a file with one document; an empty file is a null scalar.

    Raises:
        YamlError: with the line.
    """
    try:
        return _Builder().build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = max(1, len(text.splitlines()))  # libyaml puts the end of the file on a line of its own
        line = min(mark.line + 1, last) if mark else 1
        hint = "a name that starts with * or & must be quoted" if "alias" in str(error) else ""
        raise YamlError(line, f"text that is not YAML: {error.problem or error.context}", "YAML", hint) from error
    except yaml.reader.ReaderError as error:
        line = _line_of(text, error.position)
        raise YamlError(line, f"a character that YAML does not allow ({error.reason})", "UTF-8 text") from error


def _line_of(text: str | bytes, position: int) -> int:
    """The line of an offset."""
    return text[:position].count("\n" if isinstance(text, str) else b"\n") + 1  # type: ignore[arg-type]


class _Open(NamedTuple):
    """A list or mapping whose end was not met yet; children of a mapping are names and values in turn."""

    line: int
    anchor: str | None
    children: list[Node]


class _Builder:
    """Builds the tree with a stack of its own."""

    def __init__(self) -> None:
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0
        self._takers: dict[type, Callable[[yaml.Event, int], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._mapping_end,
            yaml.SequenceEndEvent: self._sequence_end,
            yaml.DocumentStartEvent: self._document,
        }

    def build(self, events: Iterator[yaml.Event]) -> Node:
        """The tree of all events."""
        for event in events:
            take = self._takers.get(type(event))
            if take is not None:
                take(event, event.start_mark.line + 1)
        return self._root if self._root is not None else Scalar(1, "")

    def _scalar(self, event: yaml.Event, line: int) -> None:
        """Text, in any style."""
        _refuse_tag(event, line)
        self._close(Scalar(line, event.value, not event.style), event.anchor)

    def _alias(self, event: yaml.Event, line: int) -> None:
        """An earlier node again: shared, not copied."""
        if event.anchor not in self._anchors:
            hint = "a name that starts with * must be quoted"
            raise YamlError(line, f"*{event.anchor}, which names nothing", "an anchor that was set before", hint)
        self._close(self._anchors[event.anchor], None)

    def _start(self, event: yaml.Event, line: int) -> None:
        """A list or mapping begins."""
        _refuse_tag(event, line)
        if len(self._open) >= _MAX_DEPTH:
            raise YamlError(line, "lists and mappings too deep in each other", f"at most {_MAX_DEPTH} levels")
        self._open.append(_Open(line, event.anchor, []))

    def _sequence_end(self, event: yaml.Event, line: int) -> None:
        """A list is whole."""
        ended = self._open.pop()
        self._close(Sequence(ended.line, tuple(ended.children)), ended.anchor)

    def _mapping_end(self, event: yaml.Event, line: int) -> None:
        """A mapping is whole."""
        ended = self._open.pop()
        self._close(_mapping(ended), ended.anchor)

    def _document(self, event: yaml.Event, line: int) -> None:
        """A file holds one document."""
        self._documents += 1
        if self._documents > 1:
            raise YamlError(line, "a second document", "one document a file")

    def _close(self, node: Node, anchor: str | None) -> None:
        """A finished node goes into the one around it."""
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._root = node


def _refuse_tag(event: yaml.Event, line: int) -> None:
    """Values are what their place in the policy makes them; ``!`` alone says no more than quotes do."""
    if event.tag not in (None, "!"):
        raise YamlError(line, f"the tag {event.tag}", "a value without a tag")


def _mapping(ended: _Open) -> Mapping:
    """Pair names and values; ``<<`` fills in what the mapping itself does not give."""
    items: dict[str, Node] = {}
    lines: dict[str, int] = {}
    merged: list[Node] = []
    for name, value in zip(ended.children[::2], ended.children[1::2], strict=True):
        if not isinstance(name, Scalar):
            raise YamlError(name.line, f"{name} as a name", "text", "quote a name that begins with { or [")
        if name.text == _MERGE and name.plain:
            merged += value.items if isinstance(value, Sequence) else [value]
            continue
        if name.text in items:
            raise YamlError(
                name.line, f"{name.text} again", f"each name once (it stands at line {lines[name.text]} too)"
            )
        items[name.text], lines[name.text] = value, name.line
    for source in merged:
        if not isinstance(source, Mapping):
            raise YamlError(source.line, f"{source} after <<", "a mapping or a list of mappings")
        for text in source.items:
            if text not in items:
                items[text], lines[text] = source.items[text], source.lines[text]
    return Mapping(ended.line, items, lines)
