"""The memory tier as a dict of plain objects, slowly and plainly: the reference that the native Store is compared with.

It evicts nothing and forgets nothing by itself. Numbers of rules: fresh, stale, error and negative ticks, no jitter.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sidecar.origins.base import ABSENT, Absent, Found

OLDEST_AGE = 1 << 31
FEAST_TIMESTAMP = 2
FEAST_ROW = 4


@dataclass
class Entry:
    """One field: its value, or None where the origin said that there is none."""

    value: bytes | None
    filled_at: int


@dataclass
class Item:
    """What is held of one key; exactly one of value, fields and neither (an absence)."""

    rule: int
    filled_at: int
    expiry_ms: int | None = None
    value: bytes | None = None
    fields: dict[bytes, Entry] | None = None
    whole: bool = False
    busy: bool = False
    epoch: int = 0


@dataclass
class Rules:
    """A policy: limits by rule number, and which rule a key or a field has."""

    limits: list[tuple[int, int, int, int, int, int, int]]
    epoch: int = 0
    row_rule_of: Callable[[bytes], int] = lambda key: 0
    field_rule_of: Callable[[int, bytes], int] = lambda row_rule, name: row_rule

    def row_rule(self, key: bytes) -> int:
        return self.row_rule_of(key)

    def field_rules(self, row_rule: int, names: Iterable[bytes]) -> list[int]:
        return [self.field_rule_of(row_rule, name) for name in names]


@dataclass
class MemoryModel:
    """The Store's Python interface on dicts."""

    rules: Rules
    now: int = 0
    wall_ms: int = 0
    items: dict[bytes, Item] = field(default_factory=dict)

    def find(self, key: bytes) -> Item | None:
        item = self.items.get(key)
        if item is None or (item.expiry_ms is not None and item.expiry_ms <= self.wall_ms):
            return None
        if item.epoch != self.rules.epoch:
            item.rule, item.epoch = self.rules.row_rule(key), self.rules.epoch
        return item if self._row_age(item) < OLDEST_AGE else None

    def install(
        self, key: bytes, answer: Found | Absent, filled_at: int, rule: int, covers: Iterable[bytes] | None = None
    ) -> None:
        busy = key in self.items and self.items[key].busy
        if isinstance(answer, Absent) or (answer.whole and covers is None and answer.value == {}):
            item = Item(rule, filled_at)
        elif isinstance(answer.value, bytes):
            item = Item(rule, filled_at, answer.expiry_ms, value=answer.value)
        elif answer.whole and covers is None:
            fields = {name: Entry(value, filled_at) for name, value in answer.value.items()}
            item = Item(rule, filled_at, answer.expiry_ms, fields=fields, whole=True)
        else:
            changes = dict.fromkeys(covers or (), None) | answer.value
            self._merge(key, changes, filled_at, rule, answer.expiry_ms)
            return
        item.busy, item.epoch = busy, self.rules.epoch
        self.items[key] = item

    def overlay(self, key: bytes, fields: Mapping[bytes, bytes | None], filled_at: int, rule: int) -> None:
        self._merge(key, fields, filled_at, rule, None)

    def _merge(
        self, key: bytes, changes: Mapping[bytes, bytes | None], filled_at: int, rule: int, expiry_ms: int | None
    ) -> None:
        old = self.items.get(key)
        item = Item(rule, filled_at, fields={}, busy=old is not None and old.busy, epoch=self.rules.epoch)
        expired = old is not None and old.expiry_ms is not None and old.expiry_ms <= self.wall_ms
        if old is not None and old.fields is not None and not expired:
            item.fields, item.whole, item.expiry_ms = old.fields, old.whole, old.expiry_ms
            if item.whole:
                item.filled_at = old.filled_at
        if expiry_ms is not None:
            item.expiry_ms = expiry_ms if item.expiry_ms is None else min(expiry_ms, item.expiry_ms)
        assert item.fields is not None
        for name, value in changes.items():
            if value is None and item.whole:
                item.fields.pop(name, None)  # absent, as of when the list was read
            else:
                item.fields[name] = Entry(value, filled_at)
        if item.fields:
            self.items[key] = item
        else:
            self.items.pop(key, None)

    def drop(self, key: bytes) -> bool:
        return self.items.pop(key, None) is not None

    def drop_fields(self, key: bytes, names: Iterable[bytes]) -> bool:
        item = self.items.get(key)
        if item is None or item.fields is None or (item.expiry_ms is not None and item.expiry_ms <= self.wall_ms):
            return self.drop(key)
        item.whole = False
        for name in names:
            item.fields.pop(name, None)
        if not item.fields:
            del self.items[key]
        return True

    def set_busy(self, key: bytes, busy: bool) -> None:
        if key in self.items:
            self.items[key].busy = busy

    def lookup(
        self, key: bytes, fields: tuple[bytes, ...] | None, window: int, reserved: Iterable[bytes] | None = None
    ) -> Found | Absent | None:
        item = self.find(key)
        if item is None or (item.busy and (reserved is None or fields is None or set(fields) & set(reserved))):
            return None
        age = self._age(item.filled_at)
        if item.value is not None:
            return Found(item.value, True, item.expiry_ms) if self._usable(item.rule, age, window) else None
        if item.fields is None:
            late_check = (
                bool(fields)
                and self._flags(item.rule) & FEAST_ROW
                and all(self._flags(self._rule(item, name)) & FEAST_TIMESTAMP for name in fields or ())
            )
            return ABSENT if age < self.rules.limits[item.rule][3] and not late_check else None
        if fields is None and not (item.whole and self._usable(item.rule, age, 2 if window == 2 else 0)):
            return None
        names = tuple(item.fields) if fields is None else fields
        some = self._judge(item, names, window)
        if len(some) < len(set(names)):
            return None
        values = {name: value for name, value in some.items() if value is not None}
        return Found(values, fields is None, item.expiry_ms)

    def lookup_some(
        self, key: bytes, fields: tuple[bytes, ...], window: int, reserved: Iterable[bytes] | None = None
    ) -> dict[bytes, bytes | None]:
        item = self.find(key)
        if item is None or item.value is not None or (item.busy and reserved is None):
            return {}
        if item.busy:
            fields = tuple(name for name in fields if name not in set(reserved or ()))
        return self._judge(item, fields, window)

    def any_usable(self, key: bytes) -> bytes | None:
        item = self.find(key)
        if item is None or item.busy or (item.value is None and item.fields is None):
            return None
        if item.value is not None:
            return b"string" if self._usable(item.rule, self._age(item.filled_at), 1) else None
        assert item.fields is not None
        return (
            b"hash"
            if any(
                entry.value is not None
                and not self._flags(self._rule(item, name)) & FEAST_TIMESTAMP
                and self._usable(self._rule(item, name), self._age(entry.filled_at), 1)
                for name, entry in item.fields.items()
            )
            else None
        )

    def _judge(self, item: Item, names: tuple[bytes, ...], window: int) -> dict[bytes, bytes | None]:
        """The usable ones; timestamps only beside another field."""
        some: dict[bytes, bytes | None] = {}
        followers = 0
        for name in names:
            rule = self._rule(item, name)
            if item.fields is None:
                entry: Entry | None = Entry(None, item.filled_at)
                usable = self._age(item.filled_at) < self.rules.limits[item.rule][3]
            else:
                entry = item.fields.get(name) or (Entry(None, item.filled_at) if item.whole else None)
                usable = entry is not None and self._usable(rule, self._age(entry.filled_at), window)
            follows = entry is not None and self._flags(rule) & FEAST_TIMESTAMP != 0
            if entry is not None and (usable or follows):
                some[name] = entry.value
                followers += follows
        if followers and followers == sum(name in some for name in names):
            return {}
        return some

    def _rule(self, item: Item, name: bytes) -> int:
        return self.rules.field_rules(item.rule, (name,))[0]

    def _flags(self, rule: int) -> int:
        return self.rules.limits[rule][6]

    def _usable(self, rule: int, age: int, window: int) -> bool:
        return age < OLDEST_AGE and age < self.rules.limits[rule][window]

    def _age(self, filled_at: int) -> int:
        age = (self.now - filled_at) & 0xFFFF_FFFF
        return 0 if age >= 0xFFFF_F000 else age

    def _row_age(self, item: Item) -> int:
        """Of the youngest entry: an item is too old only when all of it is."""
        ages = [self._age(item.filled_at)] + [self._age(entry.filled_at) for entry in (item.fields or {}).values()]
        return min(ages) if item.fields is not None and not item.whole else ages[0]
