"""What a command answers, before it is bytes: plain Python values, and a few types for what Python has no value for.

``bytes`` is a bulk string, ``int`` an integer, ``None`` null, ``list`` and ``tuple`` an array, ``dict`` a map (RESP2: a
flat array), ``set`` and ``frozenset`` a set (RESP2: an array), ``float`` a double (RESP2: a bulk string), ``bool`` a
boolean (RESP2: 1 or 0). They nest freely. A reply belongs to the connection once handed over: nobody changes it after.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias


class Status:
    """A simple string such as ``+OK``. ``text`` holds no CR or LF."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text: Final = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Status) and other.text == self.text

    def __hash__(self) -> int:
        return hash((Status, self.text))

    def __repr__(self) -> str:
        return f"Status({self.text!r})"


class ErrorReply:
    """An error. ``text`` starts with its code (``ERR ...``); CR and LF in it are sent as spaces, as Redis does."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text: Final = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ErrorReply) and other.text == self.text

    def __hash__(self) -> int:
        return hash((ErrorReply, self.text))

    def __repr__(self) -> str:
        return f"ErrorReply({self.text!r})"


class Verbatim:
    """Text with its format, ``txt`` or ``mkd`` (RESP2: a bulk string)."""

    __slots__ = ("format", "text")

    def __init__(self, format: bytes, text: bytes) -> None:
        if len(format) != 3:
            raise ValueError(f"format: found {format!r}, expected three bytes such as b'txt'")
        self.format: Final = format
        self.text: Final = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verbatim) and (other.format, other.text) == (self.format, self.text)

    def __hash__(self) -> int:
        return hash((Verbatim, self.format, self.text))

    def __repr__(self) -> str:
        return f"Verbatim({self.format!r}, {self.text!r})"


class _Wait:
    """The type of WAIT."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "WAIT"


WAIT: Final = _Wait()


def _nobody_waits() -> None:
    """Nothing is encoded yet that could go on."""


class LazyArray:
    """An array whose elements are made while the socket drains.

    Args:
        length: how many elements the iterator yields, exactly: it is announced first, so anything else desyncs the
            client and raises RuntimeError where the reply is encoded.
        elements: used up by the first encoding. Where it yields WAIT, which is no element, the next one is not known
            yet: the encoding stops, and goes on after ``wake``.
        held_bytes: about what the iterator holds, for the bounds of clients' memory.

    Attributes:
        wake: called when an element that was waited for is known; set by whoever encodes the array.
    """

    __slots__ = ("elements", "held_bytes", "length", "wake")

    def __init__(self, length: int, elements: "Iterator[Reply | _Wait]", held_bytes: int = 0) -> None:
        self.length: Final = length
        self.elements: Iterator[Any] = elements
        self.held_bytes: Final = held_bytes
        self.wake: Callable[[], None] = _nobody_waits

    def __repr__(self) -> str:
        return f"LazyArray({self.length})"


class SetReply:
    """A set whose elements keep their order and need not be hashable (RESP2: an array)."""

    __slots__ = ("elements",)

    def __init__(self, elements: "Sequence[Reply]") -> None:
        self.elements: Final = elements

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SetReply) and list(other.elements) == list(self.elements)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SetReply({list(self.elements)!r})"


class NullArray:
    """The type of NULL_ARRAY: ``*-1`` in RESP2, ``_`` in RESP3."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL_ARRAY"


Reply: TypeAlias = (
    bytes
    | int
    | float
    | Status
    | ErrorReply
    | Verbatim
    | LazyArray
    | SetReply
    | NullArray
    | list["Reply"]
    | tuple["Reply", ...]
    | dict["Reply", "Reply"]
    | set["Reply"]
    | frozenset["Reply"]
    | None
)

NULL_ARRAY: Final = NullArray()
OK: Final = Status(b"OK")
QUEUED: Final = Status(b"QUEUED")
PONG: Final = Status(b"PONG")


_LARGEST_WHOLE: Final = 2.0**62  # half of the largest long long: double2ll of util.c


def double_text(value: float) -> bytes:
    """A double as Redis 7.4 prints it: ``3`` not ``3.0``, ``1e-7``, ``1.5e+300``, digits that read back.

    Source: addReplyDouble (networking.c) and fpconv_dtoa (deps/fpconv). That one's digits are not always the shortest,
    so one double in some hundred has another last digit there; both read back as the same double.
    """
    if value != value:
        return b"nan"
    if value in (float("inf"), float("-inf")):
        return b"inf" if value > 0 else b"-inf"
    if value.is_integer() and abs(value) <= _LARGEST_WHOLE:
        return b"%d" % int(value)
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    power = int(exponent or 0) - len(fraction)
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    power += len(digits) - len(stripped)
    scientific = power + len(stripped) - 1
    if power >= 0 and abs(scientific) < len(stripped) + 7:
        return (sign + stripped + "0" * power).encode()
    if power < 0 and (power > -7 or abs(scientific) < 4):
        return (sign + _with_point(stripped, power)).encode()
    point = "." + stripped[1:] if len(stripped) > 1 else ""
    return f"{sign}{stripped[0]}{point}e{'-' if scientific < 0 else '+'}{abs(scientific)}".encode()


def _with_point(digits: str, power: int) -> str:
    """``digits`` times ten to a negative ``power``, written out."""
    if len(digits) + power <= 0:
        return "0." + "0" * -(len(digits) + power) + digits
    return digits[:power] + "." + digits[power:]
