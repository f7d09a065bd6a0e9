"""Switches off one defence of the miss path at a time: the simulation must notice each.

A mutant patches the built miss path of one simulation, so that nothing has to be put back.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from bounded_limiter import BoundedLimiter

from chaos.faulty_origin import OriginFaults
from chaos.parts.overload import Overload
from chaos.simulation import NO_FAULT, Fault, Simulation
from sidecar.origins.base import Cause
from sidecar.resilience.breaker import Breaker
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.overload import Overload as StandingQueue
from sidecar.resilience.retry_budget import RetryBudget

READ_THROUGH, NO_STALE = (0, 0, 0, 0), (60, 60, 60, 20)


class Mutant(NamedTuple):
    """What is switched off, and a simulation in which that matters."""

    mutate: Callable[[Simulation], None]
    simulate: Callable[[int], Simulation]


class _NeverOpens(Breaker[Cause]):
    def failed(self, cause: Cause, sent_ns: int, now_ns: int) -> None:
        """Nothing is too much."""


class _Unlimited(RetryBudget):
    def withdraw(self, wanted: int, now_ns: int) -> int:
        return wanted

    def left(self, now_ns: int) -> int:
        return 1_000_000


class _NeverStands(StandingQueue):
    def observe(self, longest_wait_ns: int, now_ns: int) -> None:
        """Nobody has waited too long."""


def no_breaker(run: Simulation) -> None:
    """An origin that answers nothing is asked as ever."""
    guard = run.path.guard
    guard.breaker = _NeverOpens(Cause.BREAKER_OPEN, guard.random, lambda *_: None)


def no_retry_budget(run: Simulation) -> None:
    """Whatever fails is asked again."""
    run.path.guard.retries = _Unlimited()


def no_limiter(run: Simulation) -> None:
    """The origin is asked for all that is wanted."""
    limiter = BoundedLimiter(1000, 1000)
    run.path.guard.limiter = limiter
    run.path.reads._batcher._limiter = limiter


def no_shedding(run: Simulation) -> None:
    """Whoever waits, waits: in the order of coming, until time is up."""
    run.path.guard.overload = _NeverStands()
    run.path.reads._batcher._is_too_late = lambda flight, now_ns: False


def no_deadlines(run: Simulation) -> None:
    """Nobody looks when a reader's time is up."""
    run.path.reads._deadlines = type("Never", (), {"add": lambda *_: None})()


def deadlines_are_restarted(run: Simulation) -> None:
    """The origin is given the whole budget, however long a read has waited here."""
    batcher = run.path.reads._batcher
    ask = batcher._reads.fetch_many

    class Generous:
        max_reads_per_fetch = batcher._reads.max_reads_per_fetch

        async def fetch_many(self, reads: Any, deadline: Deadline) -> Any:
            return await ask(reads, Deadline.after(deadline.budget_ms, run.clock.ns))

    batcher._reads = Generous()


def _outage(faults: OriginFaults) -> Callable[[int], Simulation]:
    return lambda seed: Simulation(seed, load=0.7, fault=Fault("outage", 3.0, 8.0, faults), limits=NO_STALE)


def _overload(seed: int) -> Simulation:
    return Overload(seed, length_s=9.0, load=3.0, fault=NO_FAULT, limits=READ_THROUGH)


MUTANTS = {
    "no breaker": Mutant(no_breaker, _outage(OriginFaults(down=True))),
    "no retry budget": Mutant(no_retry_budget, _outage(OriginFaults(errors=0.6))),
    "no limiter": Mutant(no_limiter, _overload),
    "no shedding": Mutant(no_shedding, _overload),
    "no deadlines": Mutant(no_deadlines, _outage(OriginFaults(hang=True))),
    "deadlines are restarted": Mutant(deadlines_are_restarted, _overload),
}
