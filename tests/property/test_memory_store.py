"""The native memory tier does what the dict model does, through any sequence of operations."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from memory_model import MemoryModel
from memory_rules import LIMITS, make_rules

from policies._table import RuleTable
from sidecar.memory import Store
from sidecar.memory._audit import audit
from sidecar.memory._inspection import probe_row, probe_string, probe_whole_row
from sidecar.memory._restore import Frame, keys_to_read
from sidecar.memory._snapshot import SnapshotWalk
from sidecar.metrics._counters import Counters
from sidecar.origins.base import ABSENT, Found

NAMES = [b"", b"a", b"b", b"bb", b"fast_x", b"fast_yy", b"other_view", b"long_field_name_1", b"long_field_name_2"]
KEYS = [b"", b"k", b"user:1", b"user:2", b"user:1:sessions", b"feast:1", b"x" * 200]
keys = st.sampled_from(KEYS)
names = st.sampled_from([*NAMES, b"_ts:view"])
some_names = st.lists(names, max_size=6).map(tuple)
values = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"", b"12345678", b"87654321"]),
    st.sampled_from([127, 128, 300, 40_000]).map(bytes),
)
hashes = st.dictionaries(names, values, min_size=1, max_size=8)
ages = st.sampled_from([0, 0, 0, 1, 3, 40, 350])
windows = st.integers(0, 2)
UNRESOLVED = -1  # no policy's epoch


class StoreMachine(RuleBasedStateMachine):
    """Both sides get the same operations; every look-up must agree."""

    max_memory = 128 << 20  # 256 KiB segments, so that rows with 32-bit ends fit

    def __init__(self) -> None:
        super().__init__()
        self.rules = make_rules(0)
        self.store = Store(self.max_memory, self.table(1), Counters(), bytes(range(16)))
        self.model = MemoryModel(self.rules)
        self.generation = 1
        self.set_time(5_000, 1_000_000)

    def table(self, generation: int) -> RuleTable:
        return RuleTable(LIMITS, generation, self.rules.epoch, self.rules)

    def set_time(self, now: int, wall_ms: int) -> None:
        self.model.now, self.model.wall_ms = now & 0xFFFF_FFFF, wall_ms
        self.store.set_time(self.model.now, wall_ms)

    def filled_at(self, age: int) -> int:
        return (self.model.now - age) & 0xFFFF_FFFF

    @rule(ticks=st.sampled_from([1, 5, 25, 310, 4000]))
    def time_passes(self, ticks: int) -> None:
        self.set_time(self.model.now + ticks, self.model.wall_ms + 10 * ticks)

    @rule()
    def ticks_wrap(self) -> None:
        """The clock is about to wrap: everything before is long gone, or would be 2**31 ticks old."""
        if self.model.now < 1 << 30:
            for key in KEYS:
                self.store.drop(key)
                self.model.drop(key)
            self.set_time(0xFFFF_FFF0, self.model.wall_ms)

    @rule(key=keys, value=values, age=ages, life=st.sampled_from([None, 1, 200, 90_000]))
    def install_string(self, key: bytes, value: bytes, age: int, life: int | None) -> None:
        self.install(key, Found(value, True, life and self.model.wall_ms + life), age, None)

    @rule(key=keys, fields=hashes, age=ages, life=st.sampled_from([None, None, 50_000]))
    def install_row(self, key: bytes, fields: dict[bytes, bytes], age: int, life: int | None) -> None:
        self.install(key, Found(fields, True, life and self.model.wall_ms + life), age, None)

    @rule(key=keys, fields=hashes, covers=some_names, age=ages, life=st.sampled_from([None, None, None, 3_000]))
    def install_part(
        self, key: bytes, fields: dict[bytes, bytes], covers: tuple[bytes, ...], age: int, life: int | None
    ) -> None:
        self.install(key, Found(fields, False, life and self.model.wall_ms + life), age, covers)

    @rule(key=keys, age=ages)
    def install_absent(self, key: bytes, age: int) -> None:
        self.install(key, ABSENT, age, None)

    def install(self, key: bytes, answer: Found, age: int, covers: tuple[bytes, ...] | None) -> None:
        row_rule = self.rules.row_rule(key)
        assert self.store.install(key, answer, self.filled_at(age), row_rule, covers)
        self.model.install(key, answer, self.filled_at(age), row_rule, covers)

    @rule(key=keys, fields=st.dictionaries(names, st.one_of(st.none(), values), min_size=1, max_size=4), age=ages)
    def overlay(self, key: bytes, fields: dict[bytes, bytes | None], age: int) -> None:
        row_rule = self.rules.row_rule(key)
        kept = self.store.overlay(key, fields, self.filled_at(age), row_rule)
        self.model.overlay(key, fields, self.filled_at(age), row_rule)
        assert kept == (key in self.model.items)

    @rule(key=keys)
    def drop(self, key: bytes) -> None:
        assert self.store.drop(key) == self.model.drop(key)

    @rule(key=keys, fields=some_names)
    def drop_fields(self, key: bytes, fields: tuple[bytes, ...]) -> None:
        assert self.store.drop_fields(key, fields) == self.model.drop_fields(key, fields)

    @rule(key=keys, busy=st.booleans())
    def set_busy(self, key: bytes, busy: bool) -> None:
        self.store.set_busy(key, busy)
        self.model.set_busy(key, busy)

    @rule(version=st.sampled_from([0, 1]))
    def reload(self, version: int) -> None:
        """Another policy: patterns, and with them rules, change under what is cached."""
        self.rules = self.model.rules = make_rules(version)
        self.generation += 1
        self.store.use_table(self.table(self.generation))

    @rule()
    def housekeeping(self) -> None:
        """Expiry drops only what no window could use; compaction changes nothing."""
        self.store.expire_step(1000)
        self.store.compact_step(1 << 20)
        self.forget_the_dropped()

    def forget_the_dropped(self) -> None:
        """What the store let go could not have been used."""
        here = set(self.store.items(0, 1000)[1])
        for key in [key for key in self.model.items if key not in here]:
            if self.model.find(key) is not None:
                self.model.items[key].busy = False
                assert self.model.lookup(key, None, 2) is None
                assert self.model.lookup_some(key, tuple(NAMES), 2) == {}
            self.model.drop(key)

    @rule(
        ticks=st.sampled_from([0, 0, 30]),
        frame_bytes=st.sampled_from([1, 300, 1 << 20]),
        seed=st.binary(min_size=16, max_size=16),
    )
    def restart(self, ticks: int, frame_bytes: int, seed: bytes) -> None:
        """A snapshot taken over by another process answers like the store that it was made of, whose time went on."""
        walk = SnapshotWalk(self.store, True)
        frames = list(iter(lambda: walk.step(8, frame_bytes), None))
        written = self.store.now
        self.store = Store(self.max_memory, self.table(self.generation), Counters(), seed)
        self.set_time(self.model.now + ticks, self.model.wall_ms + 10 * ticks)
        keys = []
        for frame in frames:
            assert Frame(frame).restore(self.store, 1 << 30, written)[1:] == (True, False)
            keys += Frame(frame).keys()
        assert len(keys) == walk.keys == len(set(keys))
        for key, item in list(self.model.items.items()):
            if item.busy:  # only its key is in the snapshot
                assert key not in self.store
                self.model.drop(key)
            item.epoch = UNRESOLVED
        self.forget_the_dropped()
        to_read = set(keys_to_read(self.store, keys))
        for key in KEYS:
            for window in range(3):
                assert self.store.lookup(key, None, window) == self.model.lookup(key, None, window)
                some = self.model.lookup_some(key, tuple(NAMES), window)
                assert self.store.lookup_some(key, tuple(NAMES), window) == some
            if key in to_read and key in self.model.items and self.model.items[key].fields is None:
                assert self.model.lookup(key, None, 1) is None

    @rule(letter=st.sampled_from([b"u", b"k", b"zz"]), budget=st.sampled_from([1, 1000]))
    def drop_matching(self, letter: bytes, budget: int) -> None:
        position: int | None = 0
        while position is not None:
            position = self.store.drop_matching(lambda key: key.startswith(letter), budget, position)
        for key in [key for key in self.model.items if key.startswith(letter)]:
            self.model.drop(key)

    @rule(key=keys, fields=st.one_of(st.none(), some_names), window=windows, reserved=st.one_of(st.none(), some_names))
    def look_up(
        self, key: bytes, fields: tuple[bytes, ...] | None, window: int, reserved: tuple[bytes, ...] | None
    ) -> None:
        assert self.store.lookup(key, fields, window, reserved) == self.model.lookup(key, fields, window, reserved)

    @rule(key=keys, fields=some_names, window=windows, reserved=st.one_of(st.none(), some_names))
    def look_up_some(
        self, key: bytes, fields: tuple[bytes, ...], window: int, reserved: tuple[bytes, ...] | None
    ) -> None:
        expected = self.model.lookup_some(key, fields, window, reserved)
        assert self.store.lookup_some(key, fields, window, reserved) == expected

    @rule(key=keys)
    def any_usable(self, key: bytes) -> None:
        assert self.store.any_usable(key) == self.model.any_usable(key)

    @rule(key=keys)
    def hit_path_string(self, key: bytes) -> None:
        """GET answers exactly when the model can, stale included."""
        expected = self.model.lookup(key, None, 1)
        probe, outcome, value, _ = probe_string(self.store, key)
        if isinstance(expected, Found) and isinstance(expected.value, bytes):
            fresh = self.model.lookup(key, None, 0) is not None
            assert (probe, outcome, value) == ("usable", "hit" if fresh else "stale", expected.value)
        elif expected is ABSENT:
            assert (probe, outcome, value) == ("usable", "negative", None)
        else:
            assert probe in ("not here", "needs origin", "other kind") and value is None

    @rule(key=keys, fields=some_names, list_id=st.sampled_from([0, 1, 2]))
    def hit_path_row(self, key: bytes, fields: tuple[bytes, ...], list_id: int) -> None:
        """HMGET answers exactly when the model can, stale included, and counts what it answered."""
        if list_id:
            fields = (b"a", b"fast_x", b"bb") if list_id == 1 else (b"other_view", b"b", b"_ts:view", b"", b"b")
        expected = self.model.lookup(key, fields, 1)
        probe, outcomes, values, _ = probe_row(self.store, key, fields, list_id)
        if not fields:
            return
        if expected is ABSENT:
            assert values == [None] * len(fields)
        elif isinstance(expected, Found) and isinstance(expected.value, dict):
            assert values == [expected.value.get(name) for name in fields]
            if self.model.lookup(key, fields, 0) is None:
                assert (outcomes is not None and "stale" in outcomes) or None in values
        else:
            assert values is None, probe

    @rule(key=keys)
    def hit_path_whole_row(self, key: bytes) -> None:
        """HGETALL's fast path answers only what the model would."""
        fields = probe_whole_row(self.store, key)
        expected = self.model.lookup(key, None, 1)
        if fields:
            assert isinstance(expected, Found) and expected.value == fields
        elif fields is not None:
            assert expected is ABSENT

    @invariant()
    def books_are_right(self) -> None:
        audit(self.store)


StoreMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStore = StoreMachine.TestCase
