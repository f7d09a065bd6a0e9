"""A client of the command layer without sockets: the real dispatcher, sessions and memory origin.

``reads`` and ``writes`` go straight to the origin and wait for ``complete()``, so a test decides when an answer comes.
Memory holds what a test puts into ``reads.memory``.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

from protocol import Session
from sidecar.clock import ManualClock
from sidecar.commands.dispatch import Dispatcher
from sidecar.commands.services import Services
from sidecar.origins.base import Applied, Found, Read
from sidecar.origins.memory import MemoryOrigin
from sidecar.resilience.deadline import Deadline


def finish(coroutine: Any) -> Any:
    """The result of a coroutine that does not suspend."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the origin suspended")


class OriginReads:
    """Misses answered by ``complete``, one read of the origin each."""

    def __init__(self, origin: MemoryOrigin, clock: ManualClock) -> None:
        self.origin, self.clock = origin, clock
        self.memory: dict[bytes, Any] = {}
        self.waiting: list[tuple[bytes, tuple[bytes, ...] | None, Any]] = []
        self.asked: list[tuple[bytes, tuple[bytes, ...] | None]] = []
        self.instead: Any = None  # answers every read in place of the origin
        self.flushed = 0

    def ask_at_all(self) -> None:
        """The origin may always be asked."""

    def lookup(self, key: bytes, fields: tuple[bytes, ...] | None) -> Any:
        return self.memory.get(key)

    def read(self, key: bytes, fields: tuple[bytes, ...] | None, then: Any, deadline: Any = None) -> None:
        self.asked.append((key, fields))
        self.waiting.append((key, fields, then))

    def string_sizes(self, keys: list[bytes]) -> list[int | None]:
        held = [self.memory.get(key) for key in keys]
        return [len(answer.value) if isinstance(answer, Found) else None for answer in held]

    def kind(self, key: bytes) -> bytes | None:
        answer = self.memory.get(key)
        if not isinstance(answer, Found):
            return None
        return b"string" if isinstance(answer.value, bytes) else b"hash"

    def flush_memory(self) -> None:
        self.memory.clear()
        self.flushed += 1

    def complete(self) -> None:
        waiting, self.waiting = self.waiting, []
        for key, fields, then in waiting:
            deadline = Deadline.after(250, self.clock.now_ns())
            then(self.instead or finish(self.origin.fetch_many([Read(key, fields)], deadline))[0])


class OriginWrites:
    """Writes applied by ``complete``, in the order submitted."""

    def __init__(self, origin: MemoryOrigin, clock: ManualClock) -> None:
        self.origin, self.clock = origin, clock
        self.waiting: list[tuple[Any, Any]] = []
        self.submitted: list[Any] = []
        self.begun: list[tuple[bytes, ...]] = []
        self.instead: dict[bytes, Any] = {}  # key -> the answer given in place of the origin's

    def submit(self, write: Any, then: Any, deadline: Deadline | None = None) -> None:
        self.submitted.append(write)
        self.waiting.append((write, then))

    def begin(self, keys: tuple[bytes, ...]) -> None:
        self.begun.append(keys)

    async def apply(self, write: Any) -> Any:
        return self._apply(write)

    def _apply(self, write: Any) -> Any:
        if write.key in self.instead:
            return self.instead[write.key]
        return finish(self.origin.write_many([write], Deadline.after(2000, self.clock.now_ns())))[0]

    def complete(self) -> None:
        waiting, self.waiting = self.waiting, []
        for write, then in waiting:
            then(self._apply(write))


class Counted:
    """Counters that remember what was added."""

    def __init__(self) -> None:
        self.commands: dict[int, int] = {}

    def add_command(self, family: int, n: int) -> None:
        self.commands[family] = self.commands.get(family, 0) + n

    def totals(self, views: int) -> tuple[dict[str, int], int]:
        return {"hit": 5, "stale": 2, "miss": 3, "negative": 1}, sum(self.commands.values())


class StoreFigures:
    """What INFO, DBSIZE and MEMORY USAGE read of the store."""

    rows, strings, memory_used, memory_limit, expired = 3, 4, 1000, 1 << 20, 6

    def __init__(self, reads: OriginReads) -> None:
        self.reads = reads
        self.evictions = {"space": 7}

    def bytes_of(self, key: bytes) -> int | None:
        return 64 if key in self.reads.memory else None


