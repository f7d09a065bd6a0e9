from enum import IntFlag
from typing import TypedDict, final

class Outcome(IntFlag):
    HIT = 0
    STALE_HIT = 1
    MISS = 2
    NEGATIVE = 3

OUTCOMES: tuple[str, str, str, str]

class CounterSnapshot(TypedDict):
    lookups: dict[int, dict[str, int]]
    served_age: dict[int, tuple[list[int], int]]
    commands: dict[int, int]
    durations: dict[int, tuple[list[int], int, int]]

@final
class Counters:
    def add_lookup(self, view: int, outcome: int, n: int) -> None: ...
    def add_served(self, view: int, outcome: int, age_ticks: int, n: int) -> None: ...
    def add_command(self, family: int, n: int) -> None: ...
    def add_duration(self, family: int, ns: int) -> None: ...
    def lookups_of(self, view: int) -> dict[str, int]: ...
    def snapshot(self, views: int, families: int) -> CounterSnapshot: ...
