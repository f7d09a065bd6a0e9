"""Hash commands, without HSCAN and the field expiries."""

from collections.abc import Callable
from typing import Any, cast

from protocol import errors
from protocol.errors import CommandRejected
from protocol.replies import OK, Reply
from sidecar.commands.later import Later
from sidecar.commands.reading import Answer, hash_of, read
from sidecar.commands.services import Handler, Services
from sidecar.commands.writing import write
from sidecar.origins.base import HashDelete, HashSet


def hget(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HGET key field"""
    field = args[2]
    return read(services, args[1], (field,), lambda answer: hash_of(answer).get(field))


def hmget(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HMGET key field [field ...]"""
    fields = args[2:]
    return read(services, args[1], tuple(dict.fromkeys(fields)), lambda answer: [*map(hash_of(answer).get, fields)])


def hgetall(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HGETALL key"""
    return read(services, args[1], None, cast(Callable[[Answer], Reply], hash_of))  # a dict of bytes is a map


def hkeys(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HKEYS key"""
    return read(services, args[1], None, lambda answer: list(hash_of(answer)))


def hvals(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HVALS key"""
    return read(services, args[1], None, lambda answer: list(hash_of(answer).values()))


def hlen(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HLEN key"""
    return read(services, args[1], None, lambda answer: len(hash_of(answer)))


def hexists(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HEXISTS key field"""
    field = args[2]
    return read(services, args[1], (field,), lambda answer: int(field in hash_of(answer)))


def hstrlen(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HSTRLEN key field"""
    field = args[2]
    return read(services, args[1], (field,), lambda answer: len(hash_of(answer).get(field, b"")))


def hset(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HSET key field value [field value ...]"""
    return write(services, _hash_set(args, b"hset"), _count)


def hmset(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HMSET key field value [field value ...]"""
    return write(services, _hash_set(args, b"hmset"), lambda added: OK)


def _hash_set(args: list[bytes], command: bytes) -> HashSet:
    """Of a field given twice the last value counts, as in Redis."""
    if len(args) == 4:
        return HashSet(args[1], {args[2]: args[3]})
    if len(args) % 2:
        raise CommandRejected(errors.wrong_arity(command))
    return HashSet(args[1], dict(zip(args[2::2], args[3::2], strict=True)))


def hsetnx(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HSETNX key field value"""
    return write(services, HashSet(args[1], {args[2]: args[3]}, only_absent=True), _count)


def hdel(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HDEL key field [field ...]"""
    return write(services, HashDelete(args[1], tuple(dict.fromkeys(args[2:]))), _count)


def _count(result: Any) -> Reply:
    return result


HANDLERS: dict[bytes, Handler] = {
    b"hdel": hdel,
    b"hexists": hexists,
    b"hget": hget,
    b"hgetall": hgetall,
    b"hkeys": hkeys,
    b"hlen": hlen,
    b"hmget": hmget,
    b"hmset": hmset,
    b"hset": hset,
    b"hsetnx": hsetnx,
    b"hstrlen": hstrlen,
    b"hvals": hvals,
}
