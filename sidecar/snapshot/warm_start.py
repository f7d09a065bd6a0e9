"""The snapshot of this process: what an earlier one left is taken over at the start, and the next is written.

Values are taken over only when nobody can have seen anything newer of this sidecar: from a snapshot that was written
when nothing was served any more, by a process of the same boot with the same origin and the same mapping of keys, and
once; it is marked as used before anything is served. Their ages go on. Of every other snapshot only the keys are taken,
and read again.
"""

import asyncio
import time
from collections.abc import Coroutine

from sidecar.clock import Clock, ceil_tick, floor_tick
from sidecar.health import Health
from sidecar.logs import logger
from sidecar.memory import Store
from sidecar.memory._restore import Frame
from sidecar.snapshot.errors import SnapshotRefused
from sidecar.snapshot.identity import boot_identity, origin_identity, outlives_the_process
from sidecar.snapshot.keeper import PolicyHolder, SnapshotKeeper
from sidecar.snapshot.reader import SnapshotFile
from sidecar.snapshot.replay import Replay, Speculate
from sidecar.snapshot.threads import in_thread
from sidecar.snapshot_status import SnapshotStatus

TAKE_OVER_S = 2.0  # the most that the first client waits for values; what is not here by then is read again
OLDEST_S = 86_400.0  # a day's traffic comes back; what was hot before it says little
OLDEST_VALUES_S = 200 * 86_400.0  # below OLDEST_AGE of the memory tier: ages are told apart
RESTORE_BYTES = 65_536  # of a frame in one step
_log = logger("snapshot")


