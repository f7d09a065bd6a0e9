"""Learned prefetch on the real miss path: what is asked together for the same ids is learned, and followed."""

import random
from collections.abc import Iterable

import pytest
from prefetch_side import Side

from sidecar.origins.base import SetValue
from sidecar.prefetch.associations import MOST_CANDIDATES, MOST_COMPARED, Associations
from sidecar.prefetch.key_shapes import MOST_INFERRED, KeyShapes

POLICY = """
version: 1
defaults: {ttl: 10s, jitter: 0%, stale_while_revalidate: 5s, stale_if_error: 60s, negative_ttl: 2s}
feature_views:
  - {name: user, keys: "user:{user_id}"}
  - {name: never, keys: "never:{user_id}", ttl: 0s, stale_while_revalidate: 0s, stale_if_error: 0s}
prefetch: {budget: 10%}
"""
WINDOW = 10


def associations(policy: str = POLICY) -> Associations:
    return Associations(KeyShapes(Side(policy).policy), WINDOW)


def names_of(learned: Associations) -> set[str]:
    return {f"{one.antecedent} -> {one.consequent}" for one in learned.candidates.values()}


def test_templates_come_from_views_or_from_the_key() -> None:
    """A view's pattern where one matches; else words stay and everything else is an id."""
    shapes = KeyShapes(Side(POLICY).policy)

    def shape(key: bytes) -> str | None:
        found = shapes.find(key)
        return None if found is None else f"{found[0]} {sorted(found[1].items())}"

    assert shape(b"user:42") == "user:{user_id} [('user_id', b'42')]"
    assert shape(b"user:42:sessions") == "user:{id1}:sessions [('id1', b'42')]"
    assert shape(b"ctx/7/a-1") == "ctx/{id1}/{id2} [('id1', b'7'), ('id2', b'a-1')]"
    assert shape(b"config:ranker") is None
    assert shape(b"x" * 300) is None
    assert shapes.find(b"user:42") is not None
    for number in range(2 * MOST_INFERRED):
        shapes.find(b"word%s:%d" % (b"".join(b"abcdefghij"[int(d) : int(d) + 1] for d in str(number)), number))
    assert len(shapes._inferred) == MOST_INFERRED


def test_a_rule_needs_equal_ids_and_the_order_of_asking() -> None:
    """What followed for the same id is counted, in the direction it was asked; what came together, in both."""
    learned = associations()
    for number in range(30):
        learned.learn([(0, 1, b"user:%d" % number), (5, 2, b"cart:%d" % number), (5, 2, b"cart:%d" % (number + 99))])
    assert names_of(learned) == {"user:{user_id} -> cart:{id1}"}
    (rule,) = learned.candidates
    assert learned.confidence(rule) == 1.0
    for number in range(30):
        learned.learn([(0, 1, b"a:%d" % number), (0, 1, b"b:%d" % number)])
    assert {"a:{id1} -> b:{id1}", "b:{id1} -> a:{id1}"} <= names_of(learned)


def test_what_comes_after_the_window_does_not_follow() -> None:
    """And what is asked in the second half of a sample is no antecedent, for its sequel may be cut off."""
    learned = associations()
    learned.learn([(0, 1, b"user:1"), (11, 2, b"cart:1"), (15, 3, b"list:1")])
    assert not learned.candidates


def test_memory_is_bounded_whatever_is_asked_for() -> None:
    """Hundreds of templates asked in random pairs: no more candidates than the bound, and rare ones are dropped."""
    learned = associations()
    randomness = random.Random(1)
    words = [bytes(randomness.choice(b"abcdefgh") for _ in range(6)) for _ in range(250)]
    for number in range(4000):
        sample = [(0, 1, b"%s:%d" % (randomness.choice(words), number)) for _ in range(6)]
        learned.learn([*sample, (0, 1, b"user:%d" % number), (0, 1, b"cart:%d" % number)])
        assert len(learned.candidates) <= MOST_CANDIDATES
    frequent = [one for one in learned.candidates.values() if one.count > 3000]
    assert {f"{one.antecedent} -> {one.consequent}" for one in frequent} == {
        "user:{user_id} -> cart:{id1}",
        "cart:{id1} -> user:{user_id}",
    }


