"""A small memory tier for unit tests: one clock, plain rules, no jitter."""

from memory_model import Rules
from memory_rules import LIMITS, make_rules

from policies._table import RuleTable
from sidecar.memory import Store
from sidecar.metrics._counters import Counters

NOW = 10_000
WALL_MS = 1_800_000_000_000
Row = tuple[int, int, int, int, int, int, int]


def make_store(
    max_memory: int = 1 << 20, limits: list[Row] | None = None, rules: Rules | None = None, seed: bytes = bytes(16)
) -> Store:
    """A store at NOW whose rules are those of memory_rules unless others are given."""
    rules = rules or make_rules(0)
    store = Store(max_memory, RuleTable(limits or LIMITS, 1, rules.epoch, rules), Counters(), seed)
    store.set_time(NOW, WALL_MS)
    return store


def pass_ticks(store: Store, ticks: int) -> None:
    """Both clocks go on."""
    store.set_time((store.now + ticks) & 0xFFFF_FFFF, store.wall_ms + 10 * ticks)
