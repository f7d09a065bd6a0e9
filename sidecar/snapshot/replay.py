"""Reading a snapshot's keys again: hottest first, with what the origin has to spare, whether or not traffic comes."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Protocol

from sidecar.clock import Clock, ceil_tick
from sidecar.memory import Store
from sidecar.memory._restore import Frame, has_room, keys_to_read
from sidecar.snapshot.errors import SnapshotRefused
from sidecar.snapshot.reader import SnapshotFile
from sidecar.snapshot.threads import in_thread
from sidecar.snapshot_status import SnapshotStatus

KEYS_PER_STEP = 64  # judged in one step of the loop: a tenth of a millisecond at most
READS_PER_STEP = 64  # sent: half of one
PAUSE_S = 0.001  # between two steps: hits have the rest
NO_PLACE_S = 0.005  # after which spare concurrency is asked for again, where no read of ours lands before
MOST_OUT = 1000  # reads asked for and not landed
ATTEMPTS = 3  # of a key whose read fails
SETTLE_S = 0.1  # of the time that stopping may take
FAILING = 16  # reads in a row that brought nothing: the origin is away, and its keys are not to be used up
FAILING_PAUSE_S = 1.0

Then = Callable[[bool], None]


class Speculate(Protocol):
    """ReadThrough.speculate."""

    def __call__(self, key: bytes, then: Then | None = None) -> bool:
        """Read the row if there is a spare place now; ``then(kept)`` follows if so."""


class Replay:
    """Goes through a checked snapshot once.

    Args:
        on_progress: called when keys are done.
    """

    def __init__(
        self,
        file: SnapshotFile,
        store: Store,
        clock: Clock,
        speculate: Speculate,
        status: SnapshotStatus,
        on_progress: Callable[[], None],
    ) -> None:
        self._frames = file.frames()
        self._store = store
        self._clock = clock
        self._speculate = speculate
        self._status = status
        self._on_progress = on_progress
        self._waiting: deque[bytes] = deque()  # of the frame in hand
        self._again: deque[tuple[bytes, int]] = deque()  # failed: key and attempts so far
        self._out: set[bytes] = set()  # asked for and not landed
        self._reading: asyncio.Future[bytes | None] | None = None
        self._failed_in_a_row = 0
        self._has_landed = asyncio.Event()

    async def run(self) -> None:
        """Until every key is done, or memory is full.

        Raises:
            SnapshotRefused: the file changed under us.
        """
        while (frame := await self._next_frame()) is not None:
            self._waiting.extend(Frame(frame).keys())
            while self._waiting and has_room(self._store):
                await self._step()
            if self._waiting:
                break
        while (self._again or self._out) and has_room(self._store):
            await self._try_again()

    def keys_left(self) -> Iterator[list[bytes]]:
        """What was not done when ``run`` was cancelled, for the next snapshot; reads the file."""
        yield [*self._out, *self._waiting, *(key for key, _ in self._again)]
        with contextlib.suppress(SnapshotRefused, ValueError):
            if self._reading is not None:
                if not self._reading.done():
                    return
                if (frame := self._reading.result()) is not None:
                    yield Frame(frame).keys()
            for frame in self._frames:
                yield Frame(frame).keys()

    async def _next_frame(self) -> bytes | None:
        self._reading = in_thread(lambda: next(self._frames, None))
        frame = await asyncio.shield(self._reading)
        self._reading = None
        return frame

    async def settle(self) -> None:
        """``run`` was cancelled: have the disk's last answer, if it comes."""
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=SETTLE_S)

    async def _step(self) -> None:
        """Some keys of the frame: those that memory cannot answer leave for the origin."""
        self._store.set_time(ceil_tick(self._clock.now_ns()), self._clock.wall_ms())
        keys = list(islice(self._waiting, KEYS_PER_STEP))
        missing = set(keys_to_read(self._store, keys))
        sent = 0
        for key in keys:
            if key in missing:
                await self._send(key, 1)
                sent += 1
            else:
                self._status.keys["answered"] += 1
            self._waiting.popleft()
            if sent == READS_PER_STEP:
                sent = 0
                await asyncio.sleep(PAUSE_S)
        self._on_progress()
        await asyncio.sleep(PAUSE_S)

    async def _send(self, key: bytes, attempt: int) -> None:
        """Have one key read as soon as there is a place; while the origin seems away, one key a second."""
        while self._is_failing() and self._out:
            await self._wait_for_place()
        if self._is_failing():
            await asyncio.sleep(FAILING_PAUSE_S)
        while len(self._out) >= MOST_OUT or not self._speculate(key, partial(self._landed, key, attempt)):
            await self._wait_for_place()
        self._out.add(key)

    async def _wait_for_place(self) -> None:
        """Until a read has landed, or a while."""
        self._has_landed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NO_PLACE_S):
                await self._has_landed.wait()

    def _is_failing(self) -> bool:
        return self._failed_in_a_row >= FAILING

    def _landed(self, key: bytes, attempt: int, kept: bool) -> None:
        self._out.discard(key)
        self._has_landed.set()
        if kept:
            self._failed_in_a_row = 0
            self._status.keys["replayed"] += 1
            self._on_progress()
            return
        if not self._is_failing():  # else it is the origin that fails, not the key
            attempt += 1
        self._failed_in_a_row += 1
        if attempt <= ATTEMPTS:
            self._again.append((key, attempt))
        else:
            self._status.keys["failed"] += 1

    async def _try_again(self) -> None:
        """One more attempt for a key whose read failed, unless memory has it by now."""
        if not self._again:
            await self._wait_for_place()
            return
        key, attempt = self._again.popleft()
        self._store.set_time(ceil_tick(self._clock.now_ns()), self._clock.wall_ms())
        if keys_to_read(self._store, [key]):
            await self._send(key, attempt)
        else:
            self._status.keys["answered"] += 1
            self._on_progress()
