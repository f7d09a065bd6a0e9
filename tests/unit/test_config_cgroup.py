"""The container's memory limit, read from made-up trees of /proc and /sys."""

from pathlib import Path

import pytest

from sidecar.cgroup import CpuThrottling, memory_limit_bytes


def tree(root: Path, groups: str, limits: dict[str, str]) -> Path:
    """A root with /proc/self/cgroup and limit files."""
    for path, content in {"proc/self/cgroup": groups, **limits}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def test_version_2_takes_the_smallest_limit_on_the_way_up(tmp_path: Path):
    """A pod's limit binds its containers even where theirs is larger."""
    root = tree(
        tmp_path,
        "0::/pod/app\n",
        {
            "sys/fs/cgroup/pod/app/memory.max": "max\n",
            "sys/fs/cgroup/pod/memory.max": "104857600\n",
            "sys/fs/cgroup/memory.max": "999999999\n",
        },
    )
    assert memory_limit_bytes(root) == 104857600


def test_inside_a_container_the_mounted_root_is_the_group(tmp_path: Path):
    """The group's own path is not visible there."""
    root = tree(tmp_path, "0::/../../kubepods/x\n", {"sys/fs/cgroup/memory.max": "5000000\n"})
    assert memory_limit_bytes(root) == 5000000


def test_version_1_has_its_own_file_and_number_for_no_limit(tmp_path: Path):
    """v1 writes a huge number where nothing is set."""
    groups = "5:cpu,cpuacct:/a\n4:memory:/a\n"
    root = tree(tmp_path / "limited", groups, {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "7000000\n"})
    assert memory_limit_bytes(root) == 7000000
    root = tree(tmp_path / "free", groups, {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n"})
    assert memory_limit_bytes(root) is None


@pytest.mark.parametrize("groups", ["0::/\n", ""])
def test_no_limit_and_no_cgroups(tmp_path: Path, groups: str):
    """Where nothing is set, and on systems without cgroups."""
    assert memory_limit_bytes(tree(tmp_path, groups, {"sys/fs/cgroup/memory.max": "max\n"})) is None
    assert memory_limit_bytes(tmp_path / "elsewhere") is None


def test_throttling_is_that_of_the_nearest_group(tmp_path: Path):
    """Version 2 counts microseconds; what the pod's group lost beside is not the container's."""
    root = tree(
        tmp_path,
        "0::/pod/app\n",
        {
            "sys/fs/cgroup/pod/app/cpu.stat": "usage_usec 9\nnr_periods 4\nnr_throttled 2\nthrottled_usec 1500000\n",
            "sys/fs/cgroup/pod/cpu.stat": "usage_usec 9\nthrottled_usec 7000000\n",
        },
    )
    assert CpuThrottling(root).seconds() == 1.5


def test_version_1_counts_throttling_in_nanoseconds(tmp_path: Path):
    """Its controller has a folder of its own, and in a container the mounted root is the group."""
    files = {"sys/fs/cgroup/cpu/cpu.stat": "nr_periods 4\nnr_throttled 2\nthrottled_time 250000000\n"}
    root = tree(tmp_path, "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n", files)
    assert CpuThrottling(root).seconds() == 0.25


def test_throttling_that_cannot_be_read_is_none(tmp_path: Path):
    """No cgroup, or a file that vanished: the metric stays 0 and the scrape works."""
    assert CpuThrottling(tmp_path / "elsewhere").seconds() == 0
    root = tree(tmp_path, "0::/\n", {"sys/fs/cgroup/cpu.stat": "throttled_usec 5\n"})
    throttling = CpuThrottling(root)
    assert throttling.seconds() == 5e-6
    (root / "sys/fs/cgroup/cpu.stat").unlink()
    assert throttling.seconds() == 0
