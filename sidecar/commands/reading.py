"""Reading through memory: an answer at once, or a Later that the miss path fills."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from protocol.errors import INTERNAL, WRONG_TYPE, CommandRejected
from protocol.replies import ErrorReply, Reply
from sidecar.commands.later import PENDING, Later
from sidecar.commands.services import Services
from sidecar.logs import logger
from sidecar.origins.base import Absent, Found

log = logger("commands")

Answer = Any  # Found, Absent or Unavailable


class Answered(Later):
    """A Later that is called with the answer and keeps the reply made of it."""

    __slots__ = ("_to_reply",)

    def __init__(self, to_reply: Callable[[Answer], Reply]) -> None:
        super().__init__()
        self._to_reply = to_reply

    def __call__(self, answer: Answer) -> None:
        self.set(made_of(self._to_reply, answer))


class Gathered(Later):
    """A Later made of several answers, in the order asked."""

    __slots__ = ("_answers", "_left", "_to_reply")

    def __init__(self, answers: list[Answer], to_reply: Callable[[list[Answer]], Reply]) -> None:
        super().__init__()
        self._answers = answers
        self._left = 0
        self._to_reply = to_reply

    def expect(self, *places: int) -> Callable[[Answer], None]:
        """The callback for one more answer; all are to be expected before the first can come."""
        self._left += 1
        return partial(self._put, places)

    def _put(self, places: tuple[int, ...], answer: Answer) -> None:
        for place in places:
            self._answers[place] = answer
        self._left -= 1
        if self._left == 0:
            self.set(made_of(self._to_reply, self._answers))


def made_of(to_reply: Callable[[Any], Reply], answer: Any) -> Reply:
    """The reply made of an answer; raises nothing, for it is called by the miss path."""
    try:
        return to_reply(answer)
    except Exception as error:
        return failed(error)


def failed(error: Exception) -> Reply:
    """The reply of a command of which no reply could be made."""
    if isinstance(error, CommandRejected):
        return error.reply
    log.error("reply_failed", exc_info=error)
    return INTERNAL


def read(
    services: Services, key: bytes, fields: tuple[bytes, ...] | None, to_reply: Callable[[Answer], Reply]
) -> Reply | Later:
    """The reply made of one document; fields None: the whole of it. Found may hold more than was asked."""
    answer = services.reads.lookup(key, fields)
    if answer is not None:
        return to_reply(answer)
    later = Answered(to_reply)
    services.reads.read(key, fields, later)
    return later if later.reply is PENDING else later.reply


def read_all(services: Services, keys: Sequence[bytes], to_reply: Callable[[list[Answer]], Reply]) -> Reply | Later:
    """The reply made of several whole documents: what memory lacks leaves in one batch."""
    return gather(services, keys, [services.reads.lookup(key, None) for key in keys], to_reply)


def gather(
    services: Services, keys: Sequence[bytes], answers: list[Answer], to_reply: Callable[[list[Answer]], Reply]
) -> Reply | Later:
    """The reply made of answers of which some are None: those are read, a key that stands in several places once."""
    missing: dict[bytes, list[int]] = {}
    for place, answer in enumerate(answers):
        if answer is None:
            missing.setdefault(keys[place], []).append(place)
    if not missing:
        return to_reply(answers)
    later = Gathered(answers, to_reply)
    for key, callback in [(key, later.expect(*places)) for key, places in missing.items()]:
        services.reads.read(key, None, callback)
    return later if later.reply is PENDING else later.reply


def string_of(answer: Answer) -> bytes | None:
    """A string's value, None where there is none.

    Raises:
        CommandRejected: a hash, or the origin did not answer.
    """
    kind = answer.__class__
    if kind is Found:
        value = answer.value
        if value.__class__ is not bytes:
            raise CommandRejected(WRONG_TYPE)
        return value
    if kind is Absent:
        return None
    raise CommandRejected(ErrorReply(answer.error))


def hash_of(answer: Answer) -> dict[bytes, bytes]:
    """A hash's fields, none where there is no such key.

    Raises:
        CommandRejected: a string, or the origin did not answer.
    """
    kind = answer.__class__
    if kind is Found:
        value = answer.value
        if value.__class__ is bytes:
            raise CommandRejected(WRONG_TYPE)
        return value
    if kind is Absent:
        return {}
    raise CommandRejected(ErrorReply(answer.error))


def is_there(answer: Answer) -> bool:
    """Whether the key exists.

    Raises:
        CommandRejected: the origin did not answer.
    """
    if answer.__class__ is Found:
        return True
    if answer.__class__ is Absent:
        return False
    raise CommandRejected(ErrorReply(answer.error))
