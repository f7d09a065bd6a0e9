"""The life of documents: TTL and EXPIRE with their families. Always the origin's word, never the policy's ttl."""

from collections.abc import Coroutine
from typing import Any

from protocol import errors
from protocol.errors import CommandRejected
from protocol.replies import ErrorReply, Reply
from sidecar.commands.arguments import INT64_MAX, INT64_MIN, integer
from sidecar.commands.later import Later
from sidecar.commands.services import Handler, Services
from sidecar.commands.writing import error_of, write
from sidecar.fetch.errors import unavailable_error
from sidecar.origins.base import Applied, Condition, Expire, Expiries, OriginError
from sidecar.resilience.deadline import Deadline

OPTIONS = (b"nx", b"xx", b"gt", b"lt")
NX_WITH_OTHERS = ErrorReply(b"ERR NX and XX, GT or LT options at the same time are not compatible")
GT_WITH_LT = ErrorReply(b"ERR GT and LT options at the same time are not compatible")


async def ask_expiries(services: Services, key: bytes, fields: tuple[bytes, ...] = ()) -> Expiries:
    """When a document and its fields expire.

    Raises:
        CommandRejected: the origin did not answer.
    """
    deadline = Deadline.after(services.policy.current.deadline_ms(key), services.clock.now_ns())
    try:
        services.reads.ask_at_all()
        return await services.origin.expiries(key, fields, deadline)
    except OriginError as error:
        raise CommandRejected(ErrorReply(unavailable_error(error.cause, deadline.budget_ms))) from error


def remaining(at_ms: int, now_ms: int, unit_ms: int) -> int:
    """What is left of a life, rounded as Redis rounds it; -1 and -2 pass through."""
    if at_ms < 0:
        return at_ms
    return in_unit(max(0, at_ms - now_ms), unit_ms)


def in_unit(ms: int, unit_ms: int) -> int:
    """Milliseconds in a unit, to the nearest; -1 and -2 pass through."""
    return ms if ms < 0 else (ms + unit_ms // 2) // unit_ms


def _ttl(unit_ms: int) -> Handler:
    async def handler(services: Services, session: Any, args: list[bytes]) -> Reply:
        at_ms = (await ask_expiries(services, args[1])).document
        return remaining(at_ms, services.clock.wall_ms(), unit_ms)

    return handler


def _expiretime(unit_ms: int) -> Handler:
    async def handler(services: Services, session: Any, args: list[bytes]) -> Reply:
        return in_unit((await ask_expiries(services, args[1])).document, unit_ms)

    return handler


def _expire(command: bytes, unit_ms: int, absolute: bool) -> Handler:
    def handler(services: Services, session: Any, args: list[bytes]) -> Reply | Later | Coroutine[Any, Any, Reply]:
        given = {option.lower() for option in args[3:]}
        _check_options(args[3:], given)
        now_ms = 0 if absolute else services.clock.wall_ms()
        at_ms = integer(args[2]) * unit_ms
        if not INT64_MIN <= at_ms <= INT64_MAX - now_ms:
            raise CommandRejected(errors.invalid_expire_time(command))
        at_ms += now_ms
        if given == {b"xx", b"lt"}:
            return _expire_sooner(services, args[1], at_ms)
        return write(services, Expire(args[1], at_ms, _condition(given)), int)

    return handler


def _check_options(words: list[bytes], given: set[bytes]) -> None:
    for word in words:
        if word.lower() not in OPTIONS:
            raise CommandRejected(ErrorReply(b"ERR Unsupported option " + word))
    if b"nx" in given and len(given) > 1:
        raise CommandRejected(NX_WITH_OTHERS)
    if given >= {b"gt", b"lt"}:
        raise CommandRejected(GT_WITH_LT)


def _condition(given: set[bytes]) -> Condition:
    """GT asks for an expiry to be there by itself, so XX GT is GT."""
    for option, condition in (
        (b"nx", Condition.IF_ABSENT),
        (b"gt", Condition.IF_GREATER),
        (b"lt", Condition.IF_LESS),
        (b"xx", Condition.IF_PRESENT),
    ):
        if option in given:
            return condition
    return Condition.ALWAYS


async def _expire_sooner(services: Services, key: bytes, at_ms: int) -> Reply:
    """XX LT: LT alone takes no expiry for an infinite one, so whether there is one is asked first."""
    if (await ask_expiries(services, key)).document < 0:
        return 0
    answer = await services.writes.apply(Expire(key, at_ms, Condition.IF_LESS))
    return int(bool(answer.result)) if isinstance(answer, Applied) else error_of(services, key, answer)


def persist(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """PERSIST key"""
    return write(services, Expire(args[1], None), int)


HANDLERS: dict[bytes, Handler] = {
    b"expire": _expire(b"expire", 1000, absolute=False),
    b"expireat": _expire(b"expireat", 1000, absolute=True),
    b"expiretime": _expiretime(1000),
    b"persist": persist,
    b"pexpire": _expire(b"pexpire", 1, absolute=False),
    b"pexpireat": _expire(b"pexpireat", 1, absolute=True),
    b"pexpiretime": _expiretime(1),
    b"pttl": _ttl(1),
    b"ttl": _ttl(1000),
}
