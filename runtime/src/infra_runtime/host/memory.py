"""The room for files in RAM: the tmpfs in /dev/shm, and the memory that is left for its files.

The files of a tmpfs are in memory, and count towards the limit of the control group that writes them. Source:
Linux kernel, "Tmpfs", "Control Group v2" and "Memory Resource Controller" (version 1).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from infra_runtime.record import Record

#: the folder in which Linux distributions and container runtimes mount a tmpfs. Source: shm_overview(7)
TMPFS = "/dev/shm"  # noqa: S108 - the files in it are in a folder of this user
#: bytes that must be free in the tmpfs before a stack uses it. The five default services need 60 MB; each
#: worker of a test run adds databases of 10 MB each, and PostgreSQL keeps 64 MB or more of WAL.
LEAST_ROOM = 1 << 30
#: bytes of memory that must be left, for the files and for the processes of the stack and of the tests
LEAST_MEMORY = 2 << 30
#: files that can still be created; a cluster of PostgreSQL has 977, and each database 300 to 450
LEAST_FILES = 50_000
#: bytes at which a warning is due, and bytes that must be free again before the next warning
LOW, RECOVERED = 256 << 20, 512 << 20
#: greater numbers mean no limit in version 1 of control groups
UNLIMITED = 1 << 60
#: where Linux describes the memory, the mounts and the control groups of a process
PROC = "/proc"


def obstacle(tmpfs: str = TMPFS) -> str:
    """Return the reason why the files of a stack cannot be in this tmpfs; empty if they can."""
    if sys.platform != "linux":
        return "this operating system has no tmpfs"
    folder = os.path.realpath(tmpfs)
    kinds = [_type(mount) for mount in _mounts() if mount[4] == folder]
    if kinds[-1:] != ["tmpfs"]:  # the folder shows the files of the last mount
        return f"{tmpfs} is not a tmpfs"
    try:
        status = os.statvfs(folder)
    except OSError as error:
        return f"{tmpfs}: {error.strerror}"
    if status.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK | os.X_OK):
        return f"{tmpfs} cannot be written"
    if status.f_flag & os.ST_NOEXEC:
        return f"{tmpfs} is mounted with noexec, and a service may run programs in its data folder"
    if (free := status.f_bavail * status.f_frsize) < LEAST_ROOM:
        return f"{tmpfs} has {megabytes(free)} free, and {megabytes(LEAST_ROOM)} are required"
    if status.f_files and status.f_favail < LEAST_FILES:
        return f"{tmpfs} has room for {status.f_favail} files, and {LEAST_FILES} are required"
    left, where = memory_left()
    if left < LEAST_MEMORY:
        return f"{where} has {megabytes(left)} of memory left, and {megabytes(LEAST_MEMORY)} are required"
    return ""


def room(tmpfs: str = TMPFS) -> tuple[int, str]:
    """Return the bytes that files in a tmpfs can still use, and what limits them. Raises `OSError`."""
    status = os.statvfs(tmpfs)
    return min((status.f_bavail * status.f_frsize, tmpfs), memory_left())


def megabytes(number: int) -> str:
    """Return a number of bytes as text, such as `64 MB`."""
    return f"{number >> 20} MB"


def memory_left() -> tuple[int, str]:
    """Return the bytes of memory that are left for this process, and what limits them.

    This is the available memory of the machine, or less if the process's control group or a group above it
    has a limit. The cache of files on a disk can be dropped, so it counts as left.
    """
    return min([(_available(), "this machine"), *_groups()])


def _available() -> int:
    """Return the available memory of the machine in bytes. Source: proc_meminfo(5)."""
    value = _table(f"{PROC}/meminfo").get("MemAvailable:")
    return sys.maxsize if value is None else value << 10


def _groups() -> Iterator[tuple[int, str]]:
    """Yield the memory that is left in each control group with a limit that contains this process."""
    for group, top, names in _memory_groups():
        folder = group
        while True:
            limit = min(_number(f"{folder}/{name}") for name in names.limits)
            if limit < UNLIMITED:
                statistics = _table(f"{folder}/memory.stat")
                cache = sum(statistics.get(name, 0) for name in names.cache)
                used = max(_number(f"{folder}/{names.used}") - cache, 0)
                yield max(limit - used, 0), f"the control group {folder}"
            if len(folder) <= len(top):
                break
            folder = os.path.dirname(folder)


class _Names(Record):
    """The names of the files and statistics of one version of control groups."""

    limits: tuple[str, ...]
    used: str
    cache: tuple[str, ...]


_FIRST = _Names(
    ("memory.limit_in_bytes",), "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")
)
_SECOND = _Names(("memory.max", "memory.high"), "memory.current", ("inactive_file", "active_file"))


def _memory_groups() -> Iterator[tuple[str, str, _Names]]:
    """Yield folder, mount point and file names of the process's memory groups. Source: cgroups(7)."""
    try:
        with open(f"{PROC}/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return
    paths = {"cgroup2" if not names else "cgroup": path for _, names, path in rows if _has_memory(names)}
    for mount in _mounts():
        kind, root, point = _type(mount), mount[3], mount[4]
        path = paths.get(kind)
        if path is None or (kind == "cgroup" and "memory" not in mount[-1].split(",")):
            continue
        # In a container, the path may be a path of the host; the mount point is then the group of the
        # container.
        inside = path == root or path.startswith(root.rstrip("/") + "/")
        below = path[len(root.rstrip("/")) :].strip("/") if inside else ""
        folder = f"{point}/{below}" if below and os.path.isdir(f"{point}/{below}") else point
        yield folder, point, _SECOND if kind == "cgroup2" else _FIRST


def _has_memory(controllers: str) -> bool:
    return not controllers or "memory" in controllers.split(",")


def _mounts() -> list[list[str]]:
    """Return the fields of each mount. Source: proc_pid_mountinfo(5)."""
    try:
        with open(f"{PROC}/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return [line.rstrip("\n").split(" ") for line in file]
    except OSError:
        return []


def _type(mount: list[str]) -> str:
    """Return the type of a mount, which is the first field after the separator `-`."""
    return mount[mount.index("-") + 1]


def _table(path: str) -> dict[str, int]:
    """Return the numbers in a file with lines of `NAME NUMBER …`; empty if it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            rows = [line.split() for line in file]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _number(path: str) -> int:
    """Return the number in a file; the greatest number for `max`, and if the file cannot be read."""
    try:
        with open(path, encoding="ascii") as file:
            return min(int(file.read()), sys.maxsize)
    except (OSError, ValueError):
        return sys.maxsize
