"""Batches of writes at the origin: how long they took, whether it answered, and which may be asked again.

A write ends as applied, refused or unknown. Only what was certainly not sent may be sent again by us, and only a whole
batch: if some of it was applied, an earlier write of the same key would come after a later one. What is unknown never
is: somebody else may have written since.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sidecar.clock import Clock
from sidecar.fetch.origin_guard import RETRYABLE, OriginGuard
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import (
    UNKNOWN,
    Applied,
    Cause,
    Origin,
    OriginTimeout,
    OriginUnavailable,
    Refusal,
    Refused,
    Unknown,
    Write,
    WriteAnswer,
)
from sidecar.resilience.backoff import ATTEMPTS, full_jitter_ns
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.limiter import Kind

_MARGIN_NS = 50_000_000  # to be left of the deadline for another attempt: else its outcome might be unknown


class WriteCalls:
    """Hands batches to the origin.

    Args:
        send_again: told of each key of a batch that is sent again.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        origin: Origin,
        guard: OriginGuard,
        counters: MissPathCounters,
        send_again: Callable[[bytes], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._origin = origin
        self._guard = guard
        self._limiter = guard.limiter
        self._counters = counters
        self._send_again = send_again

    def first(self, writes: Sequence[Write], deadline: Deadline, under_way: int) -> Awaitable[list[WriteAnswer]]:
        """How each write ended. Raises nothing of the origin's.

        Args:
            deadline: the latest of theirs.
            under_way: what the limiter said when room was taken.
        """
        sent_ns = self._clock.now_ns()
        self._guard.retries.deposit(len(writes), sent_ns)
        return self._attempt(writes, deadline, sent_ns, under_way)

    async def again(self, writes: Sequence[Write], deadline: Deadline, answers: list[WriteAnswer]) -> list[WriteAnswer]:
        """Send again what was not sent, as often as may be; how each write ended.

        Args:
            deadline: the earliest of theirs.
            answers: how the first attempt ended.
        """
        attempts = 1
        while (pause_ns := self._pause_ns(answers, deadline, attempts)) is not None:
            await asyncio.sleep(pause_ns / 1e9)
            if not self._guard.breaker.is_closed:
                break
            attempts += 1
            self._counters.retries["write"] += len(writes)
            for write in writes:
                self._send_again(write.key)
            under_way = self._limiter.acquire(Kind.WRITE, len(writes))
            answers = await self._attempt(writes, deadline, self._clock.now_ns(), under_way)
            if answers[0].__class__ is not Refused:
                break
        return answers

    async def _attempt(
        self, writes: Sequence[Write], deadline: Deadline, sent_ns: int, under_way: int
    ) -> list[WriteAnswer]:
        documents = len(writes)
        answers: list[WriteAnswer] = [UNKNOWN] * documents
        self._counters.in_flight += 1
        try:
            answers = await self._origin.write_many(writes, deadline)
            if len(answers) != documents:
                raise ValueError(f"{len(answers)} answers to {documents} writes")
        except OriginUnavailable as error:
            answers = [Refused(Refusal.NOT_SENT, error.cause)] * documents
        except OriginTimeout:
            pass
        except Exception as error:
            answers = [UNKNOWN] * documents
            self._loop.call_exception_handler({"message": "the origin broke its contract", "exception": error})
        finally:
            now_ns = self._clock.now_ns()
            took_ns = now_ns - sent_ns
            self._counters.in_flight -= 1
            self._counters.batch("write", took_ns / 1e9)
            cause = None if answers[0].__class__ is Applied else _no_answer(answers)
            self._limiter.release(Kind.WRITE, documents, under_way, cause is None, took_ns, now_ns)
            self._count(answers)
            if cause is None:
                self._guard.breaker.succeeded()
            else:
                self._guard.judge_failed(cause, sent_ns, now_ns)
        return answers

    def _pause_ns(self, answers: list[WriteAnswer], deadline: Deadline, attempts: int) -> int | None:
        """How long to wait before the batch is sent again; None: it is not."""
        guard, now_ns = self._guard, self._clock.now_ns()
        if attempts >= ATTEMPTS or not guard.breaker.is_closed:
            return None
        if not all(_may_be_sent_again(answer) for answer in answers):
            return None
        pause_ns = full_jitter_ns(attempts, guard.random)
        if deadline.at_ns - now_ns < pause_ns + _MARGIN_NS or guard.retries.left(now_ns) < len(answers):
            return None
        guard.retries.withdraw(len(answers), now_ns)
        return pause_ns

    def _count(self, answers: list[WriteAnswer]) -> None:
        kinds = [answer.__class__ for answer in answers]
        for kind, outcome in ((Applied, "applied"), (Refused, "refused"), (Unknown, "unknown")):
            if number := kinds.count(kind):
                self._counters.request("write", outcome, number)


def _no_answer(answers: list[WriteAnswer]) -> Cause | None:
    """Why the origin said nothing about any of these; None: it did."""
    cause: Cause | None = None
    for answer in answers:
        if answer.__class__ is Unknown:
            cause = Cause.TIMEOUT
        elif isinstance(answer, Refused) and answer.reason is Refusal.NOT_SENT:
            cause = answer.cause or Cause.UNREACHABLE
        else:
            return None
    return cause


def _may_be_sent_again(answer: WriteAnswer) -> bool:
    return isinstance(answer, Refused) and answer.reason is Refusal.NOT_SENT and answer.cause in RETRYABLE
