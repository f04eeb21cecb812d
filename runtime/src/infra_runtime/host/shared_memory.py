"""Remove the shared memory of killed programs: the kernel keeps a segment until a process removes it.

Each PostgreSQL server has a small segment, from which the next server for its data detects whether the server
is still running. A server removes its segment when it exits, but not when it is killed. The temporary servers
that `initdb` starts also have a POSIX segment, which is a file in /dev/shm. The guardian imports this module,
so the module imports as little as possible.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: the table of System V segments; on a system without this file, no segment is removed. Source:
#: proc_sysvipc(5)
TABLE = "/proc/sysvipc/shm"
#: the prefix of the paths of PostgreSQL's POSIX segments. Source: PostgreSQL,
#: src/backend/storage/ipc/dsm_impl.c, `dsm_impl_posix`
FILES = "/dev/shm/PostgreSQL."  # noqa: S108 - the beginning of names that are removed only while they are mapped
IPC_RMID = 0  # Source: <linux/ipc.h>


def remove(dead: Mapping[int, str]) -> list[int]:
    """Remove the shared memory segments that exited processes (pid → start time) created.

    Return their numbers.

    A segment that a running process has attached is not removed. Because pids are reused, a segment is
    removed only if its creator has the pid of an exited process, and if the segment is not older than this
    exited process. The caller ensures that no running process has one of the pids.
    """
    segments = [number for number, pid, created in _unattached() if _had_started(dead.get(pid, ""), created)]
    if segments:
        import ctypes  # imported here: it is rarely needed, and would need a third of the guardian's memory

        for number in segments:
            ctypes.CDLL(None).shmctl(number, IPC_RMID, None)
    return segments


def files_of(pid: int) -> set[str]:
    """Return the paths of PostgreSQL's POSIX segments that a process uses. Source: proc_pid_maps(5)."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            text = file.read().decode(errors="replace")
    except OSError:
        return set()
    if FILES not in text:
        return set()
    return {line[line.index(FILES) :].strip() for line in text.splitlines() if FILES in line}


def remove_files(paths: set[str]) -> None:
    """Remove the files of POSIX segments of exited processes; errors, such as a missing file, are ignored."""
    for path in paths:
        try:
            os.unlink(path)
        except OSError:
            continue


def _unattached() -> list[tuple[int, int, int]]:
    """Return the segments that no process has attached: number, pid of the creator, Unix time."""
    try:
        with open(TABLE, encoding="ascii") as file:
            names, *rows = [line.split() for line in file]
    except OSError:
        return []
    number, creator, created, attached = [names.index(name) for name in ("shmid", "cpid", "ctime", "nattch")]
    return [(int(row[number]), int(row[creator]), int(row[created])) for row in rows if row[attached] == "0"]


def _had_started(start: str, second: int) -> bool:
    """Return whether a process with this start time existed at this Unix time. Source: proc_pid_stat(5)."""
    if not start:
        return False
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(start) / os.sysconf("SC_CLK_TCK")
    return second >= int(time.time() - age)
