"""The policy in force, and how another one takes its place while requests run."""

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from policies import DEFAULT_POLICY, CompiledPolicy, PolicyError, Problem, load, parse
from policies.watcher import PolicyWatcher
from sidecar.logs import logger
from sidecar.policy_status import PolicyStatus

FREED_AT_ONCE, FREED_EVERY_S = 20, 0.01  # some 30 us
_log = logger("policy")


class ActivePolicy:
    """Holds the compiled policy; everyone who needs it reads ``current`` anew each time.

    Attributes:
        current: the policy in force. One reference is swapped, so nobody sees half of two.
        status: what /policy and the metrics show.
    """

    __slots__ = ("_file", "_listeners", "_loop", "_retired", "current", "status")

    def __init__(self, file: str | None) -> None:
        """Load the policy that the process starts with.

        Raises:
            PolicyError: the file is not a valid policy.
        """
        self._file = file
        self._loop: asyncio.AbstractEventLoop | None = None
        self._retired: list[object] = []
        self.status = PolicyStatus(file)
        self.current = (load(file) if file else DEFAULT_POLICY).compile(None)
        self.status.loaded(self.current.generation)
        self._listeners: list[Callable[[CompiledPolicy, CompiledPolicy], None]] = []

    def on_change(self, listener: Callable[[CompiledPolicy, CompiledPolicy], None]) -> None:
        """Call ``listener(previous, new)`` after each change."""
        self._listeners.append(listener)

    def watcher(self, loop: asyncio.AbstractEventLoop) -> PolicyWatcher[CompiledPolicy] | None:
        """What looks whether the file changed, and puts what it then holds in force; None where there is no file.

        A policy is made in a thread. The loop gets its turn again a switch interval after it has something to do.
        """
        if self._file is None:
            return None
        self._loop = loop

        executor = ThreadPoolExecutor(1, "policy")
        executor.submit(int)  # its thread starts now: that takes 2 ms

        def run(make: Callable[[], CompiledPolicy], done: Callable[[Callable[[], CompiledPolicy]], None]) -> None:
            gc.disable()  # a collection would walk over all that is being made, and the loop would stand still
            future = loop.run_in_executor(executor, make)
            future.add_done_callback(lambda future: done(future.result))
            future.add_done_callback(lambda _: gc.enable())

        return PolicyWatcher(self._file, self.made_of, self.replace, self.failed, self.current.policy.digest, run)

    def made_of(self, content: bytes, path: str) -> CompiledPolicy:
        """The policy that a file's content is, numbered after the one in force.

        Raises:
            PolicyError: it is none, or cannot be numbered.
        """
        policy = parse(content, path)
        try:
            return policy.compile(self.current)
        except ValueError as exc:
            raise PolicyError([Problem(path, 1, "", str(exc), "fewer of them")]) from exc

    def replace(self, new: CompiledPolicy) -> None:
        """Put a policy in force that was made after the one that is in force now."""
        previous, self.current = self.current, new
        self.status.loaded(new.generation)
        for listener in self._listeners:
            listener(previous, new)
        self._retired += previous.parts()
        self._free_some()
        gc.freeze()  # a policy is never garbage while it is in force: collections need not look at it
        _log.info("policy_loaded", generation=new.generation, file=self.status.file)

    def _free_some(self) -> None:
        """Let go of what is left of older policies, in steps."""
        del self._retired[-FREED_AT_ONCE:]
        if self._retired and self._loop is not None:
            self._loop.call_later(FREED_EVERY_S, self._free_some)

    def failed(self, error: PolicyError | str) -> None:
        """A changed file is no policy: the one in force stays."""
        self.status.failed(str(error))
        _log.error("policy_refused", file=self.status.file, error=str(error), generation=self.current.generation)
