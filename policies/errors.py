"""What is wrong with a policy file: every problem at once, each with its place, for the operator to mend."""

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing to mend: where, what was found, what is expected, and at times a hint what to do."""

    file: str
    line: int
    path: str
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line} {self.path}".rstrip()
        text = f"{where}: found {self.found}, expected {self.expected}"
        return f"{text} ({self.hint})" if self.hint else text


class PolicyError(Exception):
    """A policy file that cannot be used. ``str()`` is one line per problem, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(map(str, self.problems)))
