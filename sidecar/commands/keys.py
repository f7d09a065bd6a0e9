"""Commands on keys of any kind."""

from typing import Any

from protocol.replies import Reply, Status
from sidecar.commands.later import Later
from sidecar.commands.reading import Answer, is_there, read, read_all
from sidecar.commands.services import Handler, Services
from sidecar.commands.writing import first_failure, write, write_all
from sidecar.origins.base import Applied, Delete, WriteAnswer

STRING = Status(b"string")
HASH = Status(b"hash")
NONE = Status(b"none")


def delete(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """DEL key [key ...], UNLINK key [key ...]"""
    if len(args) == 2:
        return write(services, Delete(args[1]), int)
    writes = [Delete(key) for key in dict.fromkeys(args[1:])]

    def reply(answers: list[WriteAnswer]) -> Reply:
        failure = first_failure(services, writes, answers, "keys were deleted")
        return failure or sum(bool(answer.result) for answer in answers if isinstance(answer, Applied))

    return write_all(services, writes, reply)


def exists(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """EXISTS key [key ...], TOUCH key [key ...]: a key given twice counts twice."""
    kind_of = services.reads.kind
    unknown = [key for key in args[1:] if kind_of(key) is None]
    here = len(args) - 1 - len(unknown)
    if not unknown:
        return here
    return read_all(services, unknown, lambda answers: here + sum(map(is_there, answers)))


def type_(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """TYPE key"""
    kind = services.reads.kind(args[1])
    if kind is not None:
        return Status(kind)
    return read(services, args[1], None, _kind)


def _kind(answer: Answer) -> Reply:
    if not is_there(answer):
        return NONE
    return STRING if answer.value.__class__ is bytes else HASH


HANDLERS: dict[bytes, Handler] = {
    b"del": delete,
    b"exists": exists,
    b"touch": exists,
    b"type": type_,
    b"unlink": delete,
}
