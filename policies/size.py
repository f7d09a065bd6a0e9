"""Sizes as people write them: ``64MiB``, ``512KB``, ``0B``. Always with a unit; inside, bytes."""

import re
from fractions import Fraction

EXPECTED = "a size with a unit such as 64MiB or 512KiB"
_UNITS_BYTES = {
    "B": 1,
    "KB": 10**3,
    "KiB": 2**10,
    "MB": 10**6,
    "MiB": 2**20,
    "GB": 10**9,
    "GiB": 2**30,
    "TB": 10**12,
    "TiB": 2**40,
}
_FORM = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?)([KMGT]i?B|B)", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes of a size.

    Raises:
        ValueError: no unit, an unknown one, a sign, or a fraction of a byte.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(f"found {text!r}, expected {EXPECTED}")
    value_bytes = Fraction(form[1]) * _UNITS_BYTES[form[2]]
    if value_bytes.denominator != 1:
        raise ValueError(f"found {text!r}, expected whole bytes")
    return int(value_bytes)


def format_size(value_bytes: int) -> str:
    """The shortest text that ``parse_size`` reads back as ``value_bytes``, in binary units."""
    binary = [unit for unit in _UNITS_BYTES if unit == "B" or "i" in unit]
    unit = max((unit for unit in binary if value_bytes % _UNITS_BYTES[unit] == 0), key=_UNITS_BYTES.__getitem__)
    if value_bytes == 0:
        return "0B"
    return f"{value_bytes // _UNITS_BYTES[unit]}{unit}"
