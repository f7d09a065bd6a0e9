"""Puts the parts of the miss path together."""

import asyncio
from random import Random
from typing import NamedTuple

from sidecar.clock import Clock
from sidecar.fetch.coherence import STRIPES, Coherence
from sidecar.fetch.departure import Departure
from sidecar.fetch.lookup_counter import LookupCounter
from sidecar.fetch.memory_tier import MemoryTier
from sidecar.fetch.origin_guard import OriginGuard
from sidecar.fetch.policy_numbers import PolicyHolder, PolicyNumbers
from sidecar.fetch.quarantine import Quarantine
from sidecar.fetch.read_through import ReadThrough
from sidecar.fetch.turn_clock import TurnClock
from sidecar.fetch.writes import Writes
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Origin
from sidecar.resilience.limiter import Limiter
from sidecar.resilience.retry_budget import RetryBudget

MAX_WAITING = 10_000  # rows, and writes, that wait for a place; beyond, OVERLOADED: at 1,000 a batch, ten batches


class MissPath(NamedTuple):
    """The parts that others talk to. ``departure.now`` ends a turn."""

    reads: ReadThrough
    writes: Writes
    coherence: Coherence
    quarantine: Quarantine
    departure: Departure
    guard: OriginGuard


def build_miss_path(
    loop: asyncio.AbstractEventLoop,
    clock: Clock,
    store: MemoryTier,
    origin: Origin,
    policy: PolicyHolder,
    lookups: LookupCounter,
    counters: MissPathCounters,
    limiter: Limiter | None = None,
    retries: RetryBudget | None = None,
    random: Random | None = None,
    stripes: int = STRIPES,
    max_waiting: int = MAX_WAITING,
    coherence_type: type[Coherence] = Coherence,
) -> MissPath:
    """Reads and writes over one store and one origin.

    Args:
        limiter, retries: others than the usual.
        random: for jitter.
        stripes: generations of keys.
        max_waiting: rows, and writes, that may wait.
        coherence_type: tests give one that can be broken.
    """
    coherence = coherence_type(store, stripes)
    turn = TurnClock(loop, clock, store)
    numbers = PolicyNumbers(policy)
    departure = Departure(loop)
    guard = OriginGuard(loop, clock, counters, departure.soon, limiter, retries, origin.supports_hedging, random)
    reads = ReadThrough(
        loop,
        clock,
        turn,
        store,
        origin,
        numbers,
        coherence,
        guard,
        lookups,
        counters,
        departure.soon,
        max_waiting,
    )

    def quarantine_ended(key: bytes) -> None:
        coherence.settle(key)
        reads.refill(key)

    quarantine = Quarantine(loop, clock, quarantine_ended)
    coherence.quarantined = quarantine
    writes = Writes(
        loop,
        clock,
        turn,
        store,
        origin,
        numbers,
        coherence,
        quarantine,
        guard,
        counters,
        departure.soon,
        reads.write_ended,
        max_waiting,
    )
    departure.of(writes.flush, reads.flush)
    return MissPath(reads, writes, coherence, quarantine, departure, guard)
