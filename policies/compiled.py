"""A compiled policy: which rule applies to a key and a field, and every number of it. Never changes once built."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from policies._table import RuleTable
from policies.documents import DocumentAddress, DocumentMap
from policies.effective import Effective, RuleLimits
from policies.model import OriginMapping
from policies.numbers import StableNumbers
from policies.prefetch_plan import PrefetchPlan
from policies.resolver import Resolver
from policies.rules import RuleName

if TYPE_CHECKING:
    from policies.explain import Explanation
    from policies.policy import Policy


class Rule(NamedTuple):
    """A rule in full: its number, what it is of, its settings and where each came from."""

    number: int
    name: RuleName
    view_number: int
    settings: Mapping[str, Effective]
    limits: RuleLimits
    dtype: str | None = None


class FeastView(NamedTuple):
    """A view in Feast's layout; ``features``: names by the bytes of their fields."""

    name: str
    project: str
    join_keys: tuple[str, ...]
    features: Mapping[bytes, str]
    origin: OriginMapping


class Compilation(NamedTuple):
    """What the compiler hands over."""

    policy: Policy
    generation: int
    pattern_epoch: int
    rule_numbers: StableNumbers[RuleName]
    view_numbers: StableNumbers[str]
    rules: Mapping[int, Rule]
    resolver: Resolver
    documents: DocumentMap
    plan: PrefetchPlan
    feast_views: tuple[FeastView, ...]


_UNUSED = RuleLimits(0, 0, 0, 0, 0, 0, 0)  # of a number whose rule went away: nothing is ever fresh


class CompiledPolicy:
    """Answers every question about a key or field with numbers; immutable, apart from bounded memos.

    Attributes:
        table: what the hit path reads.
        view_names: by view number; 0 is ``_default``. Views that went away keep their number and name.
        flush: ``refuse`` or ``memory``.
        plan: the feature sets, compiled.
        row_rule, field_rules: as Resolver's.
    """

    def __init__(self, parts: Compilation) -> None:
        policy = parts.policy
        self.policy = policy
        self.generation = parts.generation
        self.pattern_epoch = parts.pattern_epoch
        self.rule_numbers = parts.rule_numbers
        self.view_numbers = parts.view_numbers
        self.view_names: list[str] = parts.view_numbers.names
        self.feast_views = parts.feast_views
        self.feature_sets = policy.feature_sets
        self.plan = parts.plan
        self.prefetch = policy.prefetch
        self.snapshot = policy.snapshot
        self.warmup = policy.warmup
        self.flush = policy.flush
        self.documents = parts.documents
        self.row_rule = parts.resolver.row_rule
        self.field_rules = parts.resolver.field_rules
        self._rules = parts.rules
        numbers = range(len(parts.rule_numbers))
        rows = [parts.rules[number].limits if number in parts.rules else _UNUSED for number in numbers]
        self.table = RuleTable(rows, parts.generation, parts.pattern_epoch, parts.resolver)

    def parts(self) -> list[object]:
        """What it is mostly made of. Freeing a policy of a thousand rules takes 1 ms: these, a few at a time."""
        return [*self._rules.values(), *self.policy.views]

    def rule(self, number: int) -> Rule:
        """A rule in full; KeyError for a number that is not in use."""
        return self._rules[number]

    def entry_rule(self, key: bytes, field: bytes | None = None) -> Rule:
        """The rule of a string or row (no field), or of one field."""
        number = self.row_rule(key)
        return self._rules[number if field is None else self.field_rules(number, (field,))[0]]

    def view_number(self, key: bytes, field: bytes | None = None) -> int:
        """The number of the feature view that lookups of an entry count for."""
        return self.entry_rule(key, field).view_number

    def dtype(self, key: bytes, field: bytes) -> str | None:
        """The declared type of a field; None: text is kept as text."""
        return self.entry_rule(key, field).dtype

    def deadline_ms(self, key: bytes) -> int:
        """A read's whole budget."""
        return self._row_setting(key, "deadline")

    def write_deadline_ms(self, key: bytes) -> int:
        """A write's whole budget."""
        return self._row_setting(key, "write_deadline")

    def read_error_backoff_ms(self, key: bytes) -> int:
        """How long after a failed read of the row others are answered at once."""
        return self._row_setting(key, "read_error_backoff")

    def _row_setting(self, key: bytes, name: str) -> int:
        """A number of a key's row rule."""
        value: int = self._rules[self.row_rule(key)].settings[name].value
        return value

    def document(self, key: bytes) -> DocumentAddress:
        """Where the key's document is and how it is written."""
        return self.documents.address(key)

    def key_of(self, scope: str, collection: str, document: bytes, bucket: str = "") -> bytes | None:
        """The key whose document this is; None for a document that no key names."""
        return self.documents.key_of(scope, collection, document, bucket)

    def moved_since(self, previous: CompiledPolicy) -> Callable[[bytes], bool] | None:
        """A test for keys whose document is elsewhere than under ``previous``: their rows must be dropped.

        None where no key can have moved: neither has a mapping of its own, or no mapping and no pattern changed.
        """
        if self.documents.is_plain and previous.documents.is_plain:
            return None
        if self.documents.same_as(previous.documents) and self.pattern_epoch == previous.pattern_epoch:
            return None
        return lambda key: not self.document(key).is_at(previous.document(key))

    @property
    def mapping_digest(self) -> bytes:
        """16 bytes, equal for policies (of two processes, too) under which every key has its document in one place."""
        if self.documents.is_plain:
            return bytes(16)
        views = [(view.name, view.keys, view.feast, view.origin) for view in self.policy.views]
        return hashlib.sha256(repr(views).encode()).digest()[:16]

    def explain(self, key: bytes, field: bytes | None = None) -> Explanation:
        """Which rule applies, every number of it, and where each came from."""
        from policies.explain import explain  # it prints what is compiled here: imported when asked

        return explain(self, key, field)
