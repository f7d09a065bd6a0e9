"""Percentages as people write them: ``10%``, ``12.5%``. Always with the sign; inside, a ratio from 0 to 1."""

import re

EXPECTED = "a percentage from 0% to 100%"
_FORM = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%", re.ASCII)


def parse_percentage(text: str) -> float:
    """The ratio of a percentage.

    Raises:
        ValueError: no sign, or more than 100%.
    """
    form = _FORM.fullmatch(text)
    if form is None or float(form[1]) > 100:
        raise ValueError(f"found {text!r}, expected {EXPECTED}")
    return float(form[1]) / 100


def format_percentage(ratio: float) -> str:
    """The shortest text that ``parse_percentage`` reads back as ``ratio``."""
    return f"{round(ratio * 100, 6):g}%"
