from enum import IntEnum
from typing import Self, final

from protocol._field_lists import FieldLists
from protocol._window import RequestWindow

class ParseResult(IntEnum):
    """What a step of the parser found."""

    NEED_DATA = 0
    COMMAND = 1
    VIOLATION = 2

@final
class RequestParser(RequestWindow):
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
