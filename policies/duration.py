"""Durations as people write them: ``250ms``, ``30s``, ``1.5h``, ``1d``. Always with a unit; inside, milliseconds."""

import re
from fractions import Fraction

EXPECTED = "a duration with a unit such as 30s or 1h"
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)", re.ASCII)


def parse_duration(text: str) -> int:
    """Milliseconds of a duration.

    Raises:
        ValueError: no unit, an unknown one, a sign, or less than a millisecond in the fraction.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(f"found {text!r}, expected {EXPECTED}")
    if form[1].isdecimal():
        return int(form[1]) * _UNITS_MS[form[2]]
    value_ms = Fraction(form[1]) * _UNITS_MS[form[2]]
    if value_ms.denominator != 1:
        raise ValueError(f"found {text!r}, expected whole milliseconds")
    return int(value_ms)


def format_duration(value_ms: int) -> str:
    """The shortest text that ``parse_duration`` reads back as ``value_ms``: the largest unit that divides it."""
    if value_ms == 0:
        return "0s"
    unit = max((unit for unit, size in _UNITS_MS.items() if value_ms % size == 0), key=_UNITS_MS.__getitem__)
    return f"{value_ms // _UNITS_MS[unit]}{unit}"
