"""An origin of finite capacity on virtual time, that keeps its whole history: what overload and outages do is physical.

Documents are jobs of one kind. Each goes to the worker that is free first and holds it for the service time; a call is
answered when its last document is done. Work goes on after its caller has given up, as on a real server, so that more
than it can do makes everything late, and the late work crowds out the rest: the collapse that a limiter must prevent.
"""

import heapq
from collections.abc import Sequence
from random import Random

from schedules.history import Violation
from schedules.origin import Dice, DicedOrigin
from virtual_loop import VirtualLoop

from chaos.faulty_origin import HEALTHY, OriginFaults
from sidecar.origins.base import (
    UNKNOWN,
    Cause,
    Failed,
    OriginAnswer,
    OriginTimeout,
    OriginUnavailable,
    Read,
    Refusal,
    Refused,
    Write,
    WriteAnswer,
)
from sidecar.resilience.deadline import Deadline

_QUARANTINE_LEFT_S = 0.9  # a write may take effect so long after its deadline: the sidecar waits a second


class SimulatedOrigin(DicedOrigin):
    """See above.

    Attributes:
        faults: of calls that begin from now on.
        slower: how many times as long a document takes.
        attempts: (second, documents) of every read call, in order.
        batches: read calls so far.
        served: documents of reads that were answered.
    """

    name = "simulated"

    def __init__(self, loop: VirtualLoop, rng: Random, workers: int, service_s: float, network_s: float) -> None:
        super().__init__(loop, Dice(rng), True)
        self.faults: OriginFaults = HEALTHY
        self.slower = 1.0
        self.attempts: list[tuple[float, int]] = []
        self.served = 0
        self.capacity_per_s = workers / service_s
        self._rng = rng
        self._service_s = service_s
        self._network_s = network_s
        self._free_s = [0.0] * workers
        self._waited_for_until_ns: dict[bytes, int] = {}

    def someone_waits(self, key: bytes, until_ns: int) -> None:
        """The sidecar was asked for this key, by somebody who has so long."""
        self._waited_for_until_ns[key] = max(until_ns, self._waited_for_until_ns.get(key, 0))

    @property
    def batches(self) -> int:
        return len(self.attempts)

    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        self.attempts.append((self._loop.time(), len(reads)))
        if deadline.at_ns > max(self._waited_for_until_ns.get(read.key, 0) for read in reads):
            raise Violation("the origin was given more time than anybody waits")
        faults = self.faults
        await self._work(len(reads), faults, deadline)
        answers: list[OriginAnswer] = [self._read(read.key, read.fields) for read in reads]
        if faults.partial:
            for place in range(len(answers)):
                if self._rng.random() < faults.partial:
                    self.ever_failed = True
                    answers[place] = Failed(Cause.BUSY)
        self.served += len(reads)
        return answers

    async def _write_many(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        faults = self.faults
        began_s = self._loop.time()
        left_s = deadline.remaining_s(self._clock.ns)
        try:
            await self._work(len(writes), faults, deadline)
        except OriginUnavailable as error:
            return [Refused(Refusal.NOT_SENT, error.cause)] * len(writes)
        except OriginTimeout:
            late_s = self._rng.random() * (_QUARANTINE_LEFT_S - max(0.0, self._loop.time() - began_s - left_s))
            if self._rng.random() < 0.7:
                for write in writes:
                    self._loop.call_later(late_s, self.apply, write)
            return [UNKNOWN] * len(writes)
        answers = [self.apply(write) for write in writes]
        if faults.lost and self._rng.random() < faults.lost:
            return [UNKNOWN] * len(writes)
        return answers

    async def _work(self, documents: int, faults: OriginFaults, deadline: Deadline) -> None:
        """Be as long about it as the queue, the service and the faults make it.

        Raises:
            OriginTimeout, OriginUnavailable.
            Violation: the call was made when its time was over.
        """
        now_s = self._loop.time()
        left_s = deadline.remaining_s(self._clock.ns)
        if left_s <= 0:
            raise Violation("the origin was asked for what nobody can wait for any more")
        if faults.down:
            self.ever_failed = True
            raise OriginUnavailable(Cause.CONNECTION_REFUSED)
        done_s = now_s
        for _ in range(documents):
            begins_s = max(now_s, self._free_s[0])
            done_s = begins_s + self._service_s * self.slower * (0.5 + self._rng.random())
            heapq.heapreplace(self._free_s, done_s)
        late_s = done_s - now_s + self._network_s + faults.latency_s + self._rng.random() * faults.jitter_s
        if faults.hang or late_s >= left_s:
            self.ever_failed = True
            await self._sleep(left_s)
            raise OriginTimeout()
        await self._sleep(late_s)
        if faults.errors and self._rng.random() < faults.errors:
            self.ever_failed = True
            raise OriginUnavailable(Cause.BUSY)
