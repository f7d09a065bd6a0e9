"""Secrets hide themselves, and secret files are read again when they change."""

import os
import pickle
from pathlib import Path

import pytest

from sidecar.secret import Secret, SecretFile, SecretFileError


def swap(path: Path, content: bytes) -> None:
    """Replace a file at once, as Kubernetes does with mounted Secrets."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.replace(new, path)


def test_a_secret_never_shows_in_text():
    """Not in str, repr, formatting or a pickle."""
    secret = Secret(b"hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret!s} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_secret_is_compared_whole():
    """Neither a part nor a longer text matches."""
    secret = Secret(b"hunter2")
    assert secret.matches(b"hunter2")
    assert not any(secret.matches(other) for other in (b"", b"hunter", b"hunter22", b"Hunter2"))


@pytest.mark.parametrize("content", [b"hunter2", b"hunter2\n", b"hunter2\r\n"])
def test_one_line_end_is_not_part_of_the_secret(tmp_path: Path, content: bytes):
    """Editors and echo add it."""
    (tmp_path / "s").write_bytes(content)
    assert SecretFile(str(tmp_path / "s")).matches(b"hunter2")


def test_a_changed_file_is_taken_and_said_so_once(tmp_path: Path):
    """refresh() is True for a new secret, False while nothing changes or the content stays."""
    path = tmp_path / "s"
    path.write_bytes(b"one")
    secret = SecretFile(str(path))
    assert secret.refresh() is False
    swap(path, b"two")
    assert secret.refresh() is True
    assert secret.matches(b"two") and not secret.matches(b"one")
    swap(path, b"two")
    assert secret.refresh() is False


def test_an_emptied_or_vanished_file_leaves_the_secret_in_place(tmp_path: Path):
    """A half-written file must not open the door; it is reported once per change."""
    path = tmp_path / "s"
    path.write_bytes(b"one")
    secret = SecretFile(str(path))
    swap(path, b"\n")
    with pytest.raises(SecretFileError, match="is empty"):
        secret.refresh()
    assert secret.refresh() is False
    path.unlink()
    with pytest.raises(SecretFileError, match="cannot be read"):
        secret.refresh()
    assert secret.matches(b"one")


def test_a_file_that_cannot_serve_is_refused_at_start(tmp_path: Path):
    """Missing and empty: the message names the file."""
    with pytest.raises(SecretFileError, match="none: cannot be read"):
        SecretFile(str(tmp_path / "none"))
    (tmp_path / "empty").touch()
    with pytest.raises(SecretFileError, match="empty: is empty"):
        SecretFile(str(tmp_path / "empty"))
