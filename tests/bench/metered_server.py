"""The sidecar on asyncio's own loop, every step of which is measured; otherwise started like ``feature-sidecar``.

A step is one callback: a turn of the poller, a timer, one step of a task. Its cost is the thread's CPU time, so that
waiting for a core does not count. SIGUSR1 writes what was seen since the last one to the file that STEPS names.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import time

LIMIT_NS = 1_000_000


class Meter:
    """What happened since the last report."""

    def __init__(self) -> None:
        self.clear()
        self._collection_began_ns = 0

    def clear(self) -> None:
        """Forget."""
        self.steps = 0
        self.over_limit: dict[str, int] = {}
        self.longest_ns, self.longest_name = 0, ""
        self.collections = [0, 0, 0]
        self.collecting_ns = 0

    def note_step(self, handle: asyncio.Handle, took_ns: int) -> None:
        """A callback has run."""
        self.steps += 1
        if took_ns > self.longest_ns:
            self.longest_ns, self.longest_name = took_ns, name_of(handle)
        if took_ns > LIMIT_NS:
            name = name_of(handle)
            self.over_limit[name] = self.over_limit.get(name, 0) + 1

    def on_collection(self, phase: str, info: dict[str, int]) -> None:
        """The garbage collector starts or stops."""
        if phase == "start":
            self._collection_began_ns = time.thread_time_ns()
        else:
            self.collecting_ns += time.thread_time_ns() - self._collection_began_ns
            self.collections[info["generation"]] += 1

    def report(self, _number: int, _frame: object) -> None:
        """Write everything and begin anew."""
        seen = {
            "steps": self.steps, "over_limit": self.over_limit, "longest_ms": self.longest_ns / 1e6,
            "longest": self.longest_name, "collections": self.collections, "collecting_ms": self.collecting_ns / 1e6,
        }  # fmt: skip
        path = os.environ["STEPS"]
        with open(path + ".new", "w") as file:
            json.dump(seen, file)
        os.replace(path + ".new", path)
        self.clear()


def name_of(handle: asyncio.Handle) -> str:
    """What a callback is; of a timer that calls something else, and of a task's step, what it runs."""
    callback = getattr(handle, "_callback", None)
    owner = getattr(callback, "__self__", None)
    inner = getattr(owner, "_call", None) or getattr(callback, "func", None)
    if isinstance(owner, asyncio.Task):
        return str(getattr(owner.get_coro(), "__qualname__", "a task"))
    while hasattr(inner, "func"):
        inner = inner.func
    called = inner or callback
    return str(getattr(called, "__qualname__", type(called).__name__))


def main() -> int:
    """Serve, as the command line says."""
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # its callbacks cannot be measured one by one
    meter = Meter()
    run = asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        began = time.thread_time_ns()
        run(handle)
        meter.note_step(handle, time.thread_time_ns() - began)

    asyncio.Handle._run = measured  # type: ignore[method-assign]
    gc.callbacks.append(meter.on_collection)
    signal.signal(signal.SIGUSR1, meter.report)
    from sidecar import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
