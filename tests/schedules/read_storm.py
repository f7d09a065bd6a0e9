"""A long schedule of short windows: memory is read all the time while clocks jump, fills pause and the origin fails.

What it is after is the hard limit (F1); the oracle judges everything else too.
"""

from collections.abc import Callable
from typing import Any

from schedules.schedule import Schedule
from schedules.surroundings import native_store
from sidecar.fetch.coherence import Coherence

KEYS = 6
STEPS = 300
READS_PER_STEP = 40
STEP_S = 0.006  # entries live 30 to 500 ms
FIELDS_READ = ((b"a",), (b"b",), (b"a", b"b", b"c"), None)
# how often what happens at a step besides the reads of memory
CHANGES = (
    (Schedule.read, 30),
    (Schedule.write, 3),
    (Schedule.write_elsewhere, 20),
    (Schedule.invalidate, 1),
    (Schedule.evict, 1),
    (Schedule.jump, 1),
    (Schedule.revalidate, 4),
)


class ReadStorm(Schedule):
    """Everything follows from the seed."""

    LIMITS = ((5, 8, 60, 3), (20, 30, 100, 10), (40, 50, 60, 20))

    def __init__(
        self,
        seed: int,
        make_store: Callable[[Any], Any] = native_store,
        coherence_type: type[Coherence] = Coherence,
    ) -> None:
        super().__init__(seed, make_store, coherence_type)
        self.keys = [b"%d:%d" % (seed, number) for number in range(KEYS)]

    def run(self) -> None:
        steps, weights = zip(*CHANGES, strict=True)
        for number in range(STEPS):
            when_s = number * STEP_S
            for step in self.rng.choices(steps, weights, k=3):
                self.loop.call_at(when_s + self.rng.random() * STEP_S, step, self, self.rng.choice(self.keys))
            self.loop.call_at(when_s, self.read_memory)
        self._play()

    def read_memory(self) -> None:
        """Read many entries at this moment."""
        for key in self.rng.choices(self.keys, k=READS_PER_STEP // len(FIELDS_READ)):
            for fields in FIELDS_READ:
                self.judge_hot(key, fields)
