"""Which rule a key's row has, and each of its fields: pattern matching off the hit path, behind bounded memos."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from policies.feast import TIMESTAMP_PREFIX, FeastHash, split_entity_key
from policies.feature_pattern import FeatureMatcher, FeaturePattern
from policies.key_matcher import KeyMatcher
from policies.key_pattern import KeyPattern

MEMO_ENTRIES = 4096  # per memo; a full one is emptied, so that its cost stays flat under any keys
MEMO_NAME_BYTES = 256  # longer keys and fields are resolved each time


class DefaultRules(NamedTuple):
    """Rules of what no view declares."""

    row: int
    feast_row: int
    feast_timestamps: int


class FeastRules(NamedTuple):
    """A Feast hash: its row rule and the rules of declared fields, by the fields' bytes."""

    row: int
    fields: Mapping[bytes, int]


class Resolver:
    """Finds rule numbers.

    Args:
        defaults: rules of keys of no view, of Feast hashes of no view and of undeclared ``_ts:`` fields.
        keys: row rules by key pattern.
        features: by row rule, the rules of its feature patterns.
        hashes: Feast's hashes.
    """

    def __init__(
        self,
        defaults: DefaultRules,
        keys: Iterable[tuple[KeyPattern, int]],
        features: Mapping[int, Sequence[tuple[FeaturePattern, int]]],
        hashes: Mapping[FeastHash, FeastRules],
    ) -> None:
        self._defaults = defaults
        self._keys = KeyMatcher(keys)
        self._features = {row: FeatureMatcher(rules) for row, rules in features.items() if rules}
        self._hashes = {(feast_hash.prefix, feast_hash.suffix): rules.row for feast_hash, rules in hashes.items()}
        self._feast_fields = {rules.row: rules.fields for rules in hashes.values()} | {defaults.feast_row: {}}
        self._row_memo: dict[bytes, int] = {}
        self._field_memos: dict[int, dict[bytes, int]] = {row: {} for row in self._features}

    def row_rule(self, key: bytes) -> int:
        """The number of the rule that a key's row, or its string, has."""
        number = self._row_memo.get(key)
        if number is None:
            number = self._find_row(key)
            _remember(self._row_memo, key, number)
        return number

    def field_rules(self, row_rule: int, names: Sequence[bytes]) -> list[int]:
        """The number of each field's rule, given the row's."""
        features = self._features.get(row_rule)
        if features is None:
            fields = self._feast_fields.get(row_rule)
            return [row_rule] * len(names) if fields is None else [self._feast_rule(fields, name) for name in names]
        memo, numbers = self._field_memos[row_rule], []
        for name in names:
            number = memo.get(name)
            if number is None:
                found = features.match(name)
                number = row_rule if found is None else found
                _remember(memo, name, number)
            numbers.append(number)
        return numbers

    def _find_row(self, key: bytes) -> int:
        """A Feast key's hash, else the key pattern with most literal bytes, else the default."""
        entity = split_entity_key(key)
        if entity is not None and entity in self._hashes:
            return self._hashes[entity]
        matched = self._keys.match(key)
        if matched is not None:
            return matched
        return self._defaults.row if entity is None else self._defaults.feast_row

    def _feast_rule(self, fields: Mapping[bytes, int], name: bytes) -> int:
        """A declared field's rule; the defaults' for others."""
        number = fields.get(name)
        if number is None:
            number = self._defaults.feast_timestamps if name.startswith(TIMESTAMP_PREFIX) else self._defaults.row
        return number


def _remember(memo: dict[bytes, int], name: bytes, number: int) -> None:
    """Keep an answer, within the memo's bounds."""
    if len(name) <= MEMO_NAME_BYTES:
        if len(memo) >= MEMO_ENTRIES:
            memo.clear()
        memo[name] = number
