"""The policy in force, and how another one takes its place while requests run."""

from collections.abc import Callable

from policies import DEFAULT_POLICY, CompiledPolicy, Policy, PolicyError, load
from sidecar.logs import logger
from sidecar.policy_status import PolicyStatus

_log = logger("policy")


class ActivePolicy:
    """Holds the compiled policy; everyone who needs it reads ``current`` anew each time.

    Attributes:
        source: the checked policy that was last compiled.
        current: the policy in force. One reference is swapped, so nobody sees half of two.
        status: what /policy and the metrics show.
    """

    __slots__ = ("_listeners", "current", "source", "status")

    def __init__(self, file: str | None) -> None:
        """Load the policy that the process starts with.

        Raises:
            PolicyError: the file is not a valid policy.
        """
        self.status = PolicyStatus(file)
        self.source = load(file) if file else DEFAULT_POLICY
        self.current = self.source.compile(None)
        self.status.loaded(self.current.generation)
        self._listeners: list[Callable[[CompiledPolicy, CompiledPolicy], None]] = []

    def on_change(self, listener: Callable[[CompiledPolicy, CompiledPolicy], None]) -> None:
        """Call ``listener(previous, new)`` after each change."""
        self._listeners.append(listener)

    def replace(self, policy: Policy) -> None:
        """Put a checked policy in force. One that cannot be numbered is reported like a broken file."""
        previous = self.current
        try:
            new = policy.compile(previous)
        except ValueError as exc:
            self.failed(str(exc))
            return
        self.source, self.current = policy, new
        self.status.loaded(new.generation)
        for listener in self._listeners:
            listener(previous, new)
        _log.info("policy_loaded", generation=new.generation, file=self.status.file)

    def failed(self, error: PolicyError | str) -> None:
        """A changed file is no policy: the one in force stays."""
        self.status.failed(str(error))
        _log.error("policy_refused", file=self.status.file, error=str(error), generation=self.current.generation)
