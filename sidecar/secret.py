"""Secrets that hide themselves: a password or token whose text form says only that it is set."""

import hmac
import os


class Secret:
    """A secret value. ``str()``, ``repr()`` and formatting never show it; ``reveal()`` does, where it is used."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The secret itself."""
        return self._value

    def matches(self, candidate: bytes) -> bool:
        """Compare in a time that does not tell where the two differ."""
        return hmac.compare_digest(self._value, candidate)

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


class SecretFileError(Exception):
    """A secret's file cannot be used; the message names the file and never its content."""


class SecretFile:
    """A secret kept in a file and read again when the file changes (Kubernetes swaps mounted Secrets by symlink).

    A file that becomes unreadable or empty leaves the secret in use in place: an empty password must never come
    from a half-written file.
    """

    __slots__ = ("_secret", "_seen", "path")

    def __init__(self, path: str) -> None:
        """Read the file.

        Raises:
            SecretFileError: it is missing, unreadable or empty.
        """
        self.path = path
        self._seen = self._stamp()
        self._secret = self._read()

    def refresh(self) -> bool:
        """Read the file again if it changed since; True: the secret is a new one.

        Raises:
            SecretFileError: it changed into something unusable; the old secret stays. Raised once per change.
        """
        stamp = self._stamp()  # before reading: a change in between is seen by the next refresh
        if stamp == self._seen:
            return False
        self._seen = stamp
        secret = self._read()
        changed = not secret.matches(self._secret.reveal())
        self._secret = secret
        return changed

    def matches(self, candidate: bytes) -> bool:
        """Whether a client brought the secret."""
        return self._secret.matches(candidate)

    def reveal(self) -> bytes:
        """The secret itself, for an origin that must be told it."""
        return self._secret.reveal()

    def __repr__(self) -> str:
        return f"SecretFile({self.path!r})"

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> Secret:
        try:
            with open(self.path, "rb") as file:
                value = file.read(64 * 1024).removesuffix(b"\n").removesuffix(b"\r")
        except OSError as exc:
            raise SecretFileError(f"{self.path}: cannot be read: {exc.strerror}") from exc
        if not value:
            raise SecretFileError(f"{self.path}: is empty, expected a secret")
        return Secret(value)
