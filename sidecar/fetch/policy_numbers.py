"""The numbers of the running policy that the miss path needs."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from policies import RuleFlag, RuleTable
from policies.feast import TIMESTAMP_PREFIX

_VIEW, _FLAGS = 5, 6  # places in RuleTable.row()
_NIL, _TIMESTAMP, _FEAST_ROW = (
    int(flag) for flag in (RuleFlag.NIL_IF_UNAVAILABLE, RuleFlag.FEAST_TIMESTAMP, RuleFlag.FEAST_ROW)
)


class CompiledNumbers(Protocol):
    """What is read of a compiled policy. Deadlines and backoff depend on the key's row rule alone."""

    table: RuleTable

    def row_rule(self, key: bytes) -> int: ...
    def field_rules(self, row_rule: int, names: Sequence[bytes]) -> list[int]: ...
    def deadline_ms(self, key: bytes) -> int: ...
    def write_deadline_ms(self, key: bytes) -> int: ...
    def read_error_backoff_ms(self, key: bytes) -> int: ...


class PolicyHolder(Protocol):
    """Where the running policy is found; a reload swaps ``current``."""

    @property
    def current(self) -> CompiledNumbers: ...


class RowNumbers(NamedTuple):
    """What applies to a string or a row.

    Attributes:
        view: its number, of every entry where ``is_feast`` is false.
        is_feast: several views share the hash; it is filled whole, and the view follows from the field.
    """

    rule: int
    view: int
    is_feast: bool
    nil_if_unavailable: bool
    deadline_ms: int
    write_deadline_ms: int
    read_error_backoff_ms: int


class PolicyNumbers:
    """Answers by the policy that runs now."""

    __slots__ = ("_holder", "_policy", "_rows")

    def __init__(self, holder: PolicyHolder) -> None:
        self._holder = holder
        self._policy = holder.current
        self._rows: dict[int, RowNumbers] = {}

    def row(self, key: bytes) -> RowNumbers:
        """What applies to ``key``."""
        policy = self._holder.current
        if policy is not self._policy:
            self._policy, self._rows = policy, {}
        rule = policy.row_rule(key)
        row = self._rows.get(rule)
        if row is None:
            numbers = policy.table.row(rule)
            row = self._rows[rule] = RowNumbers(
                rule,
                numbers[_VIEW],
                bool(numbers[_FLAGS] & _FEAST_ROW),
                bool(numbers[_FLAGS] & _NIL),
                policy.deadline_ms(key),
                policy.write_deadline_ms(key),
                policy.read_error_backoff_ms(key),
            )
        return row

    def rule_again(self, key: bytes, row: RowNumbers) -> int:
        """The rule of ``key`` now, where ``row`` was what applied to it before: the same, unless the policy changed."""
        if self._holder.current is self._policy and self._rows.get(row.rule) is row:
            return row.rule
        return self.row(key).rule

    def views(self, key: bytes, fields: tuple[bytes, ...]) -> dict[int, int]:
        """Of a Feast hash: view number -> how many of the fields belong to it."""
        views: dict[int, int] = {}
        for numbers in self._fields(key, fields):
            views[numbers[_VIEW]] = views.get(numbers[_VIEW], 0) + 1
        return views

    def are_timestamps(self, key: bytes, fields: tuple[bytes, ...]) -> bool:
        """Whether only ``_ts:`` fields of a Feast hash are asked: its late-data check, which always asks the origin."""
        if not fields or not fields[0].startswith(TIMESTAMP_PREFIX) or not self.row(key).is_feast:
            return False
        return all(numbers[_FLAGS] & _TIMESTAMP for numbers in self._fields(key, fields))

    def nil_if_unavailable(self, key: bytes, fields: Sequence[bytes] | None) -> bool:
        """Whether all that is asked is to be nil, not an error, when there is nothing to serve."""
        if fields is None:
            return self.row(key).nil_if_unavailable
        return all(numbers[_FLAGS] & _NIL for numbers in self._fields(key, fields))

    def _fields(self, key: bytes, fields: Sequence[bytes]) -> list[tuple[int, ...]]:
        policy = self._holder.current
        return [policy.table.row(rule) for rule in policy.field_rules(policy.row_rule(key), fields)]
