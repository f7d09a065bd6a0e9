"""The life of single hash fields: HEXPIRE, HTTL and HPERSIST with their families, as Redis 7.4.

Redis looks at the key's kind before it reads the arguments, so WRONG_TYPE wins over every other error; only a
command with a bad argument pays a read for that.
"""

from collections.abc import Coroutine
from typing import Any

from protocol import errors
from protocol.errors import WRONG_TYPE, CommandRejected
from protocol.replies import ErrorReply, Reply
from sidecar.commands.arguments import integer
from sidecar.commands.expiries import ask_expiries, in_unit, remaining
from sidecar.commands.later import Later
from sidecar.commands.reading import Answer, hash_of, read
from sidecar.commands.services import Handler, Services
from sidecar.commands.writing import write
from sidecar.origins.base import Condition, FieldExpire

MAX_TIME_MS = (1 << 46) - 1  # Redis's HFE_MAX_ABS_TIME_MSEC
CONDITIONS = {
    b"nx": Condition.IF_ABSENT,
    b"xx": Condition.IF_PRESENT,
    b"gt": Condition.IF_GREATER,
    b"lt": Condition.IF_LESS,
}
NEGATIVE_TIME = ErrorReply(b"ERR invalid expire time, must be >= 0")
COUNT_TOO_SMALL = ErrorReply(b"ERR Parameter `numFields` should be greater than 0")
COUNT_NOT_POSITIVE = ErrorReply(b"ERR Number of fields must be a positive integer")


def _fields(args: list[bytes], bad_count: ErrorReply) -> tuple[bytes, ...]:
    """``FIELDS n field...`` up to the end.

    Raises:
        CommandRejected: the word is missing, or the number is wrong.
    """
    if not args or args[0].lower() != b"fields":
        raise CommandRejected(errors.FIELDS_MISSING)
    try:
        count = integer(args[1])
    except (CommandRejected, IndexError):
        raise CommandRejected(bad_count) from None
    if count < 1:
        raise CommandRejected(bad_count)
    if count != len(args) - 2:
        raise CommandRejected(errors.FIELDS_MISCOUNTED)
    return tuple(args[2:])


def _hexpire(command: bytes, unit_ms: int, absolute: bool) -> Handler:
    def handler(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
        try:
            one = _field_expire(args, command, unit_ms, 0 if absolute else services.clock.wall_ms())
        except CommandRejected as rejected:
            return _unless_wrong_type(services, args[1], rejected.reply)
        return write(services, one, list)

    return handler


def _field_expire(args: list[bytes], command: bytes, unit_ms: int, now_ms: int) -> FieldExpire:
    time = integer(args[2])
    if time < 0:
        raise CommandRejected(NEGATIVE_TIME)
    at_ms = time * unit_ms + now_ms
    if at_ms > MAX_TIME_MS:
        raise CommandRejected(errors.invalid_expire_time(command))
    condition = CONDITIONS.get(args[3].lower())
    fields = _fields(args[4:] if condition else args[3:], COUNT_TOO_SMALL)
    return FieldExpire(args[1], fields, at_ms, condition or Condition.ALWAYS)


def hpersist(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HPERSIST key FIELDS n field [field ...]"""
    try:
        fields = _fields(args[2:], COUNT_NOT_POSITIVE)
    except CommandRejected as rejected:
        return _unless_wrong_type(services, args[1], rejected.reply)
    return write(services, FieldExpire(args[1], fields, None), list)


def _unless_wrong_type(services: Services, key: bytes, error: ErrorReply) -> Reply | Later:
    def reply(answer: Answer) -> Reply:
        hash_of(answer)
        return error

    return read(services, key, None, reply)


def _httl(unit_ms: int, absolute: bool) -> Handler:
    def handler(services: Services, session: Any, args: list[bytes]) -> Reply | Later | Coroutine[Any, Any, Reply]:
        try:
            fields = _fields(args[2:], COUNT_NOT_POSITIVE)
        except CommandRejected as rejected:
            return _unless_wrong_type(services, args[1], rejected.reply)
        return _field_times(services, args[1], fields, unit_ms, absolute)

    return handler


async def _field_times(
    services: Services, key: bytes, fields: tuple[bytes, ...], unit_ms: int, absolute: bool
) -> Reply:
    expiries = await ask_expiries(services, key, fields)
    if expiries.document == -2:
        return [-2] * len(fields)
    if not expiries.is_hash:
        raise CommandRejected(WRONG_TYPE)
    if absolute:
        return [in_unit(at_ms, unit_ms) for at_ms in expiries.fields]
    now_ms = services.clock.wall_ms()
    return [remaining(at_ms, now_ms, unit_ms) for at_ms in expiries.fields]


HANDLERS: dict[bytes, Handler] = {
    b"hexpire": _hexpire(b"hexpire", 1000, absolute=False),
    b"hexpireat": _hexpire(b"hexpireat", 1000, absolute=True),
    b"hexpiretime": _httl(1000, absolute=True),
    b"hpersist": hpersist,
    b"hpexpire": _hexpire(b"hpexpire", 1, absolute=False),
    b"hpexpireat": _hexpire(b"hpexpireat", 1, absolute=True),
    b"hpexpiretime": _httl(1, absolute=True),
    b"hpttl": _httl(1, absolute=False),
    b"httl": _httl(1000, absolute=False),
}
