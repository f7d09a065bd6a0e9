"""An origin with a mind of its own: slow, failing, losing answers, and written to by others behind our back.

An answer is true of one moment between the call and its return, which the schedule's dice choose.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from virtual_loop import VirtualLoop

from schedules.history import Document, History
from sidecar.origins.base import (
    ABSENT,
    UNKNOWN,
    Absent,
    Applied,
    Cause,
    Condition,
    Delete,
    Expire,
    Failed,
    Found,
    HashDelete,
    HashSet,
    Origin,
    OriginAnswer,
    OriginTimeout,
    OriginUnavailable,
    Read,
    Refusal,
    Refused,
    SetValue,
    Write,
    WriteAnswer,
)
from sidecar.resilience.deadline import Deadline

_NEVER = 1 << 62


class Dice:
    """What a schedule is made of.

    Attributes:
        latency_s: the mean of each half of a call.
        failing, unknown: how often a call fails, and how often a write's answer is lost.
    """

    __slots__ = ("failing", "latency_s", "rng", "unknown")

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.latency_s = rng.choice((0.002, 0.005, 0.015))
        self.failing = rng.choice((0, 0, 0.2))
        self.unknown = rng.choice((0, 0, 0.3))

    def delay_s(self) -> float:
        """Half a call: now and then much longer than usual."""
        return self.rng.random() * self.latency_s * self.rng.choice((0.5, 1, 2, 8))


class DicedOrigin(Origin):
    """Documents with their whole history.

    Attributes:
        applied: write -> the version that it made, for acknowledged writes.
        ever_failed: a read failed, so that stale-if-error answers are to be expected.
        in_the_air: key -> the writes that were sent and not answered, with when.
    """

    name = "diced"

    def __init__(self, loop: VirtualLoop, dice: Dice, reads_whole: bool) -> None:
        self.reads_whole = reads_whole
        self.histories: dict[bytes, History] = {}
        self.applied: dict[int, int] = {}
        self.ever_failed = False
        self.in_the_air: dict[bytes, list[tuple[Write, int]]] = {}
        self._expiries: dict[bytes, tuple[int, bool]] = {}  # -> epoch ms, whether the version was born with it
        self._loop = loop
        self._clock = loop.clock
        self._dice = dice
        self.latency_s = dice.latency_s

    def history(self, key: bytes) -> History:
        """All that the key ever was, its expiry up to now included."""
        history = self.histories.get(key)
        if history is None:
            history = self.histories[key] = History(key)
        expiry_ms, was_born_with_it = self._expiries.get(key, (_NEVER, False))
        if self._clock.wall >= expiry_ms:
            del self._expiries[key]
            ended_ns = self._clock.ns - (self._clock.wall - expiry_ms) * 1_000_000
            history.change(None, ended_ns, by_expiry=was_born_with_it)
        return history

    def apply(self, write: Write) -> WriteAnswer:
        """Change the document now."""
        history = self.history(write.key)
        before = history.versions[-1]
        after, result = _APPLY[type(write)](write, before)
        if isinstance(result, Refused):
            return result
        sets_expiry = (isinstance(write, SetValue) and result[0]) or (isinstance(write, Expire) and result)
        expiry_ms = write.expiry_ms if sets_expiry else None  # type: ignore[union-attr]
        if expiry_ms is not None and expiry_ms <= self._clock.wall:
            after = None
        if after is not before:
            history.change(after, self._clock.ns)
        if after is None or sets_expiry:
            self._expiries.pop(write.key, None)
        if after is not None and expiry_ms is not None:
            self._expiries[write.key] = (expiry_ms, isinstance(write, SetValue))
        self.applied[id(write)] = len(history.versions) - 1
        return Applied(result)

    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        dice = self._dice
        first_s, second_s = dice.delay_s(), dice.delay_s()
        left_s = deadline.remaining_s(self._clock.ns)
        fails = dice.failing and dice.rng.random() < dice.failing
        if first_s + second_s >= left_s:
            self.ever_failed = True
            await self._sleep(left_s)
            raise OriginTimeout()
        await self._sleep(first_s)
        if fails and dice.rng.random() < 0.5:
            self.ever_failed = True
            raise OriginUnavailable(Cause.CONNECTION_REFUSED)
        answers: list[OriginAnswer] = [self._read(read.key, read.fields) for read in reads]
        await self._sleep(second_s)
        if fails:
            self.ever_failed = True
            answers[dice.rng.randrange(len(answers))] = Failed(Cause.CONNECTION_LOST)
        return answers

    async def write_many(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        for write in writes:
            self.in_the_air.setdefault(write.key, []).append((write, self._clock.ns))
        try:
            return await self._write_many(writes, deadline)
        finally:
            for key in {write.key for write in writes}:  # two batches never hold one key
                del self.in_the_air[key]

    async def _write_many(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        dice = self._dice
        first_s, second_s = dice.delay_s(), dice.delay_s()
        left_s = deadline.remaining_s(self._clock.ns)
        if dice.failing and dice.rng.random() < dice.failing:
            await self._sleep(min(first_s, left_s))
            return [Refused(Refusal.NOT_SENT, Cause.CONNECTION_REFUSED)] * len(writes)
        if first_s + second_s >= left_s or (dice.unknown and dice.rng.random() < dice.unknown):
            late_s = dice.rng.random() * (left_s + 0.9)  # within the quarantine: operation timeout + 1 s
            if dice.rng.random() < 0.7:
                for write in writes:
                    self._loop.call_later(late_s, self.apply, write)
            await self._sleep(left_s if dice.rng.random() < 0.5 else min(first_s, left_s))
            return [UNKNOWN] * len(writes)
        await self._sleep(first_s)
        answers = [self.apply(write) for write in writes]
        await self._sleep(second_s)
        return answers

    async def expiries(self, key: bytes, fields: tuple[bytes, ...], deadline: Deadline) -> Any:
        raise NotImplementedError

    async def scan(self, position: bytes | None, match: bytes | None, count: int, deadline: Deadline) -> Any:
        raise NotImplementedError

    def _read(self, key: bytes, fields: tuple[bytes, ...] | None) -> Found | Absent:
        document = self.history(key).versions[-1]
        expiry_ms = self._expiries[key][0] if key in self._expiries else None
        if document is None:
            return ABSENT
        if fields is None or isinstance(document, bytes):
            return Found(document, True, expiry_ms)
        return Found({name: document[name] for name in fields if name in document}, False, expiry_ms)

    async def _sleep(self, seconds: float) -> None:
        done = self._loop.create_future()
        self._loop.call_later(seconds, done.set_result, None)
        await done


def _set(write: SetValue, before: Document) -> tuple[Document, Any]:
    wanted = {Condition.ALWAYS: True, Condition.IF_ABSENT: before is None, Condition.IF_PRESENT: before is not None}
    return (write.value, (True, None)) if wanted[write.condition] else (before, (False, None))


def _hash_set(write: HashSet, before: Document) -> tuple[Document, Any]:
    if isinstance(before, bytes):
        return before, Refused(Refusal.WRONG_TYPE)
    old = before or {}
    if write.only_absent and any(field in old for field in write.fields):
        return before, 0
    return {**old, **write.fields}, sum(field not in old for field in write.fields)


def _hash_delete(write: HashDelete, before: Document) -> tuple[Document, Any]:
    if isinstance(before, bytes):
        return before, Refused(Refusal.WRONG_TYPE)
    left = {field: value for field, value in (before or {}).items() if field not in write.fields}
    return left or None, len(before or {}) - len(left)


def _delete(write: Delete, before: Document) -> tuple[Document, Any]:
    return None, before is not None


def _expire(write: Expire, before: Document) -> tuple[Document, Any]:
    return before, before is not None


_APPLY: dict[type, Callable[[Any, Document], tuple[Document, Any]]] = {
    SetValue: _set,
    HashSet: _hash_set,
    HashDelete: _hash_delete,
    Delete: _delete,
    Expire: _expire,
}
