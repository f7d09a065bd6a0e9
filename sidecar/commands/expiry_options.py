"""The options of SET and GETEX, and their times as wall-clock milliseconds.

Follows Redis 7.4's parseExtendedStringArgumentsOrReply and getExpireMillisecondsOrReply, oddities included: the same
time option may stand twice, the last one counts.
"""

from dataclasses import dataclass

from protocol import errors
from protocol.errors import CommandRejected
from sidecar.commands.arguments import INT64_MAX, integer

TIMES = {b"ex": (1000, False), b"px": (1, False), b"exat": (1000, True), b"pxat": (1, True)}  # unit in ms, absolute


@dataclass(slots=True)
class StringOptions:
    """What stands behind SET's value or GETEX's key."""

    condition: bytes = b""  # nx or xx
    want_previous: bool = False
    keep_expiry: bool = False
    persist: bool = False
    unit: bytes = b""  # ex px exat pxat; empty: no time given
    time: bytes = b""


def parse_set(args: list[bytes]) -> StringOptions:
    """SET's options.

    Raises:
        CommandRejected: a syntax error.
    """
    options = StringOptions()
    words = iter(args)
    for word in words:
        option = word.lower()
        if option in (b"nx", b"xx") and options.condition in (b"", option):
            options.condition = option
        elif option == b"get":
            options.want_previous = True
        elif option == b"keepttl" and not options.unit:
            options.keep_expiry = True
        elif option in TIMES and not options.keep_expiry:
            _take_time(options, option, next(words, None))
        else:
            raise CommandRejected(errors.SYNTAX_ERROR)
    return options


def parse_getex(args: list[bytes]) -> StringOptions:
    """GETEX's options.

    Raises:
        CommandRejected: a syntax error.
    """
    options = StringOptions()
    words = iter(args)
    for word in words:
        option = word.lower()
        if option == b"persist" and not options.unit:
            options.persist = True
        elif option in TIMES and not options.persist:
            _take_time(options, option, next(words, None))
        else:
            raise CommandRejected(errors.SYNTAX_ERROR)
    return options


def _take_time(options: StringOptions, unit: bytes, time: bytes | None) -> None:
    if time is None or options.unit not in (b"", unit):
        raise CommandRejected(errors.SYNTAX_ERROR)
    options.unit = unit
    options.time = time


def expiry_ms(time: bytes, unit: bytes, now_ms: int, command: bytes) -> int:
    """A positive time as wall-clock milliseconds.

    Args:
        unit: ex, px, exat or pxat.
        command: as the error names it.

    Raises:
        CommandRejected: not an integer, not positive, or beyond 64 bits.
    """
    value = integer(time)
    factor, absolute = TIMES[unit]
    at_ms = value * factor + (0 if absolute else now_ms)
    if value <= 0 or at_ms > INT64_MAX:
        raise CommandRejected(errors.invalid_expire_time(command))
    return at_ms
