"""Reads that failed and are asked again: after a pause, within the budget, while somebody waits and there is time.

The flight stays in the air meanwhile: its age counts from when it was first sent, and who asks for its row joins it.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable

from sidecar.fetch.flight import Flight
from sidecar.fetch.origin_guard import RETRYABLE, OriginGuard
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Failed, OriginAnswer
from sidecar.resilience.backoff import ATTEMPTS, full_jitter_ns
from sidecar.resilience.limiter import Kind
from sidecar.resilience.priority import Priority


class ReadRetries:
    """Takes failed flights out of what lands, and sends them again.

    Args:
        send: sends a batch.
        land: lands flights with their answers.
    """

    __slots__ = ("_counters", "_guard", "_land", "_loop", "_send")

    def __init__(
        self,
        loop: AbstractEventLoop,
        guard: OriginGuard,
        counters: MissPathCounters,
        send: Callable[[list[Flight]], None],
        land: Callable[[list[Flight], list[OriginAnswer]], None],
    ) -> None:
        self._loop = loop
        self._guard = guard
        self._counters = counters
        self._send = send
        self._land = land

    def take(
        self, batch: list[Flight], answers: list[OriginAnswer], now_ns: int, call_ns: float
    ) -> tuple[list[Flight], list[OriginAnswer]]:
        """Have some of the failed ask again; those that are left, to be landed.

        Args:
            call_ns: how long a call takes: so much of the deadline must be left after the pause.
        """
        again = self._again(batch, answers, now_ns, call_ns)
        if not again:
            return batch, answers
        left = [(flight, answer) for flight, answer in zip(batch, answers, strict=True) if flight not in again]
        return [flight for flight, _ in left], [answer for _, answer in left]

    def _again(
        self, batch: list[Flight], answers: list[OriginAnswer], now_ns: int, call_ns: float
    ) -> dict[Flight, Failed]:
        """Those that ask again, after a pause that begins now."""
        guard = self._guard
        if not guard.breaker.is_closed:
            return {}
        pause_ns = full_jitter_ns(batch[0].attempts, guard.random)
        fit = [
            (flight, answer)
            for flight, answer in zip(batch, answers, strict=True)
            if isinstance(answer, Failed)
            and answer.cause in RETRYABLE
            and flight.priority is Priority.DEMAND
            and flight.attempts < ATTEMPTS
            and flight.deadline.at_ns - now_ns > pause_ns + call_ns
            and flight.is_wanted()
        ]
        again = dict(fit[: guard.retries.withdraw(len(fit), now_ns)] if fit else ())
        if again:
            self._loop.call_later(pause_ns / 1e9, self._repeat, again)
        return again

    def _repeat(self, failed: dict[Flight, Failed]) -> None:
        """The pause is over: ask again as far as there is room, the others have failed."""
        room = self._guard.limiter.room(Kind.READ, Priority.DEMAND) if self._guard.breaker.is_closed else 0
        again = [flight for flight in failed if flight.is_wanted()][:room]
        for flight in again:
            del failed[flight]
        if again:
            self._counters.retries["read"] += len(again)
            self._send(again)
        self._land(list(failed), list(failed.values()))
