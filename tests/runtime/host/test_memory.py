"""The free memory for files in RAM, with invented descriptions of mounts, control groups and memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra_runtime.host import memory

GB = 1 << 30
#: a machine with 8 GB of memory left
MEMINFO = "MemTotal: 16000000 kB\nMemFree: 10 kB\nMemAvailable: 8388608 kB\n"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the functions read files of Linux")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without control groups, with a folder in place of /dev/shm that is a tmpfs."""
    invented = Machine(tmp_path, monkeypatch)
    monkeypatch.setattr(memory, "PROC", str(tmp_path / "proc"))
    monkeypatch.setattr(os, "statvfs", lambda _: invented.status)
    return invented


class Machine:
    """The files that describe a machine, and the state of its tmpfs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tmpfs, self.groups = folder / "shm", folder / "groups"
        self.monkeypatch = monkeypatch
        self.status = SimpleNamespace(
            f_flag=0, f_bavail=4 * GB // 4096, f_frsize=4096, f_files=10**6, f_favail=10**6
        )
        self._proc = folder / "proc"
        for path in (self.tmpfs, self.groups, self._proc / "self"):
            path.mkdir(parents=True)
        (self._proc / "meminfo").write_text(MEMINFO)
        self.describe(group="0::/\n", mounts=[f"25 24 0:23 / {self.tmpfs} rw shared:1 - tmpfs tmpfs rw"])

    def describe(self, *, group: str, mounts: list[str]) -> None:
        """Write the process's groups and mounts."""
        (self._proc / "self/cgroup").write_text(group)
        (self._proc / "self/mountinfo").write_text("\n".join(mounts) + "\n")

    def group(self, name: str, **files: object) -> None:
        """Write the files of a control group; in their names, `__` is a dot."""
        (self.groups / name).mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (self.groups / name / file.replace("__", ".")).write_text(f"{content}\n")

    @property
    def obstacle(self) -> str:
        """Return the reason why a stack cannot keep files in the tmpfs; empty if it can."""
        return memory.obstacle(str(self.tmpfs))


def test_a_writable_tmpfs_with_room_can_be_used(machine: Machine) -> None:
    assert machine.obstacle == ""
    assert memory.room(str(machine.tmpfs)) == (4 * GB, str(machine.tmpfs))


def test_a_tmpfs_of_64_mb_is_too_small(machine: Machine) -> None:
    """64 MB is the default size of /dev/shm in a Docker container."""
    machine.status.f_bavail = (64 << 20) // 4096

    assert machine.obstacle == f"{machine.tmpfs} has 64 MB free, but 1024 MB are required"


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("ST_RDONLY", "cannot be written"),
        ("ST_NOEXEC", "is mounted with noexec, and a service may run programs in its data folder"),
    ],
)
def test_a_read_only_tmpfs_and_one_without_programs_are_not_used(
    machine: Machine, flag: str, reason: str
) -> None:
    machine.status.f_flag = getattr(os, flag)

    assert machine.obstacle == f"{machine.tmpfs} {reason}"


def test_a_tmpfs_with_few_inodes_is_not_used(machine: Machine) -> None:
    machine.status.f_favail = 1000

    assert machine.obstacle == f"{machine.tmpfs} has space for 1000 files, but 50000 are required"


def test_a_tmpfs_without_a_limit_of_files_can_be_used(machine: Machine) -> None:
    machine.status.f_files = machine.status.f_favail = 0

    assert machine.obstacle == ""


@pytest.mark.parametrize("kind", ["", "ext4"])
def test_a_folder_on_a_disk_is_not_used(machine: Machine, kind: str) -> None:
    mounts = (
        [f"25 24 0:23 / {machine.tmpfs} rw - {kind} /dev/vda rw"] if kind else ["1 1 8:1 / / rw - ext4 x rw"]
    )
    machine.describe(group="0::/\n", mounts=mounts)

    assert machine.obstacle == f"{machine.tmpfs} is not a tmpfs"


@pytest.mark.parametrize(("kinds", "is_tmpfs"), [(("tmpfs", "ext4"), False), (("ext4", "tmpfs"), True)])
def test_the_last_of_several_mounts_on_a_folder_counts(
    machine: Machine, kinds: tuple[str, str], is_tmpfs: bool
) -> None:
    """The folder shows the files of the last mount, for example of a disk that a container binds."""
    lines = [f"{25 + at} {24 + at} 0:23 / {machine.tmpfs} rw - {kind} x rw" for at, kind in enumerate(kinds)]

    machine.describe(group="0::/\n", mounts=lines)

    assert (machine.obstacle == "") == is_tmpfs


def test_another_operating_system_has_no_tmpfs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")

    assert memory.obstacle() == "this operating system has no tmpfs"


def test_a_machine_without_memory_left_is_an_obstacle(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "proc/meminfo").write_text("MemAvailable: 1048576 kB\n")

    assert machine.obstacle == "this machine has 1024 MB of free memory, but 2048 MB are required"


def test_the_limit_of_a_group_above_the_own_group_counts_in_version_two(machine: Machine) -> None:
    machine.describe(
        group="0::/pod/container\n",
        mounts=[
            f"25 24 0:23 / {machine.tmpfs} rw - tmpfs tmpfs rw",
            f"30 24 0:29 / {machine.groups} rw shared:4 - cgroup2 cgroup2 rw,nsdelegate",
        ],
    )
    machine.group("pod/container", memory__max="max", memory__high="max", memory__current=5)
    statistics = f"anon 7\nfile {GB}\nshmem 3\ninactive_file {GB // 4}\nactive_file {GB // 4}"
    machine.group("pod", memory__max=3 * GB, memory__current=2 * GB, memory__stat=statistics)

    assert memory.memory_left() == (3 * GB // 2, f"the control group {machine.groups}/pod")
    assert machine.obstacle.endswith("pod has 1536 MB of free memory, but 2048 MB are required")


def test_the_limit_of_the_group_counts_in_version_one(machine: Machine) -> None:
    machine.describe(
        group="9:cpu,cpuacct:/\n4:memory:/job\n0::/\n",
        mounts=[
            f"25 24 0:23 / {machine.tmpfs} rw - tmpfs tmpfs rw",
            "29 24 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct",
            f"30 24 0:29 / {machine.groups} rw - cgroup cgroup rw,memory",
        ],
    )
    names = {"memory__limit_in_bytes": 3 * GB, "memory__usage_in_bytes": 2 * GB}
    statistics = f"cache {GB}\ntotal_inactive_file {GB // 2}\ntotal_active_file 0"
    machine.group("job", memory__stat=statistics, **names)
    machine.group(".", memory__limit_in_bytes=9223372036854771712, memory__usage_in_bytes=9 * GB)

    assert memory.memory_left() == (3 * GB // 2, f"the control group {machine.groups}/job")


def test_the_mounted_group_counts_in_a_container_that_shows_the_path_of_the_host(machine: Machine) -> None:
    machine.describe(
        group="4:memory:/docker/4711\n",
        mounts=[f"30 24 0:29 /docker/4711 {machine.groups} rw - cgroup cgroup rw,memory"],
    )
    machine.group(".", memory__limit_in_bytes=GB, memory__usage_in_bytes=GB // 4)

    assert memory.memory_left() == (3 * GB // 4, f"the control group {machine.groups}")


def test_memory_that_cannot_be_read_does_not_limit_the_data(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "proc/meminfo").unlink()
    (tmp_path / "proc/self/cgroup").unlink()

    assert memory.memory_left() == (sys.maxsize, "this machine")
