"""Arguments as Redis reads them: strict integers and options in any letter case."""

from protocol import parse_integer
from protocol.errors import NOT_AN_INTEGER, CommandRejected

ARGUMENT_BYTES = 48  # what an argument costs beside its bytes
INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)


def integer(argument: bytes) -> int:
    """A 64-bit integer.

    Raises:
        CommandRejected: anything else, ``+1`` and `` 1`` included.
    """
    try:
        return parse_integer(argument)
    except ValueError:
        raise CommandRejected(NOT_AN_INTEGER) from None


def weight(args: list[bytes]) -> int:
    """About how many bytes a command holds while it waits."""
    total = ARGUMENT_BYTES * len(args)
    for argument in args:
        total += len(argument)
    return total
