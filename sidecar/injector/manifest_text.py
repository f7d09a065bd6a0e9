"""Applies a JSON patch to the text of a YAML document, so that comments, order and style of all else stay.

Each addition is written at the place that the parser's marks tell: after the last line of what stands before it in a
block, or before the closing bracket of a flow collection (JSON is one). The caller reads the result again and compares
it with what was wanted; where that fails, or the patch does more than add, it writes the document anew.
"""

import json
from typing import Any, TypeAlias

import yaml

_Node: TypeAlias = yaml.CollectionNode


class CannotEdit(Exception):
    """The text cannot be changed in place."""


def add_to_text(text: str, operations: list[dict[str, Any]]) -> str:
    """The text of one document with additions.

    Args:
        text: one YAML document.
        operations: of a JSON patch, in order.

    Raises:
        CannotEdit: an operation is no addition, or its place is not one that can be written to.
    """
    for operation in operations:
        if operation["op"] != "add":
            raise CannotEdit(operation["op"])
        text = _add(text, operation["path"], operation["value"])
    return text


def _add(text: str, path: str, value: Any) -> str:
    *parents, last = [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as exc:
        raise CannotEdit("the text so far") from exc
    node, before = _find(root, parents)
    if isinstance(node, yaml.SequenceNode):
        position = int(last)
        if node.flow_style:
            return _into_flow(text, node, position, json.dumps(value))
        if position > 0:
            before = _end(node.value[position - 1])
        return _after_line(text, before, _dump([value]), node.start_mark.column)
    if node.flow_style:
        return _into_flow(text, node, len(node.value), f"{json.dumps(last)}: {json.dumps(value)}")
    return _after_line(text, _end(node), _dump({last: value}), node.start_mark.column)


def _find(node: yaml.Node | None, path: list[str]) -> tuple[_Node, int]:
    """The collection at a path, and where the key before it ends."""
    before = 0
    for token in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == token), None)
            if found is None:
                raise CannotEdit(token)
            before, node = found[0].end_mark.index, found[1]
        elif isinstance(node, yaml.SequenceNode):
            node = node.value[int(token)]
        else:
            raise CannotEdit(token)
    if not isinstance(node, yaml.CollectionNode) or (not node.flow_style and not node.value):
        raise CannotEdit("/".join(path))
    return node, before


def _end(node: yaml.Node) -> int:
    """Where the last thing in a node ends; the parser's own mark of a block is where the next thing begins."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return _end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _after_line(text: str, position: int, added: str, column: int) -> str:
    """Insert lines after the one that holds the last character before ``position``."""
    while position > 0 and text[position - 1] in " \t\r\n":  # a block scalar's mark is behind its line break
        position -= 1
    end = text.find("\n", position)
    line_break = "\r\n" if "\r\n" in text else "\n"
    lines = line_break.join(" " * column + line for line in added.splitlines())
    if end < 0:
        return text + line_break + lines + line_break
    return text[: end + 1] + lines + line_break + text[end + 1 :]


def _into_flow(text: str, node: _Node, position: int, added: str) -> str:
    if position < len(node.value):
        item = node.value[position]
        where = item.start_mark.index
        return f"{text[:where]}{added}, {text[where:]}"
    where = _end(_last(node)) if node.value else node.end_mark.index - 1
    separator = ", " if node.value else ""
    return f"{text[:where]}{separator}{added}{text[where:]}"


def _last(node: _Node) -> yaml.Node:
    last = node.value[-1]
    return last[1] if isinstance(node, yaml.MappingNode) else last


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=10_000, allow_unicode=True)
