"""Rows whose last read failed: one read tries the origin, the others are answered at once for a while."""

from sidecar.origins.base import Cause

MAX_ROWS = 65536  # the longest known are forgotten first; forgetting costs one more try


class FailingRows:
    """Remembers until when nobody needs to ask for a row again, and why."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: dict[bytes, tuple[int, Cause]] = {}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def failed(self, key: bytes, retry_at_ns: int, cause: Cause) -> None:
        """A read of ``key`` failed."""
        rows = self._rows
        rows.pop(key, None)
        if len(rows) >= MAX_ROWS:
            del rows[next(iter(rows))]
        rows[key] = (retry_at_ns, cause)

    def recovered(self, key: bytes) -> None:
        """The origin answered for ``key``."""
        self._rows.pop(key, None)

    def state(self, key: bytes) -> tuple[int, Cause] | None:
        """When it may be tried again, and why it failed; None: its last read did not fail."""
        return self._rows.get(key)
