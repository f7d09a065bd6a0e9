"""The memory limit that a container runtime set for this process, from cgroup v2 or v1."""

from pathlib import Path

_UNLIMITED = 1 << 60  # v1 writes about 2**63 rounded to pages where no limit is set


def memory_limit_bytes(root: Path = Path("/")) -> int | None:
    """The smallest limit on the way from this process's group up to the root; None: no limit.

    Inside a container the group's own path may not be visible, then the mounted root *is* the group; so every
    ancestor that exists is read.

    Args:
        root: where /proc and /sys are; tests give a made-up tree.
    """
    limits = [limit for group in _groups(root) if (limit := _limit_of(group)) is not None]
    return min(limits, default=None)


def _groups(root: Path) -> list[Path]:
    """Files that may hold a limit for this process."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    files = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        group = base / path.lstrip("/")
        while group != base:
            files.append(group / name)
            group = group.parent
        files.append(base / name)
    return files


def _limit_of(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < _UNLIMITED else None
