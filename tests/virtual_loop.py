"""An event loop on virtual time: it never waits, its clock jumps to the next timer.

Tasks and futures are asyncio's own, so the code under test is what runs in production. A run of a few dozen
callbacks costs tens of microseconds.
"""

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sidecar.clock import ManualClock

Result = TypeVar("Result")


class _Handle:
    """What call_soon and its family return."""

    __slots__ = ("args", "callback", "context")

    def __init__(self, callback: Callable[..., Any] | None, args: tuple[Any, ...], context: Any) -> None:
        self.callback = callback
        self.args = args
        self.context = context

    def cancel(self) -> None:
        self.callback = None

    def run(self) -> None:
        if self.callback is None:
            return
        if self.context is None:
            self.callback(*self.args)
        else:
            self.context.run(self.callback, *self.args)


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs what is due, then moves the clock to the next timer.

    Attributes:
        clock: moved together with the loop's own time; a test may push it further (a suspend, a paused process).
        errors: what was reported to the exception handler.
        turns: iterations so far.
    """

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.errors: list[dict[str, Any]] = []
        self.turns = 0
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[float, int, _Handle]] = []
        self._timers_made = 0
        self._time_s = 0.0
        self._elapsed_ns = 0  # what it moved the clocks by
        self._elapsed_ms = 0

    def time(self) -> float:
        return self._time_s

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        return self.call_at(self._time_s + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args, context)
        self._timers_made += 1  # timers of one moment run in the order they were made
        heapq.heappush(self._timers, (when, self._timers_made, handle))
        return handle

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coroutine: Any, *, name: Any = None, context: Any = None) -> "asyncio.Task[Any]":
        return asyncio.Task(coroutine, loop=self)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def turn(self) -> None:
        """Run what is ready now, as one iteration of a real loop does: what it adds runs in the next."""
        self.turns += 1
        for _ in range(len(self._ready)):
            self._ready.popleft().run()

    def settle(self, until_s: float | None = None) -> None:
        """Run until nothing is left to do, or nothing before ``until_s``."""
        self._run(until_s, lambda: False)

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run until ``coroutine`` is done."""
        task = self.create_task(coroutine)
        self._run(None, task.done)
        assert task.done(), "the loop has nothing left to do and the coroutine still waits"
        return task.result()  # type: ignore[no-any-return]

    def _run(self, until_s: float | None, is_enough: Callable[[], bool]) -> None:
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            while not is_enough():
                if self._ready:
                    self.turn()
                elif self._timers and (until_s is None or self._timers[0][0] <= until_s):
                    when, _, handle = heapq.heappop(self._timers)
                    if handle.callback is not None:
                        self._advance(when)
                        self._ready.append(handle)
                else:
                    if until_s is not None:
                        self._advance(until_s)
                    break
        finally:
            events._set_running_loop(before)

    def _advance(self, when: float) -> None:
        """Move both clocks; what a test moved them by itself stays between."""
        if when > self._time_s:
            self._time_s = when
            step_ns = round(when * 1e9) - self._elapsed_ns  # of the whole way, so that no rounding adds up
            self._elapsed_ns += step_ns
            self.clock.ns += step_ns
            step_ms = self._elapsed_ns // 1_000_000 - self._elapsed_ms
            self._elapsed_ms += step_ms
            self.clock.wall += step_ms
