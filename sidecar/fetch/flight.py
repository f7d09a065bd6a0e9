"""An origin read and those who wait for it."""

from collections.abc import Callable

from sidecar.fetch.answers import Answer
from sidecar.fetch.coherence import Fill
from sidecar.resilience.deadline import Deadline
from sidecar.resilience.priority import Priority


class Waiter:
    """Somebody who wants an answer once.

    Attributes:
        key, fields: what is asked; fields None: the string or the whole row.
        then: called with the answer; None once it was.
        deadline: when it must be called at the latest.
        bypass: only an origin read that is sent after this moment will do.
        flight: what it waits for.
    """

    __slots__ = ("bypass", "deadline", "fields", "flight", "key", "then")

    flight: "Flight"

    def __init__(
        self,
        key: bytes,
        fields: tuple[bytes, ...] | None,
        then: Callable[[Answer], None],
        deadline: Deadline,
        bypass: bool,
    ) -> None:
        self.key = key
        self.fields = fields
        self.then: Callable[[Answer], None] | None = then
        self.deadline = deadline
        self.bypass = bypass


class Flight(Fill):
    """An origin read with those who wait for it.

    Attributes:
        fields: which fields are asked, as an ordered set that grows until it is sent; None: the whole document.
        waiters: those to be answered.
        held: not to be sent yet.
        sent_ns: when it was sent; 0: it was not.
        deadline: the latest of its waiters'.
        refill: wanted for memory's sake, whether or not anybody waits.
        urgent: not to be held back again.
        priority: that of the most urgent who want it.
        queued: waits to be sent, since ``gathered_ns``.
        attempts: how often it was sent.
        watchers: told once whether memory kept its answer; None: nobody asked.
        is_guess: prefetching began it, and nobody asked for the row since.
    """

    __slots__ = (
        "attempts",
        "deadline",
        "fields",
        "gathered_ns",
        "held",
        "is_guess",
        "priority",
        "queued",
        "refill",
        "sent_ns",
        "urgent",
        "waiters",
        "watchers",
    )

    fields: dict[bytes, None] | None

    def __init__(
        self,
        key: bytes,
        fields: tuple[bytes, ...] | None,
        deadline: Deadline,
        priority: Priority = Priority.DEMAND,
    ) -> None:
        self.key = key
        self.fields = None if fields is None else dict.fromkeys(fields)
        self.waiters: list[Waiter] = []
        self.held = False
        self.sent_ns = 0
        self.deadline = deadline
        self.refill = False
        self.urgent = False
        self.priority = priority
        self.queued = False
        self.gathered_ns = 0
        self.attempts = 0
        self.watchers: list[Callable[[bool], None]] | None = None
        self.is_guess = False

    def covers(self, fields: tuple[bytes, ...] | None) -> bool:
        """Whether its answer will answer for ``fields``."""
        if self.fields is None:
            return True
        return fields is not None and all(field in self.fields for field in fields)

    def widen(self, fields: tuple[bytes, ...] | None) -> None:
        """Ask for these too. Only before it is sent."""
        if fields is None:
            self.fields = None
        elif self.fields is not None:
            self.fields.update(dict.fromkeys(fields))

    def board(self, waiter: Waiter) -> None:
        """Let ``waiter`` share this flight."""
        waiter.flight = self
        self.is_guess = False
        self.waiters.append(waiter)
        if not self.sent_ns and waiter.deadline.at_ns > self.deadline.at_ns:
            self.deadline = waiter.deadline

    def watch(self, then: Callable[[bool], None]) -> None:
        """Have ``then`` told whether memory kept the answer."""
        if self.watchers is None:
            self.watchers = []
        self.watchers.append(then)

    def is_wanted(self) -> bool:
        """Whether anybody still wants it."""
        if self.refill:
            return True
        for waiter in self.waiters:  # noqa: SIM110  any() would make a generator; this runs for every miss
            if waiter.then is not None:
                return True
        return False
