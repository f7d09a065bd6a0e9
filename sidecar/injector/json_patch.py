"""JSON patches (RFC 6902): the operations that turn one document into another."""

from collections.abc import Iterator
from typing import Any

Operation = dict[str, Any]


def json_patch(old: Any, new: Any) -> list[Operation]:
    """The operations that turn ``old`` into ``new``, in the order to apply them.

    Items of a list are told apart by their ``name`` where they all have one, as containers and volumes do; other lists
    by their common beginning and end. A member that is not there is added whole, so a list never has to exist before
    it is added to.
    """
    return list(_differences(old, new, ""))


def pointer_token(name: str) -> str:
    """A member's name within a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _differences(old: Any, new: Any, path: str) -> Iterator[Operation]:
    if old is new:  # what was not touched is shared, however deep it is
        return
    if type(old) is not type(new):  # 1, 1.0 and true are equal in Python and not in JSON
        yield {"op": "replace", "path": path, "value": new}
    elif isinstance(old, dict):
        yield from _members(old, new, path)
    elif isinstance(old, list):
        yield from _items(old, new, path)
    elif old != new:
        yield {"op": "replace", "path": path, "value": new}


def _members(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Operation]:
    for name, value in old.items():
        place = f"{path}/{pointer_token(name)}"
        if name not in new:
            yield {"op": "remove", "path": place}
        else:
            yield from _differences(value, new[name], place)
    for name, value in new.items():
        if name not in old:
            yield {"op": "add", "path": f"{path}/{pointer_token(name)}", "value": value}


def _items(old: list[Any], new: list[Any], path: str) -> Iterator[Operation]:
    if len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, f"{path}/{number}")
    elif _is_subsequence(_names(old), _names(new)):
        yield from _named_items(old, new, path)
    else:
        yield from _unnamed_items(old, new, path)


def _named_items(old: list[Any], new: list[Any], path: str) -> Iterator[Operation]:
    """Additions between items that stay; each index counts the additions before it."""
    staying = iter(old)
    expected = next(staying, None)
    for number, item in enumerate(new):
        if expected is not None and item["name"] == expected["name"]:
            yield from _differences(expected, item, f"{path}/{number}")
            expected = next(staying, None)
        else:
            yield {"op": "add", "path": f"{path}/{number}", "value": item}


def _unnamed_items(old: list[Any], new: list[Any], path: str) -> Iterator[Operation]:
    shared = min(len(old), len(new))
    start = next((n for n in range(shared) if old[n] != new[n]), shared)
    end = next((n for n in range(shared - start) if old[-1 - n] != new[-1 - n]), shared - start)
    for _ in range(len(old) - start - end):
        yield {"op": "remove", "path": f"{path}/{start}"}
    for number in range(start, len(new) - end):
        yield {"op": "add", "path": f"{path}/{number}", "value": new[number]}


def _names(items: list[Any]) -> list[str] | None:
    """The items' names; None where one has none."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    return [str(name) for name in names] if all(isinstance(name, str) for name in names) else None


def _is_subsequence(names: list[str] | None, of: list[str] | None) -> bool:
    if names is None or of is None:
        return False
    rest = iter(of)
    return all(name in rest for name in names)
