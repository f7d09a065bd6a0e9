"""What a schedule runs on besides the miss path and the origin: a policy of one rule, and the memory tier."""

from typing import Any

from model_store import ModelStore

from policies import RuleTable
from sidecar.memory import Store
from sidecar.metrics import Counters


class NoCounter:
    """Lookups are not judged here."""

    def add_lookup(self, view: int, outcome: int, n: int) -> None: ...


class SchedulePolicy:
    """One rule for everything."""

    def __init__(self, limits: tuple[int, int, int, int], deadline_ms: int, write_deadline_ms: int) -> None:
        self.current = self
        self.table = RuleTable([(*limits, 0, 0, 0)], 1, 1, self)
        self._deadline_ms = deadline_ms
        self._write_deadline_ms = write_deadline_ms

    def row_rule(self, key: bytes) -> int:
        return 0

    def field_rules(self, row_rule: int, names: Any) -> list[int]:
        return [0] * len(names)

    def deadline_ms(self, key: bytes) -> int:
        return self._deadline_ms

    def write_deadline_ms(self, key: bytes) -> int:
        return self._write_deadline_ms

    def read_error_backoff_ms(self, key: bytes) -> int:
        return 30


def model_store(table: RuleTable) -> ModelStore:
    """The memory tier as a dict."""
    return ModelStore(lambda rule: table.row(rule)[:4], lambda row, name: row)


def native_store(table: RuleTable) -> Store:
    """The memory tier as it is."""
    return Store(4 << 20, table, _COUNTERS, bytes(16))


_COUNTERS = Counters()
