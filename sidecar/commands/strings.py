"""String commands."""

from functools import partial
from typing import Any

from protocol import errors
from protocol.errors import CommandRejected
from protocol.replies import OK, ErrorReply, Reply
from sidecar.commands.expiry_options import expiry_ms, parse_getex, parse_set
from sidecar.commands.later import PENDING, Later
from sidecar.commands.many_strings import read_strings, strings_or_null
from sidecar.commands.reading import Answer, read, read_all, string_of
from sidecar.commands.services import Handler, Services
from sidecar.commands.writing import Written, first_failure, write, write_all
from sidecar.origins.base import Condition, GetAndDelete, GetAndExpire, SetValue, Write, WriteAnswer

CONDITIONS = {b"": Condition.ALWAYS, b"nx": Condition.IF_ABSENT, b"xx": Condition.IF_PRESENT}


def get(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """GET key"""
    return read(services, args[1], None, string_of)


def strlen(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """STRLEN key"""
    return read(services, args[1], None, lambda answer: len(string_of(answer) or b""))


def mget(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """MGET key [key ...]"""
    return read_strings(services, args[1:])


def mget_at_once(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """MGET inside EXEC: all values are those of one moment, for the keys are free again when EXEC is answered."""
    return read_all(services, args[1:], strings_or_null)


def set_(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """SET key value [NX | XX] [GET] [EX seconds | PX ms | EXAT s | PXAT ms | KEEPTTL]"""
    if len(args) == 3:  # the usual form, kept short: ~1 us less than the way through the options
        later = Written(services, args[1], _ok)
        services.writes.submit(SetValue(args[1], args[2]), later)
        return later if later.reply is PENDING else later.reply
    options = parse_set(args[3:])
    at_ms = None
    if options.unit:
        at_ms = expiry_ms(options.time, options.unit, services.clock.wall_ms(), b"set")
    one = SetValue(args[1], args[2], CONDITIONS[options.condition], at_ms, options.keep_expiry, options.want_previous)
    return write(services, one, _previous if options.want_previous else _ok_or_null)


def _ok(result: Any) -> Reply:
    return OK


def _ok_or_null(result: tuple[bool, bytes | None]) -> Reply:
    return OK if result[0] else None


def _previous(result: tuple[bool, bytes | None]) -> Reply:
    return result[1]


def setex(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """SETEX key seconds value"""
    return _set_for(services, args, b"ex", b"setex")


def psetex(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """PSETEX key milliseconds value"""
    return _set_for(services, args, b"px", b"psetex")


def _set_for(services: Services, args: list[bytes], unit: bytes, command: bytes) -> Reply | Later:
    at_ms = expiry_ms(args[2], unit, services.clock.wall_ms(), command)
    return write(services, SetValue(args[1], args[3], expiry_ms=at_ms), _ok)


def setnx(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """SETNX key value"""
    return write(services, SetValue(args[1], args[2], Condition.IF_ABSENT), lambda result: int(result[0]))


def mset(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """MSET key value [key value ...]: concurrent sets, not atomic; of a key given twice the last counts."""
    if len(args) % 2 == 0:
        raise CommandRejected(errors.wrong_arity(b"mset"))
    values = dict(zip(args[1::2], args[2::2], strict=True))
    writes: list[Write] = [SetValue(key, value) for key, value in values.items()]

    def reply(answers: list[WriteAnswer]) -> Reply:
        return first_failure(services, writes, answers, "keys were set") or OK

    return write_all(services, writes, reply)


def getdel(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """GETDEL key"""
    return write(services, GetAndDelete(args[1]), _itself)


def getex(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """GETEX key [EX seconds | PX ms | EXAT s | PXAT ms | PERSIST]"""
    options = parse_getex(args[2:])
    if not options.unit and not options.persist:
        return read(services, args[1], None, string_of)
    try:
        at_ms = None
        if options.unit:
            at_ms = expiry_ms(options.time, options.unit, services.clock.wall_ms(), b"getex")
    except CommandRejected as rejected:  # Redis looks at the key first: null or WRONG_TYPE win over a bad time
        return read(services, args[1], None, partial(_refuse_if_there, rejected.reply))
    return write(services, GetAndExpire(args[1], at_ms), _itself)


def _itself(result: Any) -> Reply:
    return result


def _refuse_if_there(error: ErrorReply, answer: Answer) -> Reply:
    return None if string_of(answer) is None else error


HANDLERS: dict[bytes, Handler] = {
    b"get": get,
    b"getdel": getdel,
    b"getex": getex,
    b"mget": mget,
    b"mset": mset,
    b"psetex": psetex,
    b"set": set_,
    b"setex": setex,
    b"setnx": setnx,
    b"strlen": strlen,
}
