"""A small memory tier and the dict model driven side by side, for property tests and the fuzzer."""

import random

from memory_model import MemoryModel
from memory_rules import LIMITS, make_rules

from policies._table import RuleTable
from sidecar.memory import Store
from sidecar.memory._inspection import probe_row, probe_string
from sidecar.metrics._counters import Counters
from sidecar.origins.base import ABSENT, Absent, Found

FIELDS = [b"f%d" % i for i in range(40)] + [b"fast_1", b"fast_2", b"other_view"]


class Pressure:
    """A small store and the model, driven by one random generator."""

    def __init__(self, seed: int, max_memory: int, hostile: bool = False) -> None:
        """hostile: keys and field names are any bytes, values grow, time jumps and policies change."""
        self.chance = random.Random(seed)
        self.hostile = hostile
        self.generation = 1
        self.fields = [self.chance.randbytes(self.chance.choice((0, 1, 7, 8, 9, 300))) for _ in range(60)]
        self.fields = list(dict.fromkeys(self.fields)) if hostile else FIELDS
        self.rules = make_rules(0)
        table = RuleTable(LIMITS, 1, 0, self.rules)
        self.store = Store(max_memory, table, Counters(), self.chance.randbytes(16))
        self.model = MemoryModel(self.rules)
        self.largest = self.store.segment_bytes
        self.pass_time(10_000)
        self.answered = 0

    def pass_time(self, ticks: int) -> None:
        self.model.now = (self.model.now + ticks) & 0xFFFF_FFFF
        self.model.wall_ms += 10 * ticks
        self.store.set_time(self.model.now, self.model.wall_ms)

    def key(self) -> bytes:
        number = min(int(self.chance.expovariate(0.01 if self.hostile else 0.002)), 3000)
        if self.hostile:
            return random.Random(number).randbytes(number % 90 if number % 50 else number % 7 * 500)
        return b"user:%d" % number

    def value(self) -> bytes:
        if self.chance.random() < 0.01:
            return bytes(self.chance.randrange(self.largest + 200))
        return self.chance.randbytes(self.chance.choice((0, 3, 8, 8, 8, 64, 150)))

    def step(self) -> None:
        key, now, kind = self.key(), self.model.now, self.chance.random()
        if kind < 0.3:
            self.keep(key, Found(self.value()), None)
        elif kind < 0.4:
            self.keep(key, Found({name: self.value() for name in self.fields[:: self.chance.randrange(1, 9)]}), None)
        elif kind < 0.5:
            some = self.chance.sample(self.fields, 5)
            self.keep(key, Found({name: self.value() for name in some[:4]}, False), tuple(some))
        elif kind < 0.55:
            self.keep(key, ABSENT, None)
        elif kind < 0.65:
            fields = {name: self.chance.choice((None, self.value())) for name in self.chance.sample(self.fields, 3)}
            self.forget_lost(key)
            kept = self.store.overlay(key, fields, now, self.rules.row_rule(key))
            self.model.overlay(key, fields, now, self.rules.row_rule(key))
            if not kept:
                self.model.drop(key)
        elif kind < 0.68:
            self.store.drop(key)
            self.model.drop(key)
        elif kind < 0.7:
            self.pass_time(self.chance.randrange(20))
            self.store.expire_step(100)
            self.store.compact_step(10_000)
        elif self.hostile and kind < 0.72:
            self.upset()
        else:
            self.look_up(key)

    def upset(self) -> None:
        """What is rare: a reload, a long pause, an invalidation by match, everything forgotten."""
        kind = self.chance.randrange(40)
        if kind < 2:
            self.rules = self.model.rules = make_rules(self.chance.randrange(2))
            self.generation += 1
            self.store.use_table(RuleTable(LIMITS, self.generation, self.rules.epoch, self.rules))
        elif kind < 4:
            self.pass_time(self.chance.choice((400, 10_000, 1 << 20)))
        elif kind == 4:
            byte = self.chance.randrange(256)
            position: int | None = 0
            while position is not None:
                position = self.store.drop_matching(lambda key: key[:1] == bytes([byte]), 100, position)
            self.model.items = {key: item for key, item in self.model.items.items() if key[:1] != bytes([byte])}
        elif kind == 5:
            self.store.clear()
            self.model.items.clear()

    def keep(self, key: bytes, answer: Found | Absent, covers: tuple[bytes, ...] | None) -> None:
        rule = self.rules.row_rule(key)
        self.forget_lost(key)
        speculative = self.chance.random() < 0.2  # it changes where an item finds room, never what is answered
        if self.store.install(key, answer, self.model.now, rule, covers, speculative):
            self.model.install(key, answer, self.model.now, rule, covers)
        else:
            self.model.drop(key)

    def forget_lost(self, key: bytes) -> None:
        """What was evicted is nothing to merge with."""
        if key not in self.store:
            self.model.drop(key)

    def look_up(self, key: bytes) -> None:
        """Nothing, or exactly the model's answer."""
        fields = self.chance.choice((None, tuple(self.chance.sample(self.fields, self.chance.choice((1, 1, 3))))))
        answer = self.store.lookup(key, fields, 1)
        expected = self.model.lookup(key, fields, 1)
        if key in self.store:
            assert answer == expected
        else:
            assert answer is None
        if fields is None:
            value = probe_string(self.store, key)[2]
            assert value is None or value == expected.value
        else:
            values = probe_row(self.store, key, fields)[2]
            if values is not None and expected is not ABSENT:
                assert values == [expected.value.get(name) for name in fields]
        self.answered += answer is not None
