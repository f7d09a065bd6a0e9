"""Writing a snapshot file: beside the old one, whole, then in its place."""

import asyncio
import os
import zlib
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from sidecar.snapshot import header as head
from sidecar.snapshot.header import FRAME_SIZE, Header, State
from sidecar.snapshot.threads import in_thread

MOST_WAITING_BYTES = 4 << 20  # given and not written yet: beyond, whoever gives is to wait
ABANDON_S = 0.2  # that an abandoned file may take to be taken away


class SnapshotWriter:
    """Takes frames on the loop and writes them in a thread.

    Args:
        path: where the file is to be; what is written stands beside it until it is whole.
        is_clean: else it is had on the disk before it replaces the old one. A clean one is not waited for: its values
            count within this boot only, in which the page cache has it; torn by a crash of the machine it is refused.

    Attributes:
        frames, payload_bytes: taken so far.
    """

    def __init__(self, path: str, is_clean: bool) -> None:
        self._path = Path(path)
        # One name for each kind: a periodic one that is being abandoned must not take the clean one with it.
        self._temporary = self._path.with_name(self._path.name + (".clean" if is_clean else ".periodic"))
        self._is_durable = not is_clean
        self._queue: SimpleQueue[bytes | tuple[Header, State] | None] = SimpleQueue()
        self._written_bytes = 0
        self._crc = 0
        self.frames = 0
        self.payload_bytes = 0
        self._result = in_thread(self._run)

    @property
    def waiting_bytes(self) -> int:
        """Given and not written."""
        return self.payload_bytes - self._written_bytes

    @property
    def has_ended(self) -> bool:
        """Before all was given: the disk refused, and more is in vain."""
        return self._result.done()

    def put(self, frame: bytes) -> None:
        """One more frame; not empty."""
        self.frames += 1
        self.payload_bytes += FRAME_SIZE.size + len(frame)
        self._queue.put(frame)

    async def finish(self, header: Header, state: State, timeout_s: float | None) -> int:
        """All is given: the file's size, once it stands in the old one's place.

        Args:
            header: its payload figures are filled in here.

        Raises:
            OSError: it could not be written; the old file stands.
            TimeoutError: not in time. If it is done before the process ends after all, it is a good one.
        """
        self._queue.put((header, state))
        return await asyncio.wait_for(asyncio.shield(self._result), timeout_s)

    def give_up(self) -> None:
        """Leave the old file, and take away what was written."""
        self._queue.put(None)
        self._result.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody asks for it

    async def abandon(self) -> None:
        """``give_up``, and see it done if the disk answers."""
        self.give_up()
        await asyncio.wait({self._result}, timeout=ABANDON_S)

    def _run(self) -> int:
        self._temporary.unlink(missing_ok=True)  # of a process that was killed
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb", buffering=1 << 20) as file:
                if not self._write(file):
                    self._temporary.unlink(missing_ok=True)
                    return 0
            os.replace(self._temporary, self._path)
            if self._is_durable:
                _sync_folder(self._path.parent)
        except OSError:
            self._temporary.unlink(missing_ok=True)
            raise
        return head.HEAD_BYTES + self._written_bytes

    def _write(self, file: BinaryIO) -> bool:
        """False: it was given up."""
        file.write(bytes(head.HEAD_BYTES))
        while not isinstance(item := self._queue.get(), tuple):
            if item is None:
                return False
            size = FRAME_SIZE.pack(len(item))
            self._crc = zlib.crc32(item, zlib.crc32(size, self._crc))
            file.write(size)
            file.write(item)
            self._written_bytes += len(size) + len(item)
        header, state = item
        header = header._replace(frames=self.frames, payload_bytes=self._written_bytes, payload_crc=self._crc)
        file.seek(0)
        file.write(head.encode(header, state))
        file.flush()
        if self._is_durable:
            os.fsync(file.fileno())
        return True


def _sync_folder(folder: Path) -> None:
    """So that the new name is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