class WarmStart:
    """Takes a snapshot over, has its keys read again, and says when memory is warm.

    Args:
        path: of the snapshot; None: nothing is taken over and nothing written.
        speculate: reads a row with spare concurrency only.
        health: told when memory is warm.
    """

    def __init__(
        self,
        path: str | None,
        origin: str,
        clock: Clock,
        store: Store,
        policy: PolicyHolder,
        speculate: Speculate,
        health: Health,
    ) -> None:
        self.status = SnapshotStatus(path)
        self._path = path
        self._origin = origin
        self._clock = clock
        self._store = store
        self._policy = policy
        self._speculate = speculate
        self._health = health
        self._file: SnapshotFile | None = None
        self._replay: Replay | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._keeper: SnapshotKeeper | None = None

    # Starting

    async def take_over(self) -> None:
        """Before the first client is served: the values, where they may be taken. Ends within TAKE_OVER_S."""
        if self._path is None:
            return
        until_s = time.monotonic() + TAKE_OVER_S
        self._keeper = SnapshotKeeper(self._path, self._origin, self._clock, self._store, self._policy, self.status)
        try:
            self._file = await asyncio.wait_for(in_thread(self._open), TAKE_OVER_S)
            if self._file is not None and self._may_take_values(self._file):
                await self._take_values(self._file, until_s)
        except SnapshotRefused as refused:
            self._refuse(refused)
        except TimeoutError:
            self._refuse(SnapshotRefused("unreadable", f"the disk did not answer within {TAKE_OVER_S:g} s"))
        except Exception as error:  # a bug of ours: it costs warmth, not the start
            self._store.clear()
            self.status.found_keys = 0
            _log.error("internal_error", exc_info=error)

    def serve(self) -> None:
        """Clients are served from now on: read keys again behind them, and write the next snapshots."""
        if self._file is None or not self.status.found_keys:
            self._health.warmed_up = True
        else:
            self.status.replaying = True
            self._note_progress()
            if not self._health.warmed_up:
                timeout_s = self._policy.current.warmup.timeout_ms / 1000
                asyncio.get_running_loop().call_later(timeout_s, self._end_warm_up)
            self._replay = Replay(
                self._file, self._store, self._clock, self._speculate, self.status, self._note_progress
            )
            self._begin(self._read_again(self._file, self._replay))
        if self._keeper is not None:
            self._begin(self._keeper.write_again_and_again())

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_report)
        self._tasks.append(task)

    def _open(self) -> SnapshotFile | None:
        """The file, if there is one and it is of our origin and not too old. In a thread."""
        assert self._path is not None
        try:
            file = SnapshotFile(self._path)
        except FileNotFoundError:
            return None
        age_s = time.time() - file.header.written_ms / 1000
        refused = None
        if file.header.origin != origin_identity(self._origin):
            refused = SnapshotRefused("origin", "found keys of another origin than --origin")
        elif age_s > OLDEST_S:
            text = f"written {age_s / 3600:.0f} h ago, expected at most {OLDEST_S / 3600:.0f} h"
            refused = SnapshotRefused("old", text)
        if refused is not None:
            file.close()
            raise refused
        self.status.found_keys = file.header.keys
        return file

    def _may_take_values(self, file: SnapshotFile) -> bool:
        header, policy = file.header, self._policy.current
        age_ns = self._clock.now_ns() - header.written_ns
        return (
            file.may_hold_values
            and policy.snapshot.values
            and header.boot == boot_identity() != b""
            and header.mapping == policy.mapping_digest
            and outlives_the_process(self._origin)
            and 0 <= age_ns <= OLDEST_VALUES_S * 1e9
        )

    async def _take_values(self, file: SnapshotFile, until_s: float) -> None:
        """Into the store. Nothing is served meanwhile, so the order on keys does not matter."""
        began_s = time.monotonic()
        checked = in_thread(lambda: file.check_payload(lambda: time.monotonic() < until_s))
        if not await asyncio.wait_for(checked, TAKE_OVER_S):
            return
        written_tick = floor_tick(file.header.written_ns)
        self._store.set_time(ceil_tick(self._clock.now_ns()), self._clock.wall_ms())
        try:
            for data in file.frames():
                if not await self._take_frame(Frame(data), written_tick, until_s):
                    break
        except (SnapshotRefused, ValueError) as error:
            self._store.clear()  # a checksum that is right over records that are none: nothing of it is trusted
            raise SnapshotRefused("corrupt", str(error)) from error
        _log.info(
            "snapshot_taken_over", keys=self.status.keys["restored"], of=file.header.keys,
            took_s=round(time.monotonic() - began_s, 3),
        )  # fmt: skip

    async def _take_frame(self, frame: Frame, written_tick: int, until_s: float) -> bool:
        """Whether to go on with the next."""
        is_read = is_full = False
        while not is_read and not is_full:
            taken, is_read, is_full = frame.restore(self._store, RESTORE_BYTES, written_tick)
            self.status.keys["restored"] += taken
            await asyncio.sleep(0)
            if time.monotonic() > until_s:
                return False
        return not is_full

    async def _read_again(self, file: SnapshotFile, replay: Replay) -> None:
        """What memory cannot answer for."""
        began_s = time.monotonic()
        try:
            if not file.payload_is_good:
                await in_thread(file.check_payload)
            await replay.run()
        except (SnapshotRefused, ValueError) as error:
            self._refuse(error if isinstance(error, SnapshotRefused) else SnapshotRefused("corrupt", str(error)))
        except Exception as error:  # a bug of ours: /readyz is not to wait for what will not come
            _log.error("internal_error", exc_info=error)
        else:
            _log.info("snapshot_read_again", took_s=round(time.monotonic() - began_s, 3), **self.status.keys)
        self._replay = None
        self._end_warm_up()
        self.status.replaying = False
        file.close()

    def _note_progress(self) -> None:
        if not self._health.warmed_up and self.status.warmth >= self._policy.current.warmup.level:
            self._end_warm_up()

    def _end_warm_up(self) -> None:
        """Once: what happens to warmth later is no reason to take traffic away."""
        if not self._health.warmed_up:
            self._health.warmed_up = True
            _log.info("warmed_up", warmth=round(self.status.warmth, 3))

    def _refuse(self, refused: SnapshotRefused) -> None:
        self.status.refusals[refused.reason] += 1
        self.status.refused_because = str(refused)
        self.status.found_keys = 0
        if refused.reason == "not_a_snapshot":
            assert self._keeper is not None
            self._keeper.leave_alone()
        _log.warning("snapshot refused", path=self._path, reason=f"{refused.reason}: {refused}")

    # Stopping

    async def close(self, until_s: float) -> None:
        """Nothing is served any more: write what is held, within the loop's time ``until_s``.

        While the older one is being checked it stays: nothing was read again, so it says better what is hot.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        replay, file = self._replay, self._file
        if replay is not None:
            await replay.settle()
        if self._keeper is not None and (replay is None or file is None or file.payload_is_good):
            await self._keeper.write_clean(until_s, replay.keys_left() if replay is not None else ())
        if file is not None:
            file.close()


def _report(task: asyncio.Task[None]) -> None:
    """An exception that nobody expected."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("internal_error", exc_info=error)
