from enum import IntEnum
from typing import Self, final

class ParseResult(IntEnum):
    """What a step of the parser found."""

    NEED_DATA = 0
    COMMAND = 1
    VIOLATION = 2

@final
class FieldLists:
    """Field lists of HMGET that were seen twice, so that they need no parsing: one object a process."""

    def __new__(cls) -> Self: ...
    def free_retired(self) -> None:
        """Free what was replaced; only while no command that was parsed is still held."""
    @property
    def known(self) -> int:
        """How many lists are remembered."""

@final
class RequestParser:
    """Only C code drives it; Session is its face to Python."""

    max_args: int
    max_bulk_bytes: int
    max_inline_bytes: int
    unauthenticated: bool
    def __new__(cls, lists: FieldLists) -> Self: ...
    @property
    def violation(self) -> bytes | None: ...
    @property
    def mid_request(self) -> bool: ...
