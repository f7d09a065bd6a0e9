"""Ten million operations over an origin that is broken in ever other ways: consistency, and memory that does not grow.

Each connection owns its keys, so it knows what every reply may be: at least what it last wrote and saw acknowledged, at
most what it last wrote, never less than it was given before. A write whose outcome is unknown may show or not.
"""

import random
import time
from pathlib import Path
from threading import Thread

from adversity.process_memory import resident_bytes
from compat.wire import Wire, encode

from chaos.faulty_sidecar import FaultySidecar
from chaos.section import Section, Verdict, table

POLICY = """\
version: 1
defaults: {ttl: 500ms, jitter: 10%, stale_while_revalidate: 1s, stale_if_error: 10s, deadline: 250ms,
           write_deadline: 500ms, negative_ttl: 100ms, read_error_backoff: 200ms}
"""
FAULTS = (
    "", "latency=20ms jitter=20ms", "", "errors=50%", "down", "", "partial=20%", "lost=30% latency=2ms", "hang",
    "", "latency=300ms", "errors=10% partial=10% lost=10% jitter=30ms",
)  # fmt: skip
SAMPLE, WHOLE = (300_000, 0.5), (10_000_000, 1.5)  # operations, seconds until the next fault
CONNECTIONS, KEYS, PIPELINE = 4, 2_000, 200
WRITES = 0.02
MIB = 1 << 20


def measure(folder: Path, quick: bool) -> Section:
    """As many operations as the promise says, or a sample of them."""
    wanted, fault_s = SAMPLE if quick else WHOLE
    sidecar = FaultySidecar(folder, "--max-memory", "64MiB", origin="sqlite:///./features.db", policy=POLICY)
    clients = [_Client(sidecar, number, wanted // CONNECTIONS) for number in range(CONNECTIONS)]
    memory: list[tuple[int, int]] = []  # operations, resident bytes
    try:
        for client in clients:
            client.start()
        number = 0
        while any(client.is_alive() for client in clients):
            sidecar.faults(FAULTS[number % len(FAULTS)])
            number += 1
            time.sleep(fault_s)
            memory.append((sum(client.done for client in clients), resident_bytes(sidecar.process.pid)))
        for client in clients:
            client.join()
            if client.failure is not None:
                raise client.failure
        logged = sidecar.log().count('"level":"error"')
    finally:
        sidecar.stop()
    done = sum(client.done for client in clients)
    violations = [violation for client in clients for violation in client.violations]
    early, late = _resident(memory, done, 0.3), _resident(memory, done, 1.0)
    counts: dict[str, int] = {}
    for client in clients:
        for name, count in client.counts.items():
            counts[name] = counts.get(name, 0) + count
    return Section(
        "A long run over a faulty origin",
        f"{done:,} operations on {CONNECTIONS} connections, each with {KEYS} keys of its own, {WRITES:.0%} writes; every "
        f"{fault_s:g} s the origin (SQLite behind a wrapper) breaks in another way, {number} times in all.",
        [
            Verdict("consistency violations", "0", str(violations[:2] or 0), not violations),
            Verdict(
                "resident memory, last 10% against the tenth after the first 30%", "flat: within 5% or 4 MiB",
                f"{late / early - 1:+.1%} ({early >> 20} MiB, {late >> 20} MiB)", late <= max(1.05 * early, early + 4 * MIB),
            ),
            Verdict("internal errors in the log", "0", str(logged), logged == 0),
        ],
        table(["reply", "operations"], sorted(counts.items())),
    )  # fmt: skip


def _resident(memory: list[tuple[int, int]], done: int, until: float) -> int:
    """The median of a tenth of the run that ends at this share of it."""
    window = sorted(size for operations, size in memory if (until - 0.1) * done <= operations <= until * done)
    window = window or sorted(size for _, size in memory)
    return window[len(window) // 2]


class _Client(Thread):
    """One connection and what it may be told.

    Attributes:
        done: operations that were answered and judged.
        counts: how they ended.
    """

    def __init__(self, sidecar: FaultySidecar, number: int, wanted: int) -> None:
        super().__init__(daemon=True)
        self.done = 0
        self.counts: dict[str, int] = {}
        self.violations: list[str] = []
        self.failure: Exception | None = None
        self._wanted = wanted
        self._rng = random.Random(number)
        self._keys = [b"soak:%d:%d" % (number, each) for each in range(KEYS)]
        self._written = [0] * KEYS  # the last value that was sent
        self._least = [0] * KEYS  # no reply may be older
        self._wire = Wire(sidecar.connect())
        self._file = self._wire.client.makefile("rb", 1 << 18)

    def run(self) -> None:
        try:
            while self.done < self._wanted and len(self.violations) < 10:
                self._exchange()
        except Exception as error:
            self.failure = error

    def _exchange(self) -> None:
        """A pipeline on different keys, so that each reply can be judged by what was known before."""
        asked: list[tuple[int, int]] = []
        parts = []
        for place in self._rng.sample(range(KEYS), PIPELINE):
            if self._rng.random() < WRITES:
                self._written[place] += 1
                parts.append(encode([b"SET", self._keys[place], b"%d" % self._written[place]]))
                asked.append((place, self._written[place]))
            else:
                parts.append(encode([b"GET", self._keys[place]]))
                asked.append((place, 0))
        self._wire.send(b"".join(parts))
        for place, value in asked:
            self._judge(place, value, self._reply())
        self.done += len(asked)

    def _reply(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed")
        if line.startswith(b"$") and line != b"$-1\r\n":
            return b"$" + self._file.read(int(line[1:]) + 2)[:-2]
        return line[:-2]

    def _judge(self, place: int, value: int, reply: bytes) -> None:
        if reply.startswith(b"-"):
            self._count(("SET " if value else "GET ") + reply[1:].split(b" ")[0].decode())
            return
        if value:
            self._count("SET OK")
            self._least[place] = value
            return
        self._count("GET nil" if reply == b"$-1" else "GET value")
        seen = 0 if reply == b"$-1" else int(reply[1:])
        if not self._least[place] <= seen <= self._written[place]:
            self.violations.append(
                f"{self._keys[place]!r}: {seen}, not in {self._least[place]}..{self._written[place]}"
            )
        self._least[place] = max(self._least[place], seen)

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1
