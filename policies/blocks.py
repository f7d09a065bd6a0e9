"""Reading one mapping of the policy file: known names are taken out one by one, the rest is reported."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from policies.errors import Problem
from policies.key_pattern import PatternError
from policies.model import Given, Place
from policies.settings import Kind, OutOfBounds, Setting
from policies.yaml_tree import Mapping, Node, Scalar, Sequence

Read = TypeVar("Read")


class Findings:
    """The problems of one file, in the order found."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.problems: list[Problem] = []

    def report(self, place: Place, found: object, expected: str, hint: str = "") -> None:
        """Note a problem and go on."""
        self.problems.append(Problem(self.filename, place.line, place.path, str(found), expected, hint))


class BlockReader:
    """One mapping. Whatever is wrong in it is reported, and read as if it was not there.

    Args:
        findings: where problems go.
        node: the block; null is an empty block, anything but a mapping is a problem.
        place: of the block.
    """

    def __init__(self, findings: Findings, node: Node | None, place: Place) -> None:
        self.findings = findings
        self.place = place
        self._taken: set[str] = set()
        self._node = node if isinstance(node, Mapping) else Mapping(place.line, {}, {})
        nothing = node is None or (isinstance(node, Scalar) and node.is_null)
        self.is_wrong = not nothing and not isinstance(node, Mapping)  # then nothing in it is missed
        if self.is_wrong:
            findings.report(place, node, "a mapping of names to values")

    def __contains__(self, name: str) -> bool:
        return name in self._node.items

    def place_of(self, name: str) -> Place:
        """Where a name stands, or the block where it does not."""
        if name not in self._node.items:
            return self.place
        joint = "" if not self.place.path else " " if self.place.path.endswith(")") else "."
        return Place(self._node.lines[name], f"{self.place.path}{joint}{name}")

    def take(self, name: str) -> Node | None:
        """A value, None where the name is not there."""
        self._taken.add(name)
        return self._node.items.get(name)

    def entries(self) -> Iterator[tuple[str, Node, Place]]:
        """Every name and value of a block whose names the user chooses."""
        for name in self._node.items:
            self._taken.add(name)
            yield name, self._node.items[name], self.place_of(name)

    def block(self, name: str) -> "BlockReader":
        """A block within; empty where the name is not there."""
        return BlockReader(self.findings, self.take(name), self.place_of(name))

    def setting(self, setting: Setting) -> Given | None:
        """A setting of the table, with its place."""
        value = self.value(setting.name, setting.kind)
        return None if value is None else Given(value, self.place_of(setting.name))

    def settings(self, settings: Iterable[Setting]) -> dict[str, Given]:
        """Every setting of these that the block gives."""
        given = {}
        for setting in settings:
            self._taken.add(setting.name)
            if setting.name in self._node.items:
                value = self.setting(setting)
                if value is not None:
                    given[setting.name] = value
        return given

    def value(self, name: str, kind: Kind) -> Any:
        """A scalar of a kind, None where it is not there or wrong."""
        node = self.take(name)
        if node is None:
            return None
        expected = kind.expected
        if isinstance(node, Scalar) and not node.is_null:
            try:
                return kind.parse(node.text)
            except OutOfBounds as error:
                expected = error.expected
            except ValueError:
                pass
        self.findings.report(self.place_of(name), node, expected)
        return None

    def text(self, name: str, expected: str, parse: Callable[[str], Read]) -> Read | None:
        """Text of the user's choosing, None where it is not there or wrong."""
        node = self.take(name)
        return None if node is None else read_text(self.findings, node, self.place_of(name), expected, parse)

    def items(self, name: str, expected: str, least: int = 0) -> list[tuple[Node, Place]]:
        """The items of a list with their places; where it may not be empty, ``least`` says how many there must be."""
        node = self.take(name)
        if isinstance(node, Sequence):
            path = self.place_of(name).path
            if len(node.items) < least:
                self.findings.report(self.place_of(name), f"{len(node.items)} items", expected)
            return [(item, Place(item.line, f"{path}[{index}]")) for index, item in enumerate(node.items)]
        if node is not None and (least or not (isinstance(node, Scalar) and node.is_null)):
            self.findings.report(self.place_of(name), node, expected)
        return []

    def require(self, name: str, expected: str) -> None:
        """Report a name that must be there and is not."""
        if name not in self._node.items and not self.is_wrong:
            self.findings.report(self.place, f"no {name}", expected)

    def finish(self, elsewhere: Callable[[str], str] = lambda name: "") -> None:
        """Report every name that nobody took. ``elsewhere``: a hint for names known in other places."""
        for name in self._node.items:
            if name in self._taken:
                continue
            near = difflib.get_close_matches(name, self._taken, 1)
            hint = elsewhere(name) or (f"did you mean {near[0]}?" if near else "")
            known = ", ".join(sorted(self._taken))
            self.findings.report(self.place_of(name), f"the unknown name {name}", f"one of {known}", hint)


def read_text(findings: Findings, node: Node, place: Place, expected: str, parse: Callable[[str], Read]) -> Read | None:
    """Text of the user's choosing, read by ``parse``; None, and a problem, where it is something else or wrong."""
    if not isinstance(node, Scalar) or node.is_null:
        hint = "quote text that begins with { or [" if not isinstance(node, Scalar) else ""
        findings.report(place, node, expected, hint)
        return None
    try:
        return parse(node.text)
    except PatternError as error:
        findings.report(place, error.found, error.expected)
    except ValueError:
        findings.report(place, node, expected)
    return None
