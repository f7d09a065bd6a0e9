"""Opening a snapshot that an earlier process left: claiming, checking and reading it. All of it waits for the disk."""

import errno
import fcntl
import os
import stat
import zlib
from collections.abc import Callable, Iterator

from sidecar.snapshot import header as head
from sidecar.snapshot.errors import SnapshotRefused
from sidecar.snapshot.header import FRAME_SIZE, State

_PIECE_BYTES = 1 << 20


class SnapshotFile:
    """An open snapshot. It stays readable when another file takes its name.

    Attributes:
        header: what its head says.
        may_hold_values: it was CLEAN, and is USED since it was opened; nobody else could have written it.
        payload_is_good: the checksum of the whole was right.
    """

    def __init__(self, path: str) -> None:
        """Open it, and take the state CLEAN away before anything is served: values are taken over once.

        Raises:
            FileNotFoundError: there is none.
            SnapshotRefused: it is of no use.
        """
        self.payload_is_good = False
        self._descriptor, may_write = _open(path)
        try:
            found = os.fstat(self._descriptor)
            raw = os.pread(self._descriptor, head.HEAD_BYTES, 0)
            was_clean = head.decode_prelude(raw) is State.CLEAN and self._mark_used(may_write)
            self.header = head.decode(raw)
            if found.st_size != head.HEAD_BYTES + self.header.payload_bytes:
                raise SnapshotRefused(
                    "corrupt",
                    f"found {found.st_size} bytes, expected {head.HEAD_BYTES + self.header.payload_bytes}",
                )
            is_ours = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            self.may_hold_values = was_clean and self.header.has_values and is_ours
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # from here on others may have the keys too
        except OSError as error:
            self.close()
            raise _unreadable(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let it go; what is left of its keys stays unread."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _mark_used(self, may_write: bool) -> bool:
        """Whether the mark is on the disk."""
        if not may_write:
            return False
        os.pwrite(self._descriptor, State.USED.value, head.STATE_AT)
        os.fsync(self._descriptor)
        return True

    def check_payload(self, may_go_on: Callable[[], bool] = lambda: True) -> bool:
        """Read all of it once and compare its checksum; False: ``may_go_on`` ended it before.

        Raises:
            SnapshotRefused: corrupt or unreadable.
        """
        crc = 0
        at = head.HEAD_BYTES
        try:
            while piece := os.pread(self._descriptor, _PIECE_BYTES, at):
                crc = zlib.crc32(piece, crc)
                at += len(piece)
                if not may_go_on():
                    return False
        except OSError as error:
            raise _unreadable(error) from error
        if at != head.HEAD_BYTES + self.header.payload_bytes or crc != self.header.payload_crc:
            raise SnapshotRefused("corrupt", "the content does not match its checksum")
        self.payload_is_good = True
        return True

    def frames(self) -> Iterator[bytes]:
        """Every frame, in the order written, the hottest keys first.

        Raises:
            SnapshotRefused: it changed since it was checked.
        """
        at = head.HEAD_BYTES
        end = at + self.header.payload_bytes
        try:
            while at < end:
                (size,) = FRAME_SIZE.unpack(self._read(FRAME_SIZE.size, at, end))
                at += FRAME_SIZE.size
                yield self._read(size, at, end)
                at += size
        except OSError as error:
            raise _unreadable(error) from error

    def _read(self, size: int, at: int, end: int) -> bytes:
        data = os.pread(self._descriptor, size, at) if at + size <= end else b""
        if len(data) != size:
            raise SnapshotRefused("corrupt", "a frame goes on past the end of the file")
        return data


def _open(path: str) -> tuple[int, bool]:
    """(descriptor, whether it may be written), locked until it is claimed."""
    try:
        try:
            descriptor, may_write = os.open(path, os.O_RDWR | os.O_CLOEXEC), True
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            descriptor, may_write = os.open(path, os.O_RDONLY | os.O_CLOEXEC), False
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise SnapshotRefused("in_use", "another process is taking it over") from error
    return descriptor, may_write


def _unreadable(error: OSError) -> SnapshotRefused:
    return SnapshotRefused("unreadable", error.strerror or str(error))
