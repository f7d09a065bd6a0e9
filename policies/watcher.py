"""Watches the policy file: a change is read once it stands still, a broken one leaves the running policy in place.

A Kubernetes ConfigMap is a chain of symlinks (policy.yaml -> ..data/policy.yaml, ..data -> ..2026_10_01_...) of which
the second is swapped by rename; others write over the file, or move a new one onto it. So what is compared is the
path that the chain resolves to and the inode, times and size behind it. A file that is still being written changes
from one check to the next, and is read only when two checks found it alike; what a slow writer leaves half-done for
longer does not parse, or is soon followed by the rest.

Reading a policy of a thousand rules takes 30 ms: whoever serves clients has it done in a thread, and is called back.
"""

import os
from collections.abc import Callable
from enum import Enum
from functools import partial
from stat import S_ISREG
from typing import Generic, NamedTuple, TypeVar

from policies.errors import PolicyError, Problem
from policies.loader import MAX_FILE_BYTES
from policies.policy import content_digest

CHECK_INTERVAL_S = 0.25  # two checks and the reload stay within the second that a change may take

Made = TypeVar("Made")
# Runs the first, here or in a thread; then calls the second, here, with what returns its result or raises its error
Runner = Callable[[Callable[[], Made], Callable[[Callable[[], Made]], None]], None]


class Check(Enum):
    """What a check came to."""

    UNCHANGED = "unchanged"
    WAITING = "waiting"  # changed, but not yet standing still
    READING = "reading"  # what was read is being made into a policy
    RELOADED = "reloaded"
    FAILED = "failed"


class _State(NamedTuple):
    """A file as stat sees it."""

    path: str
    device: int
    inode: int
    modified_ns: int
    changed_ns: int
    size: int


def at_once(make: Callable[[], Made], done: Callable[[Callable[[], Made]], None]) -> None:
    """The Runner of those who have nothing else to do."""
    done(make)


class PolicyWatcher(Generic[Made]):
    """Calls back with each new policy, or once with what is wrong with it. Has no timer: ``check`` is called by one.

    Args:
        path: of the policy file; it may be a symlink, and may be missing for a while.
        make: makes of a content, and the path for messages, what ``on_change`` takes; raises PolicyError.
        on_change: takes what was made of each content that differs from the last good one.
        on_error: takes the PolicyError of each broken content once.
        active: the digest of the policy that is running, where it was loaded before the watching began.
        run: how ``make`` is run; one at a time.

    Attributes:
        error: what is wrong with the file as it is now; None while it is the running policy.
    """

    def __init__(
        self,
        path: str,
        make: Callable[[bytes, str], Made],
        on_change: Callable[[Made], None],
        on_error: Callable[[PolicyError], None],
        active: bytes | None = None,
        run: Runner[Made] = at_once,
    ) -> None:
        self._path = path
        self._make = make
        self._on_change = on_change
        self._on_error = on_error
        self._run = run
        self.error: PolicyError | None = None
        self._active = active
        self._reported: bytes | None = None
        self._read: _State | None = None  # the state whose content was dealt with
        self._seen: _State | None = None  # at the last check
        self._came_to = Check.UNCHANGED
        self._forced = False  # a forced check that waits for the one under way

    def check(self, force: bool = False) -> Check:
        """Look at the file once; ``force`` (SIGHUP) reads it as it is, and reports again what is still wrong."""
        if self._came_to is Check.READING:
            self._forced |= force
            return Check.READING
        state = self._stat()
        seen, self._seen = self._seen, state
        if not force:
            if state == self._read and state is not None:
                return Check.UNCHANGED
            if state != seen:
                return Check.WAITING
        else:
            self._reported = None
        return self._reload(state)

    def _reload(self, state: _State | None) -> Check:
        """Read the file and tell whoever must know."""
        try:
            content = self._content(state)
        except OSError as error:
            self._read = None  # once it is back it is read, even if it is the same file
            problem = Problem(self._path, 1, "", error.strerror or str(error), "a readable file")
            return self._fail(problem.found.encode(), PolicyError([problem]))
        if self._stat() != state:
            return Check.WAITING  # it changed while it was read
        self._read = state
        digest = content_digest(content)
        if digest == self._active:
            self.error = self._reported = None
            return Check.UNCHANGED
        self._came_to = Check.READING
        self._run(partial(self._make, content, self._path), partial(self._made, digest))
        return self._came_to

    def _made(self, digest: bytes, get: Callable[[], Made]) -> None:
        """What was read is a policy, or is not."""
        self._came_to = Check.FAILED
        try:
            made = get()
        except PolicyError as error:
            self._fail(digest, error)
        else:
            self._active, self.error, self._reported = digest, None, None
            self._came_to = Check.RELOADED
            self._on_change(made)
        finally:
            if self._forced:
                self._forced = False
                self.check(force=True)

    def _content(self, state: _State | None) -> bytes:
        """All of the file; OSError where there is none. A pipe, which would block, is not opened."""
        if state is None:
            raise OSError(0, "no file")
        with open(self._path, "rb") as file:
            return file.read(MAX_FILE_BYTES + 1)

    def _fail(self, content: bytes, error: PolicyError) -> Check:
        """Report an error, once for each content."""
        self.error = error
        if content != self._reported:
            self._reported = content
            self._on_error(error)
        return Check.FAILED

    def _stat(self) -> _State | None:
        """The file as it is now, None where there is none or it is not a regular one."""
        try:
            path = os.path.realpath(self._path, strict=True)
            stat = os.stat(path)
        except OSError:
            return None
        if not S_ISREG(stat.st_mode):
            return None
        return _State(path, stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
