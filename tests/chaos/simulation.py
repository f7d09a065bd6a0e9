"""Minutes of traffic over an origin that breaks, on virtual time: the real miss path, memory tier and coherence.

Everything follows from the seed: how much is asked, of which rule, and what happens to the origin when. It is judged
while it runs (consistency, hard limits, deadlines: see schedules/schedule.py, whose oracle this extends) and at its end
(how often the origin was asked, whether anybody was forgotten, how soon all was well again: judgement.py).
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from schedules.history import Violation
from schedules.schedule import Schedule
from schedules.surroundings import SchedulePolicy, native_store

from chaos.faulty_origin import HEALTHY, OriginFaults
from chaos.simulated_origin import SimulatedOrigin
from sidecar.fetch.answers import Answer, Unavailable
from sidecar.origins.base import Cause, SetValue
from sidecar.resilience.deadline import Deadline

LATE_NS = 3_000_000  # alarms ring up to 2 ms late


class Policy(SchedulePolicy):
    """One rule for everything; the backoff is the policy file's default."""

    def read_error_backoff_ms(self, key: bytes) -> int:
        return 1000


class Fault(NamedTuple):
    """What happens to the origin from one moment to another, in seconds.

    Attributes:
        flap_s: on and off again after so many seconds each; 0: all the time.
    """

    name: str
    begins_s: float
    ends_s: float
    faults: OriginFaults
    slower: float = 1.0
    flap_s: float = 0.0

    @property
    def is_total(self) -> bool:
        """Nothing is answered while it lasts."""
        return not self.flap_s and (self.faults.down or self.faults.hang or self.faults.errors == 1)


class Asked(NamedTuple):
    """A read that went to the miss path: when, how long it took, and how it ended (None: with an answer)."""

    began_s: float
    took_s: float
    cause: Cause | None


NO_FAULT = Fault("none", 0, 0, HEALTHY)


def some_fault(choose: Callable[[Any], Any], begins_s: float, ends_s: float) -> Fault:
    """One of the ways in which an origin breaks."""
    faults = {
        "none": HEALTHY,
        "down": OriginFaults(down=True),
        "hang": OriginFaults(hang=True),
        "errors": OriginFaults(errors=1.0),
        "brownout": OriginFaults(latency_s=0.06, jitter_s=0.06, errors=0.5),
        "some errors": OriginFaults(errors=0.3),
        "partial": OriginFaults(partial=0.3),
        "lost": OriginFaults(lost=0.5, jitter_s=0.1),
        "slow": OriginFaults(),
        "flap": OriginFaults(down=True),
        "flap, hanging": OriginFaults(hang=True),
    }
    name = choose(list(faults))
    slower = 10.0 if name == "slow" else 1.0
    return Fault(name, begins_s, ends_s, faults[name], slower, 1.0 if name.startswith("flap") else 0.0)


