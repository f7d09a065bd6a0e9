"""Durations, sizes and percentages: always with a unit, read back as they are printed."""

import pytest

from policies.duration import format_duration, parse_duration
from policies.percentage import format_percentage, parse_percentage
from policies.size import format_size, parse_size

BAD_DURATIONS = [
    "30",
    "",
    "-1s",
    "+1s",
    "1 s",
    "s",
    "1S",
    "1e3s",
    "1_0s",
    "1.s",
    ".5s",
    "0.0001ms",
    "nan",
    "\u0661s",
    "1s\n",
]
BAD_SIZES = ["64", "", "-1B", "1 MiB", "1mib", "0.3B", "1e3B", "\u0662B", "1iB"]
BAD_PERCENTAGES = ["10", "101%", "100.1%", "-1%", "", "%", "1e1%", "nan%", "1%\n"]


@pytest.mark.parametrize(
    ("text", "value_ms"),
    [
        ("250ms", 250),
        ("30s", 30_000),
        ("1.5h", 5_400_000),
        ("1d", 86_400_000),
        ("0s", 0),
        ("0.25s", 250),
        ("2m", 120_000),
    ],
)
def test_a_duration_is_milliseconds(text, value_ms):
    """Each unit means what it says, fractions included."""
    assert parse_duration(text) == value_ms


@pytest.mark.parametrize("text", BAD_DURATIONS)
def test_a_duration_without_a_good_form_is_refused(text):
    """Bare numbers, signs, spaces and what only int() would take are refused."""
    with pytest.raises(ValueError, match="expected"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("value_ms", "text"), [(0, "0s"), (1, "1ms"), (90_000, "90s"), (3_600_000, "1h"), (86_400_000, "1d")]
)
def test_a_duration_is_printed_in_its_largest_whole_unit(value_ms, text):
    """What is printed is short, and reads back as the same."""
    assert format_duration(value_ms) == text
    assert parse_duration(text) == value_ms


@pytest.mark.parametrize(
    ("text", "value_bytes"),
    [
        ("0B", 0),
        ("1B", 1),
        ("64MiB", 64 << 20),
        ("1.5KiB", 1536),
        ("2MB", 2_000_000),
        ("3TiB", 3 << 40),
        ("1GB", 10**9),
    ],
)
def test_a_size_is_bytes(text, value_bytes):
    """Binary and decimal units differ."""
    assert parse_size(text) == value_bytes


@pytest.mark.parametrize("text", BAD_SIZES)
def test_a_size_without_a_good_form_is_refused(text):
    """Bare numbers and unknown units are refused."""
    with pytest.raises(ValueError, match="expected"):
        parse_size(text)


@pytest.mark.parametrize(
    ("value_bytes", "text"), [(0, "0B"), (1023, "1023B"), (256 << 20, "256MiB"), (1 << 40, "1TiB")]
)
def test_a_size_is_printed_in_its_largest_whole_unit(value_bytes, text):
    """What is printed is short, and reads back as the same."""
    assert format_size(value_bytes) == text
    assert parse_size(text) == value_bytes


@pytest.mark.parametrize(("text", "ratio"), [("0%", 0.0), ("10%", 0.1), ("12.5%", 0.125), ("100%", 1.0)])
def test_a_percentage_is_a_ratio(text, ratio):
    """It reads to a ratio and prints back."""
    assert parse_percentage(text) == pytest.approx(ratio)
    assert format_percentage(ratio) == text


@pytest.mark.parametrize("text", BAD_PERCENTAGES)
def test_a_percentage_without_a_good_form_is_refused(text):
    """A bare number, or more than all, is refused."""
    with pytest.raises(ValueError, match="expected"):
        parse_percentage(text)
