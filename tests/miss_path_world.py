"""The real miss path on virtual time, over the native store and a scripted origin."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from virtual_loop import VirtualLoop

import policies
from sidecar.fetch.miss_path import build_miss_path
from sidecar.memory import Store
from sidecar.metrics import Counters
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import Cause, Failed, Origin, OriginAnswer, Read, Write, WriteAnswer
from sidecar.origins.memory import MemoryOrigin
from sidecar.resilience.deadline import Deadline

POLICY = """
version: 1
defaults: {ttl: 10s, jitter: 0%, stale_while_revalidate: 5s, stale_if_error: 60s, negative_ttl: 2s}
feature_views:
  - name: soft
    keys: "soft:{id}"
    on_unavailable: nil
  - name: quick
    keys: "quick:{id}"
    deadline: 40ms
"""


class ScriptedOrigin(Origin):
    """A memory origin whose calls are recorded and answered when the test says so.

    Attributes:
        reads, writes: the calls made, each a list of Read or Write.
        delay_s: how long a call takes; None: until ``answer_next`` is called.
        seconds_for: how long a call of so many documents takes, in place of ``delay_s``.
        broken: raised by each call instead of an answer.
        failing_keys: documents that cannot be read.
        reads_early: a read sees the origin as it is when it is asked, not when it is answered.
    """

    name = "scripted"

    def __init__(self, loop: VirtualLoop) -> None:
        self.inner = MemoryOrigin(loop.clock)
        self.reads: list[list[Read]] = []
        self.writes: list[list[Write]] = []
        self.deadlines: list[Deadline] = []
        self.delay_s: float | None = 0.001
        self.seconds_for: Callable[[int], float] | None = None
        self.broken: Exception | None = None
        self.failing_keys: set[bytes] = set()
        self.reads_early = False
        self._loop = loop
        self._held: list[asyncio.Future[None]] = []

    def answer_next(self, place: int = 0) -> None:
        """Let the oldest call that is held (or the one at ``place``) go on."""
        self._held.pop(place).set_result(None)

    async def fetch_many(self, reads: Sequence[Read], deadline: Deadline) -> list[OriginAnswer]:
        self.reads.append(list(reads))
        self.deadlines.append(deadline)
        if self.reads_early:
            answers = await self.inner.fetch_many(reads, deadline)
            await self._pass_time(len(reads))
            return answers
        await self._pass_time(len(reads))
        answers = await self.inner.fetch_many(reads, deadline)
        failed = Failed(Cause.BUSY)
        return [
            failed if read.key in self.failing_keys else answer for read, answer in zip(reads, answers, strict=True)
        ]

    async def write_many(self, writes: Sequence[Write], deadline: Deadline) -> list[WriteAnswer]:
        self.writes.append(list(writes))
        await self._pass_time(len(writes))
        return await self.inner.write_many(writes, deadline)

    async def expiries(self, key: bytes, fields: tuple[bytes, ...], deadline: Deadline) -> Any:
        return await self.inner.expiries(key, fields, deadline)

    async def scan(self, position: bytes | None, match: bytes | None, count: int, deadline: Deadline) -> Any:
        return await self.inner.scan(position, match, count, deadline)

    async def _pass_time(self, documents: int) -> None:
        broken = self.broken
        done = self._loop.create_future()
        if self.delay_s is None:
            self._held.append(done)
        else:
            seconds = self.seconds_for(documents) if self.seconds_for else self.delay_s
            self._loop.call_later(seconds, done.set_result, None)
        await done
        if broken is not None:
            raise broken


class Holder:
    """Where the running policy is found."""

    def __init__(self, policy: policies.CompiledPolicy) -> None:
        self.current = policy


class World:
    """Everything that a test of the miss path needs."""

    def __init__(self, policy: str = POLICY, reads_whole: bool = True, **options: Any) -> None:
        self.loop = VirtualLoop()
        self.clock = self.loop.clock
        self.policy = policies.parse(policy, "policy.yaml").compile(None)
        self.counters = Counters()
        self.store = Store(4 << 20, self.policy.table, self.counters, bytes(16))
        self.origin = ScriptedOrigin(self.loop)
        self.origin.reads_whole = reads_whole
        self.misses = MissPathCounters("scripted")
        path = build_miss_path(
            self.loop,
            self.clock,
            self.store,
            self.origin,
            Holder(self.policy),
            self.counters,
            self.misses,
            **options,
        )
        self.reads, self.writes = path.reads, path.writes
        self.coherence, self.quarantine = path.coherence, path.quarantine

    def behind_our_back(self, write: Write) -> None:
        """Somebody else writes to the origin."""
        self.loop.run(self.origin.inner.write_many([write], Deadline.after(1000, self.clock.now_ns())))

    def ask(self, key: bytes, *fields: bytes, **options: Any) -> list[Any]:
        """Start a read; the list gets its answer."""
        answers: list[Any] = []
        self.reads.read(key, fields or None, answers.append, **options)
        return answers

    def write(self, write: Write, **options: Any) -> list[Any]:
        """Start a write; the list gets its answer."""
        answers: list[Any] = []
        self.writes.submit(write, answers.append, **options)
        return answers

    def memory(self, key: bytes, *fields: bytes) -> Any:
        """What memory answers a client now."""
        return self.reads.lookup(key, fields or None)

    def fill(self, key: bytes, *fields: bytes) -> Any:
        """Read through until the answer is here."""
        answers = self.ask(key, *fields)
        self.pass_s(0.01)
        return answers[0]

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.settle(self.loop.time() + seconds)

    def now(self) -> None:
        """Let happen what can happen at this moment."""
        self.loop.settle(self.loop.time())