class Connection:
    """A socket's stand-in: replies are encoded by the session's own slots."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.in_order = True
        self.aborted = False
        self.full = False  # too much output waits
        self.may_run_though_full: set[int] = set()
        self.when_drained: list[Any] = []
        self.input_bytes, self.output_bytes, self.age_s = 10, 20, 3.5

    def reply(self, reply: Any) -> None:
        self.fill(self.open_slot(), reply)

    def open_slot(self, family: int = -1, held: int = 0) -> int:
        return self.session.slots.open(self.session.proto, held)

    def may_run(self, slot: int) -> bool:
        return slot in self.may_run_though_full or not self.full

    def call_when_drained(self, callback: Any) -> None:
        self.when_drained.append(callback)

    def drain(self) -> None:
        """The client has read."""
        self.full = False
        while self.when_drained:
            self.when_drained.pop(0)()

    def fill(self, slot: int, reply: Any) -> None:
        self.session.slots.fill(slot, reply)

    def abort(self) -> None:
        self.aborted = True


class Bench:
    """Services on a memory origin, and clients that talk to one dispatcher."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.clock = ManualClock()
        self.loop = loop or asyncio.new_event_loop()
        self.origin = MemoryOrigin(self.clock)
        self.reads = OriginReads(self.origin, self.clock)
        self.writes = OriginWrites(self.origin, self.clock)
        self.clients: list[Client] = []
        self.counters = Counted()
        self.secret: bytes | None = None
        policy = SimpleNamespace(
            deadline_ms=lambda key: 250,
            write_deadline_ms=lambda key: 2000,
            flush="refuse",
            view_names=["_default"],
        )
        self.policy = SimpleNamespace(current=policy)
        address = SimpleNamespace(host="127.0.0.1", port=6379)
        self.config = SimpleNamespace(
            listen=(address,),
            max_clients=100,
            max_memory=1 << 20,
            client_output_limit=1 << 20,
            max_client_memory=64 << 20,
            idle_timeout=0.0,
        )
        self.services = Services(
            store=StoreFigures(self.reads),
            reads=self.reads,
            writes=self.writes,
            origin=self.origin,
            policy=self.policy,
            clock=self.clock,
            counters=self.counters,
            config=self.config,
            clients=self.clients,
            loop=self.loop,
            password=lambda: self.secret,
        )
        self.dispatcher = Dispatcher(self.services)

    def client(self) -> "Client":
        client = Client(self, len(self.clients) + 1)
        self.clients.append(client)
        return client

    def complete(self) -> None:
        """Answer everything that waits for the origin, until nothing does."""
        for _ in range(1000):
            self.loop.run_until_complete(asyncio.sleep(0))
            if not self.reads.waiting and not self.writes.waiting and not self.dispatcher.tasks:
                return
            self.reads.complete()
            self.writes.complete()
        raise AssertionError("never done")

    def set(self, key: bytes, value: Any) -> None:
        """Put a string or a hash into the origin, behind the sidecar's back."""
        from sidecar.origins.base import HashSet, SetValue

        one = SetValue(key, value) if isinstance(value, bytes) else HashSet(key, value)
        answer = finish(self.origin.write_many([one], Deadline.after(2000, self.clock.now_ns())))[0]
        assert isinstance(answer, Applied)


class Client(Connection):
    """One connection; ``ask`` waits for the reply, ``send`` does not."""

    def __init__(self, bench: Bench, number: int) -> None:
        super().__init__(Session(number, needs_password=bench.secret is not None))
        self.bench = bench
        self.session.peer = f"127.0.0.1:{50000 + number}"
        self.session.local = "127.0.0.1:6379"

    def send(self, *args: bytes) -> bytes:
        """Send one command; the raw replies that are there at once."""
        self.bench.dispatcher.execute(self, list(args))
        return self.output()

    def line(self, text: str) -> bytes:
        """``send`` of words separated by spaces."""
        return self.send(*text.encode().split())

    def ask(self, text: str) -> bytes:
        """The raw reply, completed by the origin."""
        first = self.line(text)
        self.bench.complete()
        return first + self.output()

    def output(self) -> bytes:
        return self.session.take_output()
