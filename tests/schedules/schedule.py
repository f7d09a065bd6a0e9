"""One seeded schedule: clients, other writers, invalidations, evictions and clock jumps over the real miss path."""

from collections.abc import Callable
from random import Random
from typing import Any

from virtual_loop import VirtualLoop

from policies import RuleTable
from schedules.history import FIELDS, History, Violation
from schedules.origin import Dice, DicedOrigin
from schedules.surroundings import NoCounter, SchedulePolicy, native_store
from sidecar.clock import ManualClock, ceil_tick
from sidecar.fetch.answers import Answer, Unavailable
from sidecar.fetch.coherence import Coherence, overlaps
from sidecar.fetch.memory_tier import Window
from sidecar.fetch.miss_path import build_miss_path
from sidecar.fetch.written import reserved_by
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.origins.base import (
    Absent,
    Applied,
    Condition,
    Delete,
    Expire,
    Found,
    HashDelete,
    HashSet,
    SetValue,
    Unknown,
    Write,
    WriteAnswer,
)
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.retry_budget import RetryBudget

TICK_MS = 10
DEADLINES_MS = (None, None, 4, 10, 30, 100)
CHUNKS_OF_FIELDS = ((b"a",), (b"b",), (b"a", b"b"), (b"b", b"c"), None, None)


