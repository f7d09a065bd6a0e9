"""Items whose rule is of an older pattern epoch, or that have none: found in steps, before epochs come round."""

from memory_model import Rules
from memory_tier import NOW, make_store, pass_ticks

from policies._table import RuleTable
from sidecar.memory import Store
from sidecar.memory._audit import audit
from sidecar.memory._restore import Frame
from sidecar.memory._snapshot import SnapshotWalk
from sidecar.origins.base import Found

LIMITS = [(1 << 30, 1 << 30, 1 << 30, 1 << 30, 0, 0, 0), (5, 5, 5, 5, 0, 0, 0)]


class Resolver(Rules):
    """Counts how often it is asked for a key's rule."""

    asked = 0

    def row_rule(self, key: bytes) -> int:
        self.asked += 1
        return super().row_rule(key)


def rules_of(epoch: int, rule: int = 0) -> Resolver:
    return Resolver(LIMITS, epoch, lambda key: rule)


def use(store: Store, rules: Resolver) -> None:
    store.use_table(RuleTable(LIMITS, rules.epoch + 1, rules.epoch, rules))


def catch_up(store: Store, keys: int = 1000) -> int:
    """Steps until nothing is left behind."""
    steps = 1
    while store.resolve_step(1 << 20, keys):
        steps += 1
    return steps


def filled(epoch: int) -> Store:
    store = make_store(1 << 20, LIMITS, rules_of(epoch))
    for number in range(500):
        store.install(b"k%d" % number, Found(b"v"), NOW, 0)
    return store


def test_after_256_changes_an_untouched_entry_is_judged_by_the_rule_of_now():
    """The epoch's number is the same again; its patterns are not."""
    store = filled(7)
    for change in range(1, 256):
        use(store, rules_of((7 + change) % 256))
        store.resolve_step(1 << 20, 0)  # no time to resolve a single one: they lose their rule half way
    use(store, rules_of(7, rule=1))
    pass_ticks(store, 5)
    assert all(store.lookup(b"k%d" % number) is None for number in range(500))


def test_nobody_needs_to_touch_an_entry_for_its_new_rule_to_hold():
    """Rules are found in steps, each key once; then it is swept by its new limits."""
    store = filled(0)
    rules = rules_of(1, rule=1)
    use(store, rules)
    pass_ticks(store, 5)
    assert store.expire_step(1000) == 0
    assert catch_up(store, keys=50) >= 10
    assert rules.asked == 500
    assert store.expire_step(1000) == 500 and len(store) == 0
    audit(store)


def test_a_step_asks_for_few_rules_and_without_a_change_for_none():
    """So that none holds up a hit; and nothing is walked when nothing is behind."""
    store = filled(0)
    assert not store.resolve_step(1 << 20, 1000)
    rules = rules_of(0)
    use(store, rules)
    assert not store.resolve_step(1 << 20, 1000) and rules.asked == 0, "only limits changed"
    rules = rules_of(1)
    use(store, rules)
    assert store.resolve_step(1 << 20, 10) and rules.asked <= 20
    assert store.resolve_step(1, 1000), "one bucket of many"
    catch_up(store)
    assert rules.asked == 500


def test_what_was_taken_over_finds_its_rule_too():
    """It has none of this process; nobody may ask for it, and it is to run out all the same."""
    frame = SnapshotWalk(filled(0), True).step(1 << 20, 1 << 20)
    assert frame is not None
    rules = rules_of(0, rule=1)
    store = make_store(1 << 20, LIMITS, rules, b"another process.")
    assert Frame(frame).restore(store, 1 << 30, NOW)[0] == 500
    pass_ticks(store, 5)
    assert store.expire_step(1000) == 0
    catch_up(store)
    assert store.expire_step(1000) == 500


def test_a_policy_that_cannot_say_is_not_asked_for_ever():
    """A resolver that fails leaves the entry to its next look-up."""
    store = filled(0)

    class Failing(Resolver):
        def row_rule(self, key: bytes) -> int:
            self.asked += 1
            raise RuntimeError("no rule")

    rules = Failing(LIMITS, 1)
    use(store, rules)
    catch_up(store)
    assert rules.asked == 500
