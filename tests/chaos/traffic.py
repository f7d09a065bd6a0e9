"""What clients ask while an origin breaks: hits, misses, keys that have a stale copy; each judged by its replies."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from compat.wire import Wire, encode

from chaos.faulty_sidecar import FaultySidecar
from chaos.hits import KEYS, SERVER_CORE, CpuPairs, Hits, key

STALE_KEYS = 200
NORMAL = "latency=5ms"
BROWNOUT = "latency=100ms errors=50%"  # 20 times as slow, and every second call fails
POLICY = """\
version: 1
defaults: {ttl: 1h, jitter: 10%, deadline: 250ms, write_deadline: 10s, negative_ttl: 1s, read_error_backoff: 1s}
feature_views:
  - {name: hot, keys: "key:{id}", ttl: 20h}
  - {name: stale, keys: "stale:{id}", ttl: 2s, stale_while_revalidate: 5s, stale_if_error: 1h}
  - {name: cold, keys: "cold:{id}"}
"""


class Reply(NamedTuple):
    """One reply: when it came, how long it took, and its error's first word; "" for an answer."""

    at_s: float
    took_s: float
    error: str


class Asker(Thread):
    """One connection that asks at a steady rate, whatever comes back; ``with`` ends it.

    Attributes:
        replies: all, in order.
    """

    def __init__(self, sidecar: FaultySidecar, per_s: float, make: Callable[[int], Sequence[bytes]]) -> None:
        super().__init__(daemon=True)
        self.replies: list[Reply] = []
        self._wire = Wire(sidecar.connect())
        self._gap_s = 1 / per_s
        self._make = make
        self._stop_asking = Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        try:
            self._ask()
        except Exception as error:
            self._failure = error

    def _ask(self) -> None:
        number = 0
        due_s = time.monotonic()
        while not self._stop_asking.wait(max(0.0, due_s - time.monotonic())):
            now_s = time.monotonic()
            due = min(10, 1 + int((now_s - due_s) / self._gap_s))  # what fell due while replies were awaited
            due_s = max(due_s + due * self._gap_s, now_s - 1)
            self._wire.send(b"".join(encode(self._make(number + each)) for each in range(due)))
            number += due
            for _ in range(due):
                reply = self._next_reply()
                came_s = time.monotonic()
                error = reply[1:].split(b" ")[0].decode() if reply.startswith(b"-") else ""
                self.replies.append(Reply(came_s, came_s - now_s, error))

    def _next_reply(self) -> bytes:
        """One bulk string, null or error, read by the byte count that its head tells."""
        line = self._lines().readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed")
        if line.startswith(b"$") and line != b"$-1\r\n":
            line += self._lines().read(int(line[1:]) + 2)
        return line

    def _lines(self):  # type: ignore[no-untyped-def]
        if not hasattr(self, "_file"):
            self._file = self._wire.client.makefile("rb")
        return self._file

    def __enter__(self) -> "Asker":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop_asking.set()
        self.join()
        self._wire.close()
        if self._failure is not None:
            raise self._failure

    def between(self, begins_s: float, ends_s: float) -> list[Reply]:
        """Those that came in a span of time.monotonic()."""
        return [reply for reply in list(self.replies) if begins_s <= reply.at_s < ends_s]


def cold(sidecar: FaultySidecar, per_s: float, name: str = "") -> Asker:
    """Keys that nobody asked for before: each needs the origin."""
    return Asker(sidecar, per_s, lambda number: (b"GET", b"cold:%b%d" % (name.encode(), number)))


def stale(sidecar: FaultySidecar, per_s: float) -> Asker:
    """Keys that memory holds a copy of, however old."""
    return Asker(sidecar, per_s, lambda number: (b"GET", b"stale:%d" % (number % STALE_KEYS)))


def prepare(sidecar: FaultySidecar) -> None:
    """Put into memory what is read from it."""
    wire = Wire(sidecar.connect())
    sets = [encode((b"SET", key(number), b"%064d" % number)) for number in range(KEYS)]
    sets += [encode((b"SET", b"stale:%d" % number, b"%064d" % number)) for number in range(STALE_KEYS)]
    for first in range(0, len(sets), 500):
        replies = wire.exchange_raw(b"".join(sets[first : first + 500]))
        if replies.count(b"+OK\r\n") != len(sets[first : first + 500]):
            raise RuntimeError(f"SET: {replies[:200]!r}")
    wire.close()
    sidecar.faults(NORMAL)


def succeeded(replies: Sequence[Reply]) -> float:
    """The share of answers."""
    return sum(not reply.error for reply in replies) / max(1, len(replies))


def recovered_after_s(replies: Sequence[Reply], ended_s: float, share: float = 0.99, window_s: float = 0.5) -> float:
    """Seconds from the end of a fault until a whole window of replies succeeds; infinite: never."""
    at_s = ended_s
    while replies and at_s + window_s <= replies[-1].at_s:
        window = [reply for reply in replies if at_s <= reply.at_s < at_s + window_s]
        if window and succeeded(window) >= share:
            return at_s - ended_s
        at_s += window_s / 5
    return float("inf")


def cpu_per_hit(folder: Path, faults: str, pairs: int, seconds: float) -> CpuPairs:
    """Hits at full speed beside misses and stale keys, with and without the fault in turn, on one server."""
    hits = Hits(folder)
    own = folder / "pairs"
    own.mkdir()
    sidecar = FaultySidecar(own, origin="memory://", policy=POLICY, core=SERVER_CORE)
    seen = []
    try:
        prepare(sidecar)
        with cold(sidecar, 50), stale(sidecar, 100):
            for number in range(pairs):
                cpu = {}
                for faulty in (False, True) if number % 2 == 0 else (True, False):
                    sidecar.faults(faults if faulty else NORMAL)
                    time.sleep(min(6.0, seconds))  # past the switch: the breaker has opened, or closed again
                    cpu[faulty] = hits.cpu_us(sidecar, seconds, number)
                seen.append((cpu[False], cpu[True]))
    finally:
        sidecar.stop()
    return CpuPairs(seen)
