"""What the commands are given to work with: built by ``sidecar.server``, read by every handler."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from protocol.replies import Reply
from sidecar.clock import Clock
from sidecar.commands.cursors import Cursors
from sidecar.commands.later import Later
from sidecar.commands.locks import Locks
from sidecar.config import Config
from sidecar.fetch import ReadThrough, Writes
from sidecar.memory import Store
from sidecar.metrics import Counters
from sidecar.origins.base import Origin
from sidecar.prefetch._touches import TouchLog


def no_password() -> bytes | None:
    """For servers that ask for none."""
    return None


def no_connections() -> int:
    """For what serves no sockets."""
    return 0


@dataclass(slots=True)
class Services:
    """The parts of the sidecar that commands use.

    Attributes:
        policy: has ``.current``, the compiled policy.
        config: has the flags of ``serve`` as attributes.
        clients: the open connections, for CLIENT LIST, CLIENT KILL and INFO.
        password: what AUTH must bring; None: none is set. Asked each time, for its file is read again.
        connections_received: how many clients were let in since the start.
        locks: keys that belong to a running EXEC; while it is not empty the hot path is closed.
        exec_locks: lets others wait for those keys.
        started_at: seconds on the loop's clock.
        touches: is told of the keys that commands ask for: prefetching acts on it.
    """

    store: Store
    reads: ReadThrough
    writes: Writes
    origin: Origin
    policy: Any
    clock: Clock
    counters: Counters
    config: Config
    clients: Iterable[Any]
    loop: asyncio.AbstractEventLoop
    started_at: float = 0.0
    password: Callable[[], bytes | None] = no_password
    connections_received: Callable[[], int] = no_connections
    cursors: Cursors = field(default_factory=Cursors)
    locks: dict[bytes, Any] = field(default_factory=dict)
    exec_locks: Locks = field(init=False)
    touches: TouchLog = field(default_factory=TouchLog)

    def __post_init__(self) -> None:
        self.exec_locks = Locks(self.locks)


Handler = Callable[[Services, Any, list[bytes]], Reply | Later | Coroutine[Any, Any, Reply]]
