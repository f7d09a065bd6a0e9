"""The miss path with prefetching beside it, on virtual time: what the tests of both ways share."""

from typing import Any

from miss_path_world import Holder, World

from sidecar.clock import ceil_tick
from sidecar.maintenance import maintain_memory
from sidecar.prefetch import Prefetcher, TouchLog
from sidecar.prefetch.set_state import SetState


class Side(World):
    """A world whose requests prefetching is told of, as the poller tells it."""

    def __init__(self, policy: str, **options: Any) -> None:
        super().__init__(policy, **options)
        self.touches = TouchLog()
        self.prefetcher = Prefetcher(self.clock, self.store, self.reads, Holder(self.policy), self.touches, self.misses)

    def request(self, *keys: bytes, connection: int = 1) -> list[Any]:
        """One turn of one connection: hits as the hot path notes them, misses as the dispatcher does."""
        self.touches.begin(connection, self.now_tick())
        answers = []
        for key in keys:
            answer = self.memory(key)
            if answer is None:
                self.touches.add([key])
                answers.append(self.ask(key))
            else:
                self.touches.touch(key, self.policy.row_rule(key))
                answers.append([answer])
        self.touches.end()
        self.prefetcher.take()
        return answers

    def now_tick(self) -> int:
        """The time as the poller reads it for a turn."""
        return ceil_tick(self.clock.now_ns())

    def state(self) -> SetState:
        return self.prefetcher.states[0]

    def settle(self, seconds: float = 0.01) -> None:
        """Time passes, and the upkeep that comes with it."""
        self.pass_s(seconds)
        for _ in range(5):  # so often between two ticks
            maintain_memory(self.store, self.clock)
        self.prefetcher.tick()
