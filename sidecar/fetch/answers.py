"""What a read ends with: the origin's word, memory's, or why there is neither."""

from typing import NamedTuple

from sidecar.origins.base import ABSENT, Absent, Cause, Found

__all__ = ["ABSENT", "Absent", "Answer", "Found", "Unavailable"]


class Unavailable(NamedTuple):
    """Nothing may be served.

    Attributes:
        error: the whole text of the error reply, without its leading ``-``.
        cause: why, from the closed list.
    """

    error: bytes
    cause: Cause


Answer = Found | Absent | Unavailable
