"""The numbers of the running policy that the miss path needs, by key and by rule."""

from collections.abc import Sequence
from typing import Protocol

from policies import RuleFlag, RuleTable

_VIEW, _FLAGS = 5, 6  # places in RuleTable.row()


class CompiledNumbers(Protocol):
    """What is read of a compiled policy."""

    table: RuleTable

    def row_rule(self, key: bytes) -> int: ...
    def field_rules(self, row_rule: int, names: Sequence[bytes]) -> list[int]: ...
    def deadline_ms(self, key: bytes) -> int: ...
    def write_deadline_ms(self, key: bytes) -> int: ...
    def read_error_backoff_ms(self, key: bytes) -> int: ...


class PolicyHolder(Protocol):
    """Where the running policy is found; a reload swaps ``current``."""

    current: CompiledNumbers


class PolicyNumbers:
    """Answers by the policy that runs now."""

    __slots__ = ("_facts", "_facts_of", "_holder")

    def __init__(self, holder: PolicyHolder) -> None:
        self._holder = holder
        self._facts: dict[int, tuple[int, int]] = {}  # rule -> view, flags
        self._facts_of: RuleTable | None = None

    @property
    def current(self) -> CompiledNumbers:
        """The compiled policy itself."""
        return self._holder.current

    def is_feast_row(self, key: bytes) -> bool:
        """Whether fills of ``key`` are always whole rows."""
        return bool(self._of(self._holder.current.row_rule(key))[1] & RuleFlag.FEAST_ROW)

    def views(self, key: bytes, fields: tuple[bytes, ...] | None) -> dict[int, int]:
        """View number -> how many of the entries asked belong to it. A string or a whole row counts as one."""
        policy = self._holder.current
        row_rule = policy.row_rule(key)
        view, flags = self._of(row_rule)
        if fields is None:
            return {view: 1}
        if not flags & RuleFlag.FEAST_ROW:  # one view has the whole key
            return {view: len(fields)}
        views: dict[int, int] = {}
        for rule in policy.field_rules(row_rule, fields):
            view = self._of(rule)[0]
            views[view] = views.get(view, 0) + 1
        return views

    def nil_if_unavailable(self, key: bytes, fields: Sequence[bytes] | None) -> bool:
        """Whether all that is asked is to be nil, not an error, when there is nothing to serve."""
        policy = self._holder.current
        row_rule = policy.row_rule(key)
        rules = [row_rule] if fields is None else policy.field_rules(row_rule, fields)
        return all(self._of(rule)[1] & RuleFlag.NIL_IF_UNAVAILABLE for rule in rules)

    def _of(self, rule: int) -> tuple[int, int]:
        table = self._holder.current.table
        if table is not self._facts_of:
            self._facts, self._facts_of = {}, table
        facts = self._facts.get(rule)
        if facts is None:
            row = table.row(rule)
            facts = self._facts[rule] = (row[_VIEW], row[_FLAGS])
        return facts
