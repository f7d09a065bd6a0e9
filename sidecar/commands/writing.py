"""Writing through to the origin: the reply is always its word, never memory's."""

from collections.abc import Callable, Sequence
from typing import Any

from protocol.errors import WRONG_TYPE
from protocol.replies import ErrorReply, Reply
from sidecar.commands.later import PENDING, Later
from sidecar.commands.reading import Gathered, failed
from sidecar.commands.services import Services
from sidecar.fetch.errors import write_error
from sidecar.origins.base import Applied, Refusal, Refused, Unknown, Write, WriteAnswer


class Written(Later):
    """A Later that is called with the origin's answer to one write."""

    __slots__ = ("_key", "_services", "_to_reply")

    def __init__(self, services: Services, key: bytes, to_reply: Callable[[Any], Reply]) -> None:
        self.reply = PENDING  # as Later, without the call: 0.1 us of each write
        self._callback = None
        self._services = services
        self._key = key
        self._to_reply = to_reply

    def __call__(self, answer: WriteAnswer) -> None:
        if answer.__class__ is Applied:
            try:
                reply = self._to_reply(answer.result)  # type: ignore[union-attr]
            except Exception as error:
                reply = failed(error)
            self.set(reply)
        else:
            self.set(error_of(self._services, self._key, answer))  # type: ignore[arg-type]


def write(services: Services, one: Write, to_reply: Callable[[Any], Reply]) -> Reply | Later:
    """Submit a write; its reply is made of Applied's result."""
    later = Written(services, one.key, to_reply)
    services.writes.submit(one, later)
    return later if later.reply is PENDING else later.reply


def write_all(
    services: Services, writes: Sequence[Write], to_reply: Callable[[list[WriteAnswer]], Reply]
) -> Reply | Later:
    """Submit several writes that leave together; not atomic."""
    later = Gathered([None] * len(writes), to_reply)
    for one, callback in [(one, later.expect(place)) for place, one in enumerate(writes)]:
        services.writes.submit(one, callback)
    return later if later.reply is PENDING else later.reply


def error_of(services: Services, key: bytes, answer: Refused | Unknown) -> ErrorReply:
    """What a client gets for Refused or Unknown."""
    if isinstance(answer, Refused) and answer.reason is Refusal.WRONG_TYPE:
        return WRONG_TYPE
    return ErrorReply(write_error(answer, services.policy.current.write_deadline_ms(key)))


def first_failure(
    services: Services, writes: Sequence[Write], answers: Sequence[WriteAnswer], applied: str
) -> ErrorReply | None:
    """The error of a command that is several writes, saying how many were applied; None: all were.

    Args:
        applied: such as ``keys were set``.
    """
    failed = [
        (write.key, answer) for write, answer in zip(writes, answers, strict=True) if not isinstance(answer, Applied)
    ]
    if not failed:
        return None
    done = len(answers) - len(failed)
    error = error_of(services, *failed[0])
    return ErrorReply(error.text + f" ({done} of {len(answers)} {applied})".encode())
