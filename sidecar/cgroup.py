"""What a container runtime set for this process: memory limit, and CPU throttling. cgroup v2 or v1."""

from pathlib import Path

_UNLIMITED = 1 << 60  # v1 writes about 2**63 rounded to pages where no limit is set


def memory_limit_bytes(root: Path = Path("/")) -> int | None:
    """The smallest limit on the way from this process's group up to the root; None: no limit.

    Inside a container the group's own path may not be visible, then the mounted root *is* the group; so every
    ancestor that exists is read.

    Args:
        root: where /proc and /sys are; tests give a made-up tree.
    """
    files = _files(root, "memory", "memory.max", "memory.limit_in_bytes")
    limits = [limit for file in files if (limit := _limit_of(file)) is not None]
    return min(limits, default=None)


class CpuThrottling:
    """How long this process's group was kept from the CPU because its limit (quota) was used up.

    The time is that of the group, summed over its threads' CPUs; it stays 0 without a limit.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        """Find the file once.

        Args:
            root: where /proc and /sys are; tests give a made-up tree.
        """
        self._file = next((file for file in _files(root, "cpu", "cpu.stat", "cpu.stat") if file.exists()), None)

    def seconds(self) -> float:
        """Since the group began; 0 where it cannot be read. One small read, some 10 us."""
        if self._file is None:
            return 0.0
        try:
            words = self._file.read_text().split()
        except OSError:
            return 0.0
        numbers = dict(zip(words[::2], words[1::2], strict=False))
        if "throttled_usec" in numbers:  # v2
            return int(numbers["throttled_usec"]) / 1e6
        return int(numbers.get("throttled_time", "0")) / 1e9


def _files(root: Path, controller: str, name_v2: str, name_v1: str) -> list[Path]:
    """Files of one controller for this process's group and those above it, nearest first."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    files = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root / "sys/fs/cgroup", name_v2
        elif controller in controllers.split(","):
            base, name = root / "sys/fs/cgroup" / controller, name_v1
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
