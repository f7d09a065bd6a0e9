"""Stops asking an origin that answers nothing, and finds out when it is back.

The circuit breaker of "Release It!" (Nygard, 2007): closed; open, when everything is answered at once without asking;
half open, while one small call tries. It opens when at least FAILURES calls in a row failed and the first of them was
sent FAILING_NS ago. A ratio over a window would open later after a busy second of successes, and in a brownout, where
half the answers come, it would take those away too; a row of failures means that nothing comes any more.

One breaker per origin, not per Couchbase collection: collections of a bucket live on the same nodes and share every
cause that a breaker is for (network, node, credentials, bucket). A collection that is missing fails its own rows alone,
and those have ``read_error_backoff``.
"""

from collections.abc import Callable
from enum import Enum, IntEnum
from random import Random
from typing import Generic, TypeVar

Cause = TypeVar("Cause", bound=Enum)
FAILURES = 3
FAILING_NS = 400_000_000  # with a read's deadline of 250 ms: open 0.65 s after the origin stopped answering
FIRST_PAUSE_NS = 100_000_000
LONGEST_PAUSE_NS = 1_000_000_000
PROBE_NS = 2_000_000_000  # a probe that is not heard of after so long is given up: another may try


class BreakerState(IntEnum):
    """The gauge's numbers."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker(Generic[Cause]):
    """One origin's.

    Attributes:
        is_closed: ask as usual. Else only a probe may be sent, where ``is_due``.
        cause: why it is open.
    """

    __slots__ = (
        "_changed",
        "_failed_since_ns",
        "_failures",
        "_pause_ns",
        "_probe_at_ns",
        "_random",
        "cause",
        "is_closed",
        "state",
    )

    def __init__(
        self, cause: Cause, random: Random, changed: Callable[[BreakerState, BreakerState, Cause], None]
    ) -> None:
        """Args:
        cause: what to name before there was a failure.
        changed: told of each change, when all is done: the state before, the state now and why.
        """
        self.state = BreakerState.CLOSED
        self.is_closed = True
        self.cause = cause
        self._random = random
        self._changed = changed
        self._failures = 0
        self._failed_since_ns = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._probe_at_ns = 0

    def is_due(self, now_ns: int) -> bool:
        """Whether one call may try, where it is not closed."""
        return now_ns >= self._probe_at_ns

    def probing(self, now_ns: int) -> None:
        """A call is sent to try."""
        self._probe_at_ns = now_ns + PROBE_NS
        self._become(BreakerState.HALF_OPEN)

    def succeeded(self) -> None:
        """The origin answered a call, whatever it said of the documents."""
        self._failures = 0
        if self.state is not BreakerState.CLOSED:
            self._pause_ns = FIRST_PAUSE_NS
            self._become(BreakerState.CLOSED)

    def failed(self, cause: Cause, sent_ns: int, now_ns: int) -> None:
        """A call that was sent at ``sent_ns`` was not answered."""
        self.cause = cause
        if self.state is BreakerState.HALF_OPEN:
            self._open(now_ns)
        elif self.state is BreakerState.CLOSED:
            if not self._failures or sent_ns < self._failed_since_ns:
                self._failed_since_ns = sent_ns
            self._failures += 1
            if self._failures >= FAILURES and now_ns - self._failed_since_ns >= FAILING_NS:
                self._open(now_ns)

    def _open(self, now_ns: int) -> None:
        half = self._pause_ns // 2  # half of the pause is random: sidecars that lost one origin do not probe as one
        self._probe_at_ns = now_ns + half + int(self._random.random() * half)
        self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)
        self._failures = 0
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        before = self.state
        if state is not before:
            self.state = state
            self.is_closed = state is BreakerState.CLOSED
            self._changed(before, state, self.cause)