class Schedule:
    """Everything follows from the seed."""

    # fresh, stale, error and negative ticks: nothing cached, short windows, long ones (where incoherence would show)
    LIMITS: tuple[tuple[int, int, int, int], ...] = ((0, 0, 0, 0), (5, 8, 60, 3), *[(1000, 1500, 2000, 800)] * 2)

    def __init__(
        self,
        seed: int,
        make_store: Callable[[RuleTable], Any] = native_store,
        coherence_type: type[Coherence] = Coherence,
    ) -> None:
        self.rng = rng = Random(seed)
        self.loop = VirtualLoop(ManualClock())
        self.clock = self.loop.clock
        self.limits = rng.choice(self.LIMITS)
        policy = self._make_policy()
        self.store = make_store(policy.table)
        self.origin = self._make_origin()
        self.counters = MissPathCounters("diced")
        self.path = build_miss_path(
            self.loop,
            self.clock,
            self.store,
            self.origin,
            policy,
            NoCounter(),
            self.counters,
            stripes=rng.choice((1, 64)),
            **self._make_control(Random(seed)),
            coherence_type=coherence_type,
        )
        self.keys = [b"%d:%d" % (seed, number) for number in range(rng.choice((1, 1, 2)))]
        self.unanswered = 0
        self.judged = 0
        self.jumped_ns = 0
        self.timed_out = False
        self._values = 0
        self._deadline_ns = policy.deadline_ms(b"") * 1_000_000

    def _make_policy(self) -> SchedulePolicy:
        return SchedulePolicy(self.limits, self.rng.choice((30, 250)), self.rng.choice((60, 2000)))

    def _make_control(self, random: Random) -> dict[str, Any]:
        """More reads are asked twice than in production."""
        self.origin.supports_hedging = random.random() < 0.3
        return {"retries": RetryBudget(random.choice((0.1, 1.0))), "random": random}

    def _make_origin(self) -> DicedOrigin:
        return DicedOrigin(self.loop, Dice(self.rng), self.rng.random() < 0.6)

    def run(self) -> None:
        """Play it to the end.

        Raises:
            Violation: a promise was broken.
        """
        rng = self.rng
        gap_s = self.origin.latency_s * rng.choice((0.1, 0.3, 1))  # so that much is under way at once
        when_s = 0.0
        for step in rng.choices(_STEPS, rng.choice(_WEIGHTS), k=rng.randrange(8, 24)):
            when_s += rng.random() * gap_s * 2
            self.loop.call_at(when_s, step, self, rng.choice(self.keys))
        self._play()

    def _play(self) -> None:
        self.loop.settle()
        for error in self.loop.errors:
            raise error["exception"]
        if self.unanswered:
            raise Violation(f"{self.unanswered} requests were never answered")
        if self.path.coherence.fills or self.path.coherence.marks or len(self.path.quarantine):
            raise Violation("something is still under way when nothing is left to do")

    # What may happen at one moment

    def read(self, key: bytes) -> None:
        """A client reads: memory, else the origin."""
        fields = self.rng.choice(CHUNKS_OF_FIELDS)
        history = self.origin.history(key)
        answer = self.path.reads.lookup(key, fields)
        if answer is not None:
            self._judge_memory(history, fields, answer)
        else:
            self._ask(history, fields, False)

    def read_past_memory(self, key: bytes) -> None:
        """A client insists on the origin."""
        self._ask(self.origin.history(key), self.rng.choice(CHUNKS_OF_FIELDS), True)

    def look_up_hot(self, key: bytes) -> None:
        """The hot path answers a client: it knows no marks, only the busy flag."""
        self.judge_hot(key, self.rng.choice(CHUNKS_OF_FIELDS))

    def judge_hot(self, key: bytes, fields: tuple[bytes, ...] | None) -> None:
        """The hot path reads."""
        self.store.set_time(ceil_tick(self.clock.ns), self.clock.wall)
        answer = self.store.lookup(key, fields, Window.STALE)
        if answer is not None:
            self._judge_memory(self.origin.history(key), fields, answer)

    def write(self, key: bytes) -> None:
        """A client writes."""
        write = self._some_write(key)
        self.unanswered += 1
        told = 0

        def then(answer: WriteAnswer) -> None:
            nonlocal told
            told += 1
            if told > 1:
                raise Violation("a write was answered twice")
            self.unanswered -= 1
            history = self.origin.history(key)
            if isinstance(answer, Applied):
                history.raise_floors_to(self.origin.applied[id(write)], reserved_by(write))
            elif isinstance(answer, Unknown) and not (key in self.path.quarantine or key in self.path.coherence.marks):
                raise Violation("a write's outcome is unknown and its key is not in quarantine")
            self._probe(key)

        self.path.writes.submit(write, then)

    def begin_writes(self, key: bytes) -> None:
        """An EXEC takes the key: what waits to be sent begins now."""
        self.path.writes.begin([key])

    def write_elsewhere(self, key: bytes) -> None:
        """Another process writes to the origin."""
        self.origin.apply(self._some_write(key))

    def invalidate(self, key: bytes) -> None:
        """Somebody tells us that the key was changed: from now on nothing older may be seen."""
        self.path.reads.invalidate([key])
        self.origin.history(key).raise_floors(None)

    def invalidate_all(self, key: bytes) -> None:
        """The same for all keys, by pattern or by emptying memory."""
        if self.rng.random() < 0.5:
            self.path.reads.flush_memory()
        else:
            self.path.reads.invalidate_match(b"*")
        for each in self.keys:
            self.origin.history(each).raise_floors(None)

    def evict(self, key: bytes) -> None:
        """Memory needs the room."""
        self.store.drop(key)

    def jump(self, key: bytes) -> None:
        """The machine was suspended."""
        step_ms = self.rng.choice((20, 90, 400, 12_000))
        self.clock.ns += step_ms * 1_000_000
        self.clock.wall += step_ms
        self.jumped_ns += step_ms * 1_000_000

    def revalidate(self, key: bytes) -> None:
        """The hot path served a stale entry."""
        self.path.reads.revalidate([key])

    # Judging

    def _ask(self, history: History, fields: tuple[bytes, ...] | None, bypass: bool) -> None:
        floors = history.floors.copy()
        if bypass:
            floors = dict.fromkeys(FIELDS, len(history.versions) - 1)
        began_ns = self.clock.ns
        deadline = self._some_deadline()
        deadline_ns = deadline.at_ns if deadline else began_ns + self._deadline_ns
        self.unanswered += 1
        told = 0

        def then(answer: Answer) -> None:
            nonlocal told
            told += 1
            if told > 1:
                raise Violation("a read was answered twice")
            self.unanswered -= 1
            if isinstance(answer, Unavailable):
                self.timed_out = True
                return
            history = self.origin.history(key)
            history.observe(answer, fields, floors)
            self.judged += 1
            self.timed_out |= self.clock.ns >= deadline_ns
            self._judge_age(history, fields, answer, began_ns)
            self._probe(key)

        key = history.key
        before = self._older_than_writes(key)
        self.path.reads.read(key, fields, then, deadline, bypass)
        for fill in before:
            if any(waiter.then is then for waiter in fill.waiters):
                raise Violation("a read during a write joined an older flight")

    def _probe(self, key: bytes) -> None:
        """Right after an answer the hot path could read all that memory holds."""
        for fields in _PROBES:
            self.judge_hot(key, fields)

    def _some_deadline(self) -> Deadline | None:
        """The policy's, or one so short that patience with older flights and writes runs out early."""
        budget_ms = self.rng.choice(DEADLINES_MS)
        return None if budget_ms is None else Deadline.after(budget_ms, self.clock.ns)

    def _older_than_writes(self, key: bytes) -> list[Any]:
        """Flights in the air that were sent before a write was that is in the air too."""
        writes = self.origin.in_the_air.get(key)
        if writes is None:
            return []
        sent_ns = writes[-1][1]
        return [fill for fill in self.path.coherence.fills.get(key, ()) if fill.sent_ns < sent_ns]

    def _judge_memory(self, history: History, fields: tuple[bytes, ...] | None, answer: Found | Absent) -> None:
        """Memory answered."""
        key = history.key
        if key in self.path.quarantine:
            raise Violation("memory answered for a key in quarantine")
        reserved = [mark.reserved for mark in self.path.coherence.marks.get(key, ())]
        reserved += [reserved_by(write) for write, _ in self.origin.in_the_air.get(key, ())]
        if any(overlaps(each, fields) for each in reserved):
            raise Violation("memory answered for what a write reserves")
        history.observe(answer, fields, history.floors)
        self.judged += 1
        hard_ms = max(self.limits[1], self.limits[3]) * TICK_MS
        for field in fields or FIELDS:
            until_ns, by_expiry = history.last_true_ns(answer, field)
            if self.clock.ns - until_ns >= (0 if by_expiry else hard_ms * 1_000_000):
                raise Violation(f"{key!r} {field!r} was served past its hard limit")

    def _judge_age(
        self, history: History, fields: tuple[bytes, ...] | None, answer: Found | Absent, began_ns: int
    ) -> None:
        """A reader that waited was answered: by the origin, or by memory in its widest window."""
        windows = self.limits[2] if self.origin.ever_failed or self.timed_out else self.limits[1]
        hard_ns = max(windows, self.limits[3]) * TICK_MS * 1_000_000
        flight_ns = 260_000_000 + self.jumped_ns  # a flight that was shared may have been sent so long before
        for field in fields or FIELDS:
            until_ns, _ = history.last_true_ns(answer, field)
            if began_ns - until_ns >= hard_ns + flight_ns:
                raise Violation(f"{history.key!r} {field!r} was served past its hard limit by a read")

    def _some_write(self, key: bytes) -> Write:
        rng = self.rng
        self._values += 1
        value = b"%d" % self._values
        kind = rng.randrange(10)
        if kind < 4:
            fields = rng.choice(((b"a",), (b"b",), (b"a", b"c")))
            return HashSet(key, dict.fromkeys(fields, value), only_absent=rng.random() < 0.1)
        if kind < 5:
            return HashDelete(key, rng.choice(((b"a",), (b"a", b"b"))))
        if kind < 6:
            return Delete(key)
        if kind < 7:
            return Expire(key, self.clock.wall + rng.randrange(1, 300))
        expiry_ms = self.clock.wall + rng.randrange(1, 300) if rng.random() < 0.3 else None
        condition = rng.choice((Condition.ALWAYS, Condition.ALWAYS, Condition.IF_ABSENT, Condition.IF_PRESENT))
        return SetValue(key, value, condition, expiry_ms)


_STEPS = (
    Schedule.read,
    Schedule.read_past_memory,
    Schedule.look_up_hot,
    Schedule.write,
    Schedule.write_elsewhere,
    Schedule.invalidate,
    Schedule.invalidate_all,
    Schedule.evict,
    Schedule.jump,
    Schedule.revalidate,
    Schedule.begin_writes,
)
_WEIGHTS = (  # for each of these, how often
    (40, 8, 8, 16, 20, 2, 2, 1, 1, 3, 1),  # all of it
    (30, 15, 4, 8, 40, 0, 0, 0, 0, 0, 0),  # reads that cross, of what others write
    (20, 4, 8, 40, 20, 4, 4, 1, 0, 2, 8),  # many writes
    (40, 2, 8, 8, 20, 0, 0, 0, 12, 10, 1),  # time
)
_PROBES = ((b"a",), (b"b",), (b"c",), None)
