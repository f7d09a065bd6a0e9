"""MGET: small replies at once; large ones value by value, as the client takes them.

A reply of 100 MB must not be held for a client that does not read it. So once all that was missing has come, a large
MGET keeps the values that memory does not hold, and looks the others up when their turn comes: what is counted and
held for the client is little, and each value is as fresh as if it had been asked for then. One that memory has lost
meanwhile is read from the origin; should that fail, the error stands in the place of the value, for the array has
begun by then.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from protocol.errors import CommandRejected
from protocol.replies import WAIT, LazyArray, Reply
from sidecar.commands.later import Later
from sidecar.commands.reading import Answer, gather, read_all, string_of
from sidecar.commands.services import Services
from sidecar.origins.base import Found

LARGE_REPLY_BYTES = 256 * 1024  # the hot path's bound too

IN_MEMORY = object()  # stands for an answer that is looked up when its turn comes


def strings_or_null(answers: Sequence[Answer]) -> Reply:
    """All values of an MGET.

    Raises:
        CommandRejected: one document cannot be had: that fails the whole command.
    """
    return [_string_or_null(answer) for answer in answers]


def read_strings(services: Services, keys: list[bytes]) -> Reply | Later:
    """The reply to MGET."""
    sizes = services.reads.string_sizes(keys)
    if sum(size or 0 for size in sizes) <= LARGE_REPLY_BYTES:
        return read_all(services, keys, lambda answers: _reply(services, keys, answers))
    answers = [
        services.reads.lookup(key, None) if size is None else IN_MEMORY for key, size in zip(keys, sizes, strict=True)
    ]
    return gather(services, keys, answers, lambda answers: _taken_as_read(services, keys, answers))


def _reply(services: Services, keys: list[bytes], answers: list[Answer]) -> Reply:
    """At once, unless what came from the origin turned out to be large."""
    values = [_string_or_null(answer) for answer in answers]
    if sum(len(value) for value in values if value is not None) <= LARGE_REPLY_BYTES:
        return list(values)
    return _taken_as_read(services, keys, answers)


def _taken_as_read(services: Services, keys: list[bytes], answers: list[Answer]) -> Reply:
    """An array of which only those values are held that memory does not hold."""
    sizes = services.reads.string_sizes(keys)
    kept = {
        place: _string_or_null(answer)
        for place, (answer, size) in enumerate(zip(answers, sizes, strict=True))
        if answer is not IN_MEMORY and size is None
    }
    packed = PackedKeys(keys)
    held = packed.held_bytes + sum({id(value): len(value) for value in kept.values() if value is not None}.values())
    reply = LazyArray(len(keys), iter(()), held)
    reply.elements = _elements(services, packed, kept, reply)
    return reply


def _elements(services: Services, keys: "PackedKeys", kept: dict[int, bytes | None], reply: LazyArray) -> Iterator[Any]:
    reads = services.reads
    for place, key in enumerate(keys):
        if place in kept:
            yield kept.pop(place)
            continue
        while key in services.locks:  # an EXEC of another client is in the middle of its commands
            services.exec_locks.wait((key,), lambda: reply.wake())
            yield WAIT
        came = _Arrival(reply, reads.lookup(key, None))
        if came.answer is None:
            reads.read(key, None, came)
            while came.answer is None:
                yield WAIT
        yield came.take()


class _Arrival:
    """Takes the answer to one read and has the reply go on."""

    __slots__ = ("_reply", "answer")

    def __init__(self, reply: LazyArray, answer: Answer) -> None:
        self._reply = reply
        self.answer = answer

    def __call__(self, answer: Answer) -> None:
        self.answer = answer
        self._reply.wake()

    def take(self) -> Reply:
        """The element, of which nothing is kept here: the client may not come for the next one for hours."""
        answer, self.answer = self.answer, None
        try:
            return _string_or_null(answer)
        except CommandRejected as rejected:
            return rejected.reply


class PackedKeys:
    """Keys one after the other: a thousand of 16 bytes take 20 KB, as objects of their own 57 KB."""

    __slots__ = ("_ends", "_joined")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._joined = b"".join(keys)
        self._ends = array("I", accumulate(map(len, keys)))

    def __iter__(self) -> Iterator[bytes]:
        start = 0
        for end in self._ends:
            yield self._joined[start:end]
            start = end

    @property
    def held_bytes(self) -> int:
        """What they take."""
        return len(self._joined) + 4 * len(self._ends)


def _string_or_null(answer: Answer) -> bytes | None:
    """A hash is null to MGET, not an error."""
    if answer.__class__ is Found:
        return answer.value if answer.value.__class__ is bytes else None
    return string_of(answer)
