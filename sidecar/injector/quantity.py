"""Kubernetes resource quantities: ``500m``, ``0.5``, ``384Mi``, ``1G``."""

import re
from decimal import Decimal
from typing import NamedTuple

# apimachinery's grammar without exponents: nobody writes 5e2 CPUs, and a typo is likelier
_FORM = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?", re.ASCII)
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


class Quantity(NamedTuple):
    """An amount as it was written.

    Attributes:
        text: what goes into a manifest.
        amount: CPUs, or bytes.
    """

    text: str
    amount: Decimal

    def __str__(self) -> str:
        return self.text


def parse_quantity(text: str) -> Quantity:
    """Read a quantity.

    Raises:
        ValueError: not one, or one with a sign or an exponent.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(f"found {text!r}, expected a Kubernetes quantity such as 250m or 512Mi")
    return Quantity(text, Decimal(form[1]) * _FACTORS[form[2] or ""])


def binary_megabytes(size_bytes: int) -> Quantity:
    """A number of bytes as whole ``Mi``, rounded up."""
    megabytes = -(-size_bytes // (1 << 20))
    return Quantity(f"{megabytes}Mi", Decimal(megabytes << 20))
