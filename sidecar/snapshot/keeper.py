"""Writing snapshots: keys every so often while clients are served, and all that is held when they are not any more."""

import asyncio
import time
from collections.abc import Iterable
from typing import Protocol

from policies import CompiledPolicy
from sidecar.clock import Clock, ceil_tick
from sidecar.logs import logger
from sidecar.memory import Store
from sidecar.memory._snapshot import SnapshotWalk, frame_of_keys
from sidecar.snapshot.header import Header, State
from sidecar.snapshot.identity import boot_identity, origin_identity
from sidecar.snapshot.writer import MOST_WAITING_BYTES, SnapshotWriter
from sidecar.snapshot_status import SnapshotStatus

MOST_KEYS = 1_000_000  # of a snapshot without values: a minute's reading at 20,000 a second
STEP_SLOTS, STEP_BYTES = 2048, 65_536  # while clients are served: 0.3 ms at most, and a tenth of the time
PAUSE_S = 0.003
CLEAN_SLOTS, CLEAN_BYTES = 65_536, 262_144  # when none are
CLOSING_S = 0.1  # kept of the time that stopping may take, for the last bytes and the new name
_log = logger("snapshot")


class PolicyHolder(Protocol):
    """Where the running policy is found; a reload swaps ``current``."""

    @property
    def current(self) -> CompiledPolicy: ...


class SnapshotKeeper:
    """Writes the file at ``path``."""

    def __init__(
        self, path: str, origin: str, clock: Clock, store: Store, policy: PolicyHolder, status: SnapshotStatus
    ) -> None:
        self._path = path
        self._origin = origin_identity(origin)
        self._clock = clock
        self._store = store
        self._policy = policy
        self._status = status
        self._may_write = True

    def leave_alone(self) -> None:
        """What stands at the path is not ours: write nothing over it."""
        self._may_write = False

    async def write_again_and_again(self) -> None:
        """Keys only, every so often, until cancelled."""
        while True:
            await asyncio.sleep(self._policy.current.snapshot.every_ms / 1000)
            if self._may_write and not self._would_lose_keys():
                await self._write(SnapshotWalk(self._store, False), State.PERIODIC)

    def _would_lose_keys(self) -> bool:
        """Memory is not warm yet: what the file says is hot is worth more than what is here."""
        return self._status.replaying and 2 * len(self._store) < self._status.found_keys

    async def write_clean(self, until_s: float, keys_left: Iterable[list[bytes]]) -> None:
        """All that is held, hottest first, as much as there is time for; then keys that were still to be read again.

        Args:
            until_s: of the loop's time.
        """
        if self._may_write:
            walk = SnapshotWalk(self._store, self._policy.current.snapshot.values)
            await self._write(walk, State.CLEAN, until_s, keys_left)

    async def _write(
        self, walk: SnapshotWalk, state: State, until_s: float | None = None, keys_left: Iterable[list[bytes]] = ()
    ) -> None:
        """One snapshot. What came of it is logged and counted; being cancelled leaves the old one."""
        began_s = time.monotonic()
        self._store.set_time(ceil_tick(self._clock.now_ns()), self._clock.wall_ms())
        writer = SnapshotWriter(self._path, is_clean=state is State.CLEAN)
        try:
            keys = await self._fill(writer, walk, until_s, keys_left)
            timeout_s = None if until_s is None else max(0.0, until_s - asyncio.get_running_loop().time())
            size = await writer.finish(self._header(keys), state, timeout_s)
        except TimeoutError:
            self._end(writer, "given_up", "the time that stopping may take is over")
        except OSError as error:
            self._end(writer, "failed", error.strerror or str(error))
        except asyncio.CancelledError:
            await writer.abandon()
            raise
        else:
            status = self._status
            status.writes["written"] += 1
            status.written_at = time.time()
            status.written_keys, status.written_bytes = keys, size
            status.written_s = time.monotonic() - began_s
            _log.debug("snapshot_written", state=state.name, keys=keys, bytes=size, took_s=round(status.written_s, 3))

    def _end(self, writer: SnapshotWriter, outcome: str, reason: str) -> None:
        writer.give_up()
        self._status.writes[outcome] += 1
        _log.warning("snapshot_not_written", path=self._path, outcome=outcome, reason=reason)

    async def _fill(
        self, writer: SnapshotWriter, walk: SnapshotWalk, until_s: float | None, keys_left: Iterable[list[bytes]]
    ) -> int:
        """Give the writer its frames; how many keys are in them.

        Raises:
            TimeoutError: there was no time for a single one.
        """
        loop = asyncio.get_running_loop()
        slots, size, pause_s = (STEP_SLOTS, STEP_BYTES, PAUSE_S) if until_s is None else (CLEAN_SLOTS, CLEAN_BYTES, 0)
        most_keys = MOST_KEYS if until_s is None else None
        while (frame := walk.step(slots, size)) is not None:
            if frame:
                writer.put(frame)
            await asyncio.sleep(pause_s)
            while writer.waiting_bytes > MOST_WAITING_BYTES and not writer.has_ended:
                await asyncio.sleep(PAUSE_S)
            if until_s is not None and loop.time() > until_s - CLOSING_S:
                if not walk.keys:
                    raise TimeoutError
                return walk.keys
            if writer.has_ended:
                return walk.keys
            if most_keys is not None and walk.keys >= most_keys:
                return walk.keys
        keys = walk.keys
        for left in keys_left:
            if loop.time() > (until_s or 0.0) - CLOSING_S:
                break
            if left:
                writer.put(frame_of_keys(left))
                keys += len(left)
        return keys

    def _header(self, keys: int) -> Header:
        """All but the figures of the payload, which the writer knows."""
        return Header(
            boot=boot_identity(),
            origin=self._origin,
            mapping=self._policy.current.mapping_digest,
            written_ns=self._clock.now_ns(),
            written_ms=self._clock.wall_ms(),
            keys=keys,
            frames=0,
            payload_bytes=0,
            payload_crc=0,
            has_values=self._policy.current.snapshot.values,
        )
