from collections.abc import Sequence
from typing import Protocol, final

MAX_RULES: int

class Resolver(Protocol):
    def row_rule(self, key: bytes) -> int: ...
    def field_rules(self, row_rule: int, names: Sequence[bytes]) -> list[int]: ...

@final
class RuleTable:
    count: int
    generation: int
    pattern_epoch: int
    resolver: Resolver | None
    def __new__(
        cls, limits: Sequence[Sequence[int]], generation: int, pattern_epoch: int, resolver: Resolver | None = None
    ) -> RuleTable: ...
    def __len__(self) -> int: ...
    def row(self, number: int) -> tuple[int, int, int, int, int, int, int]: ...
