"""The verdict on an age, and the native table that holds the limits."""

import pytest

from policies import Freshness, RuleFlag, RuleTable
from policies._freshness import jitter_of, judge
from policies._table import MAX_RULES

LIMITS = (100, 150, 400, 20, 10, 0, 0)  # fresh, stale, error, negative, jitter, view, flags


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (0, Freshness.FRESH),
        (99, Freshness.FRESH),
        (100, Freshness.STALE),
        (149, Freshness.STALE),
        (150, Freshness.ERROR_ONLY),
        (399, Freshness.ERROR_ONLY),
        (400, Freshness.EXPIRED),
        (0xFFFF_FFFF, Freshness.EXPIRED),
    ],
)
def test_windows_are_half_open(age, verdict):
    """Each window begins where the one before ends, and does not contain its own end."""
    assert judge(age, 0, LIMITS) == verdict


@pytest.mark.parametrize("age", [89, 90, 139, 140, 389, 390])
def test_jitter_shortens_every_window_alike(age):
    """An entry with jitter is judged as one that much older: no hard limit is longer than without."""
    assert judge(age, 10, LIMITS) == judge(age + 10, 0, LIMITS)


def test_age_and_jitter_do_not_wrap_round_to_fresh():
    """The largest age with jitter on top stays expired."""
    assert judge(0xFFFF_FFFF, 10, LIMITS) == Freshness.EXPIRED


def test_a_ttl_of_zero_is_never_fresh():
    """An entry of age 0 is not fresh where nothing may come from memory."""
    assert judge(0, 0, (0, 0, 0, 0, 0, 0, 0)) == Freshness.EXPIRED


def test_jitter_is_spread_over_its_range_and_the_same_each_time():
    """Hashes cover 0 to the most, both ends included, about evenly."""
    shares = [jitter_of(n * 0x9E37_79B9_7F4A_7C15 & 0xFFFF_FFFF_FFFF_FFFF, LIMITS) for n in range(22_000)]
    assert set(shares) == set(range(11))
    assert min(map(shares.count, range(11))) > 1_500
    assert jitter_of(12345 << 24, LIMITS) == jitter_of(12345 << 24, LIMITS)


def test_no_jitter_means_none():
    """A rule without jitter gives every entry 0."""
    assert {jitter_of(n << 24, (100, 100, 100, 0, 0, 0, 0)) for n in range(0, 65536, 97)} == {0}


def test_a_table_gives_back_its_rows():
    """What was put in is what the hit path reads."""
    rows = [LIMITS, (1, 2, 3, 4, 0, 1023, int(RuleFlag.FEAST_ROW | RuleFlag.NIL_IF_UNAVAILABLE))]
    table = RuleTable(rows, generation=7, pattern_epoch=255, resolver=None)
    assert [table.row(number) for number in range(len(table))] == rows
    assert (table.generation, table.pattern_epoch, table.count) == (7, 255, 2)
    with pytest.raises(IndexError):
        table.row(2)
    with pytest.raises(IndexError):
        table.row(-1)


@pytest.mark.parametrize("row", [(11, 10, 20, 0, 0, 0, 0), (1, 5, 4, 0, 0, 0, 0), (1, 2, 3, 0, 2, 0, 0)])
def test_a_table_refuses_windows_that_shrink(row):
    """Jitter over ttl, or a window that ends before the one inside it, is a bug of ours."""
    with pytest.raises(ValueError, match="rule 0"):
        RuleTable([row], 1, 0, None)


@pytest.mark.parametrize(
    "row", [(1 << 32,) * 3 + (0, 0, 0, 0), (0, 0, 0, 0, 0, 1 << 16, 0), (0, 0, 0, 0, 0, 0, 256), (-1, 0, 0, 0, 0, 0, 0)]
)
def test_a_table_refuses_numbers_that_do_not_fit(row):
    """Nothing is cut off silently."""
    with pytest.raises(OverflowError):
        RuleTable([row], 1, 0, None)


@pytest.mark.parametrize("count", [0, MAX_RULES + 1])
def test_a_table_has_as_many_rules_as_numbers(count):
    """No rule at all, or one that an entry could not name, is refused."""
    with pytest.raises(ValueError, match="rules"):
        RuleTable([LIMITS] * count, 1, 0, None)