class Simulation(Schedule):
    """One seed.

    Attributes:
        load: misses asked for, as a share of the origin's capacity; more than 1 is overload.
        fault: what happens to the origin.
        asked: every read that memory did not answer.
        wanted: origin reads begun, by second: the yardstick for attempts.
    """

    # fresh, stale, error, negative ticks: read through, no stale copies, stale copies
    LIMITS = ((0, 0, 0, 0), (60, 60, 60, 20), (60, 160, 6000, 20), (10, 20, 300, 5))
    DEADLINE_MS, WRITE_DEADLINE_MS = 250, 2000  # the policy file's defaults
    KEYS = 300
    IS_UNIFORM = False  # else a few keys are asked for most of the time, as users are
    WORKERS = 4
    NETWORK_S = 0.001
    CAPACITY_PER_S = 400.0

    origin: SimulatedOrigin

    def __init__(
        self,
        seed: int,
        make_store: Callable[[Any], Any] = native_store,
        length_s: float = 12.0,
        load: float | None = None,
        fault: Fault | None = None,
        limits: tuple[int, int, int, int] | None = None,
    ) -> None:
        if limits is not None:
            self.LIMITS = (limits,)
        super().__init__(seed, make_store)
        rng = self.rng
        self.length_s = length_s
        self.load = rng.choice((0.2, 0.7, 3.0)) if load is None else load
        self.fault = fault or some_fault(rng.choice, length_s / 4, length_s / 4 + rng.choice((0.5, 3.0)))
        self.keys = [b"%d:%d" % (seed, number) for number in range(self.KEYS)]
        self.write_share = rng.choice((0.0, 0.05))
        self._traffic = Random(seed)  # the same arrivals whatever the origin does
        self.asked: list[Asked] = []
        self.wanted: Counter[int] = Counter()
        self.served_from_memory = 0
        self._watch()
        for key in self.keys:
            self.origin.apply(SetValue(key, b"0"))

    def _make_policy(self) -> SchedulePolicy:
        return Policy(self.limits, self.DEADLINE_MS, self.WRITE_DEADLINE_MS)

    def _make_control(self, random: Random) -> dict[str, Any]:
        return {"random": random}

    def _make_origin(self) -> SimulatedOrigin:
        return SimulatedOrigin(self.loop, self.rng, self.WORKERS, self.WORKERS / self.CAPACITY_PER_S, self.NETWORK_S)

    def _watch(self) -> None:
        """Note every read, and every flight begun, as they pass."""
        reads, singleflight = self.path.reads, self.path.reads._singleflight
        read, begin = reads.read, singleflight.begin

        def watched_read(key: bytes, fields: Any, then: Callable[[Answer], None], deadline: Any, bypass: bool) -> None:
            began_s, began_ns = self.loop.time(), self.clock.ns
            deadline_ns = deadline.at_ns if deadline else began_ns + self._deadline_ns
            self.origin.someone_waits(key, deadline_ns)
            limit_ns = deadline_ns + LATE_NS

            def told(answer: Answer) -> None:
                if self.clock.ns > limit_ns:
                    raise Violation(f"a read was answered {(self.clock.ns - limit_ns) / 1e6:.0f} ms after its deadline")
                cause = answer.cause if isinstance(answer, Unavailable) else None
                self.asked.append(Asked(began_s, self.loop.time() - began_s, cause))
                then(answer)

            read(key, fields, told, deadline, bypass)

        def watched_begin(key: bytes, fields: Any, deadline: Deadline, *rest: Any, **options: Any) -> Any:
            self.wanted[int(self.loop.time())] += 1
            self.origin.someone_waits(key, deadline.at_ns)
            return begin(key, fields, deadline, *rest, **options)

        reads.read = watched_read
        singleflight.begin = watched_begin

    def run(self) -> None:
        """Play it to the end.

        Raises:
            Violation: a promise was broken.
        """
        fault = self.fault
        step_s = fault.flap_s or fault.ends_s - fault.begins_s
        when_s, on = fault.begins_s, True
        while step_s and when_s < fault.ends_s:
            self.loop.call_at(when_s, self._set_faults, on)
            when_s, on = when_s + step_s, not on
        self.loop.call_at(fault.ends_s, self._set_faults, False)
        self._next_arrival()
        self._play()

    def _set_faults(self, on: bool) -> None:
        self.origin.faults = self.fault.faults if on else HEALTHY
        self.origin.slower = self.fault.slower if on else 1.0

    def _next_arrival(self) -> None:
        """Arrivals are independent of answers: nobody waits for the server before asking."""
        gap_s = self._traffic.expovariate(self.load * self.origin.capacity_per_s)
        if self.loop.time() + gap_s < self.length_s:
            self.loop.call_later(gap_s, self._arrive)

    def _arrive(self) -> None:
        self._next_arrival()
        traffic = self._traffic
        number = traffic.randrange(self.KEYS) if self.IS_UNIFORM else int(traffic.paretovariate(0.6)) - 1
        key = self.keys[min(number, self.KEYS - 1)]
        before = len(self.asked)
        dice = traffic.random()
        if dice < self.write_share:
            self.write(key)
        elif dice < self.write_share + 0.02:
            self.write_elsewhere(key)
        else:
            self.read(key)
            self.served_from_memory += len(self.asked) == before

    def _some_deadline(self) -> None:
        """The policy's."""
        return None
