"""SCAN and DBSIZE: the origin's keys, not only the cached ones."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from protocol import errors
from protocol.errors import CommandRejected
from protocol.replies import ErrorReply, Reply
from sidecar.commands.arguments import integer
from sidecar.commands.services import Handler, Services
from sidecar.fetch.errors import unavailable_error
from sidecar.origins.base import OriginError
from sidecar.resilience.deadline import Deadline

DEFAULT_COUNT = 10  # Redis's
MAX_COUNT = 10_000  # one page of the origin; COUNT is a hint
NOVALUES_IN_SCAN = ErrorReply(b"ERR NOVALUES option can only be used in HSCAN")
SCAN_DEADLINE_MS = 2000  # a page walks many documents: a read's 250 ms is not its measure


@dataclass(slots=True)
class ScanOptions:
    """What stands behind a scan's cursor."""

    count: int = DEFAULT_COUNT
    match: bytes | None = None  # None: all
    kind: bytes | None = None  # SCAN's TYPE, lower case
    no_values: bool = False  # HSCAN's NOVALUES


def cursor_of(argument: bytes) -> int:
    """A cursor as sent.

    Raises:
        CommandRejected: not a decimal number of 64 bits.
    """
    if not argument.isdigit() or len(argument) > 20 or int(argument) >= 1 << 64:
        raise CommandRejected(errors.INVALID_CURSOR)
    return int(argument)


def parse_options(args: list[bytes], of_hash: bool) -> ScanOptions:
    """The options of SCAN, or of HSCAN.

    Raises:
        CommandRejected: a syntax error.
    """
    options = ScanOptions()
    words = iter(args)
    for word in words:
        option = word.lower()
        if option == b"novalues" and of_hash:
            options.no_values = True
            continue
        if option == b"novalues":
            raise CommandRejected(NOVALUES_IN_SCAN)
        value = next(words, None)
        if value is None:
            raise CommandRejected(errors.SYNTAX_ERROR)
        if option == b"count":
            options.count = integer(value)
            if options.count < 1:
                raise CommandRejected(errors.SYNTAX_ERROR)
        elif option == b"match":
            options.match = None if value == b"*" else value
        elif option == b"type" and not of_hash:
            options.kind = value.lower()
        else:
            raise CommandRejected(errors.SYNTAX_ERROR)
    return options


def scan(services: Services, session: Any, args: list[bytes]) -> Coroutine[Any, Any, Reply]:
    """SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]"""
    cursor = cursor_of(args[1])
    options = parse_options(args[2:], of_hash=False)
    position = None
    if cursor:
        position = services.cursors.position(cursor)
        if position is None:
            raise CommandRejected(errors.INVALID_CURSOR)
    return _page(services, position, options)


async def _page(services: Services, position: bytes | None, options: ScanOptions) -> Reply:
    deadline = Deadline.after(SCAN_DEADLINE_MS, services.clock.now_ns())
    try:
        services.reads.ask_at_all()
        page = await services.origin.scan(position, options.match, min(options.count, MAX_COUNT), deadline)
    except OriginError as error:
        raise CommandRejected(ErrorReply(unavailable_error(error.cause, deadline.budget_ms))) from error
    except NotImplementedError as error:
        raise CommandRejected(ErrorReply(f"ERR {error}".encode())) from error
    cursor = 0 if page.position is None else services.cursors.remember(page.position)
    return [b"%d" % cursor, [key for key, kind in page.keys if options.kind in (None, kind)]]


async def dbsize(services: Services, session: Any, args: list[bytes]) -> Reply:
    """DBSIZE: the origin's keys where it can count them cheaply, else the keys in memory."""
    deadline = Deadline.after(SCAN_DEADLINE_MS, services.clock.now_ns())
    try:
        services.reads.ask_at_all()
        count = await services.origin.count(deadline)
    except OriginError as error:
        raise CommandRejected(ErrorReply(unavailable_error(error.cause, deadline.budget_ms))) from error
    return services.store.rows + services.store.strings if count is None else count


HANDLERS: dict[bytes, Handler] = {b"dbsize": dbsize, b"scan": scan}
