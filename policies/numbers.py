"""Numbers of rules and views that stay the same over reloads: entries keep a rule's number, counters a view's."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)


class StableNumbers(Generic[Name]):
    """Names numbered from 0 in the order first seen. A name that went away keeps its number for when it comes back.

    Only when all ``limit`` numbers are taken does a new name get that of one that is not in use.
    """

    def __init__(self, limit: int, names: Iterable[Name] = ()) -> None:
        self._limit = limit
        self.names: list[Name] = list(names)
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def successor(self, wanted: Iterable[Name]) -> "StableNumbers[Name]":
        """The numbers once ``wanted`` are the names in use.

        Raises:
            ValueError: more names than numbers.
        """
        grown = StableNumbers(self._limit, self.names)
        in_use = dict.fromkeys(wanted)
        if len(in_use) > self._limit:
            raise ValueError(f"{len(in_use)} names, at most {self._limit}")
        free = iter([number for number, name in enumerate(self.names) if name not in in_use])
        for name in in_use:
            if name not in grown._numbers:
                grown._add(name, free)
        return grown

    def _add(self, name: Name, free: Iterator[int]) -> None:
        """Give a new name a number: the next one, or an unused name's where there is none."""
        number = len(self.names)
        if number < self._limit:
            self.names.append(name)
        else:
            number = next(free)
            del self._numbers[self.names[number]]
            self.names[number] = name
        self._numbers[name] = number

    def __getitem__(self, name: Name) -> int:
        return self._numbers[name]

    def __len__(self) -> int:
        return len(self.names)