def test_a_sample_of_equal_ids_costs_no_more_than_others() -> None:
    """Two hundred templates asked for one id would be forty thousand pairs: a bounded number of them is looked at."""
    learned = associations()
    words = [b"word%s" % bytes([97 + number // 14, 97 + number % 14]) for number in range(190)]
    learned.learn([(0, 1, word + b":7") for word in words])
    assert 0 < len(learned.candidates) <= MOST_COMPARED
    learned = associations()
    learned.learn([(0, 1, b"user:7"), *((0, 1, b"cross:7:%d" % number) for number in range(1000, 1190))])
    (back,) = (one for one in learned.candidates.values() if str(one.antecedent) == "cross:{id1}:{id2}")
    assert back.count == 190


def visit(side: Side, numbers: Iterable[int], *templates: bytes) -> None:
    """For each number one request after the other, 5 ms apart."""
    for number in numbers:
        for template in templates:
            side.request(template % number)
            side.settle(0.005)


@pytest.fixture
def side() -> Side:
    return Side(POLICY)


def test_what_was_learned_is_prefetched(side: Side) -> None:
    """Users' carts follow their users: after some seconds a user's miss brings his cart, and that is a hit."""
    for number in range(3000):
        side.behind_our_back(SetValue(b"cart:%d" % number, b"c"))
    visit(side, range(2000), b"user:%d", b"cart:%d")
    (learned,) = side.prefetcher.learned.rules.values()
    assert learned.state.name == "user:{user_id} -> cart:{id1}"
    before = (learned.state.used, learned.state.wasted)
    visit(side, range(2000, 2500), b"user:%d", b"cart:%d")
    assert learned.state.used - before[0] >= 495
    assert learned.state.wasted == before[1]
    assert learned.state.precision() == pytest.approx(1.0)
    assert side.misses.prefetched["learned", "used"] == learned.state.used


def test_what_has_no_structure_is_left_alone(side: Side) -> None:
    """Users and carts at random: nothing is guessed, so nothing is wasted."""
    randomness = random.Random(2)
    for _ in range(2000):
        visit(side, [randomness.randrange(10_000)], b"user:%d")
        visit(side, [randomness.randrange(10_000)], b"cart:%d")
    assert not side.prefetcher.learned.rules
    assert sum(len(reads) for reads in side.origin.reads) <= 4000


def test_guesses_that_stop_proving_right_stop(side: Side) -> None:
    """Carts are not asked for any more: what is wasted stays within the budget, and the rule is given up."""
    visit(side, range(1000), b"user:%d", b"cart:%d")
    assert side.prefetcher.learned.rules
    wasted = side.misses.prefetched["learned", "wasted"]
    visit(side, range(10_000, 22_000), b"user:%d")
    assert side.misses.prefetched["learned", "wasted"] - wasted < 0.1 * 12_000
    assert not any(one.state.is_on for one in side.prefetcher.learned.rules.values())


def test_the_budget_bounds_unproven_guesses() -> None:
    """With a budget of 0% there are the first guesses and no more."""
    side = Side(POLICY.replace("10%}", "0%}"))
    visit(side, range(600), b"user:%d", b"cart:%d")
    assert side.prefetcher.learned.rules
    fetched = sum(one.state.fetched for one in side.prefetcher.learned.rules.values())
    used = sum(one.state.used for one in side.prefetcher.learned.rules.values())
    visit(side, range(5000, 5400), b"user:%d")
    after = sum(one.state.fetched for one in side.prefetcher.learned.rules.values())
    assert fetched - used <= 1
    assert after - fetched <= 21


def test_nothing_is_learned_of_what_memory_may_not_keep(side: Side) -> None:
    """ttl 0s: always from the origin."""
    visit(side, range(1000), b"user:%d", b"never:%d")
    assert not side.prefetcher.learned.rules


def test_declared_sets_are_not_learned_again() -> None:
    """What a set does already needs no guess."""
    declared = 'feature_sets: [{name: s, members: ["user:{user_id}", "cart:{user_id}"]}]\n'
    side = Side(POLICY + declared)
    visit(side, range(1000), b"user:%d", b"cart:%d")
    assert not side.prefetcher.learned.rules
    assert side.state().used > 900


def test_learning_can_be_turned_off() -> None:
    """learn: false takes no samples and watches nothing."""
    side = Side(POLICY.replace("prefetch: {", "prefetch: {learn: false, "))
    visit(side, range(300), b"user:%d", b"cart:%d")
    assert not side.prefetcher.learned.associations.candidates
    assert not side.touches.active
