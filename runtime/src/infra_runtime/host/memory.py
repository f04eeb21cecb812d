"""Check whether files can be stored in RAM: the tmpfs /dev/shm, and the available memory.

The files of a tmpfs are in memory, and are part of the memory use of the control group that writes them.
Source: Linux kernel, "Tmpfs", "Control Group v2" and "Memory Resource Controller" (version 1).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from infra_runtime.record import Record

#: the folder in which Linux distributions and container runtimes mount a tmpfs. Source: shm_overview(7)
TMPFS = "/dev/shm"  # noqa: S108 - the files in it are in a folder of this user
#: the number of bytes that must be free in the tmpfs before a stack uses it. The five default services need
#: 60 MB, the databases of each worker of a test run need 10 MB each, and PostgreSQL stores 64 MB or more of
#: WAL
LEAST_ROOM = 1 << 30
#: the number of bytes of memory that must be available for the files, and for the processes of the stack and
#: the tests
LEAST_MEMORY = 2 << 30
#: the number of files that must still be possible in the tmpfs; a PostgreSQL cluster has 977 files, and each
#: database 300 to 450 files
LEAST_FILES = 50_000
#: the number of free bytes below which a warning is reported, and the number above which the next warning is
#: possible
LOW, RECOVERED = 256 << 20, 512 << 20
#: in version 1 of control groups, a number of bytes from which a limit has no effect
UNLIMITED = 1 << 60
#: the folder with the files in which Linux describes the memory, the mounts and the control groups of a
#: process
PROC = "/proc"


def obstacle(tmpfs: str = TMPFS) -> str:
    """Return the reason why the files of a stack cannot be in this tmpfs; empty if this is possible."""
    if sys.platform != "linux":
        return "this operating system has no tmpfs"
    folder = os.path.realpath(tmpfs)
    kinds = [_type(mount) for mount in _mounts() if mount[4] == folder]
    if kinds[-1:] != ["tmpfs"]:  # the folder contains the files of the last mount
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
        return f"{tmpfs} has {megabytes(free)} free, but {megabytes(LEAST_ROOM)} are required"
    if status.f_files and status.f_favail < LEAST_FILES:
        return f"{tmpfs} has space for {status.f_favail} files, but {LEAST_FILES} are required"
    available, limited_by = memory_left()
    if available < LEAST_MEMORY:
        return (
            f"{limited_by} has {megabytes(available)} of free memory, "
            f"but {megabytes(LEAST_MEMORY)} are required"
        )
    return ""


def room(tmpfs: str = TMPFS) -> tuple[int, str]:
    """Return the number of bytes that files in a tmpfs can still use, and the name of the limiting system.

    The limiting system is the tmpfs, the machine or a control group. Raises `OSError` if the tmpfs does not
    exist.
    """
    status = os.statvfs(tmpfs)
    return min((status.f_bavail * status.f_frsize, tmpfs), memory_left())


def megabytes(number: int) -> str:
    """Return a number of bytes as text, such as `64 MB`."""
    return f"{number >> 20} MB"


def memory_left() -> tuple[int, str]:
    """Return the bytes of memory that this process can still use, and the name of the limiting system.

    The limiting system is the machine or a control group. Memory that the kernel uses as a cache of
    files on a disk is included, because the kernel can free it.
    """
    return min([(_available(), "this machine"), *_groups()])


def _available() -> int:
    """Return the available memory of the machine in bytes. Source: proc_meminfo(5)."""
    value = _table(f"{PROC}/meminfo").get("MemAvailable:")
    return sys.maxsize if value is None else value << 10


def _groups() -> Iterator[tuple[int, str]]:
    """Yield the free memory and the name of each control group that contains this process and has a limit."""
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
    """Yield the folder, the mount point and the file names of this process's memory groups.

    Source: cgroups(7).
    """
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
        # In a container, the path may be a path of the host; the mount point then shows the group of the
        # container.
        is_below_root = path == root or path.startswith(root.rstrip("/") + "/")
        relative_path = path[len(root.rstrip("/")) :].strip("/") if is_below_root else ""
        folder = (
            f"{point}/{relative_path}"
            if relative_path and os.path.isdir(f"{point}/{relative_path}")
            else point
        )
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
    """Return the file system type of a mount, which is the first field after the separator `-`."""
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
    """Return the number in a file; for the text `max`, or if the file cannot be read, `sys.maxsize`."""
    try:
        with open(path, encoding="ascii") as file:
            return min(int(file.read()), sys.maxsize)
    except (OSError, ValueError):
        return sys.maxsize
