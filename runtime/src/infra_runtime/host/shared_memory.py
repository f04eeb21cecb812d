"""System V shared memory that killed programs leave behind: the kernel keeps it until somebody removes it.

PostgreSQL always has a segment of some bytes, by which it knows that an old life of it is over. It removes it
itself, but not when it is killed. The guardian imports this, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Source: proc_sysvipc(5); where there is none, nothing is removed
TABLE = "/proc/sysvipc/shm"
IPC_RMID = 0  # Source: <linux/ipc.h>


def remove(dead: Mapping[int, str]) -> list[int]:
    """Remove the segments that these processes (pid → start time) made and nobody has attached.

    A segment is theirs when it names the pid as its creator's, and is no older than the process: pids are
    used again. The caller knows that the pid isn't a stranger's by now. Returns the segments' numbers.
    """
    found = [identifier for identifier, pid, made in _unattached() if _was_there(dead.get(pid, ""), made)]
    if found:
        import ctypes  # a third of the guardian's memory, and hardly ever needed

        for identifier in found:
            ctypes.CDLL(None).shmctl(identifier, IPC_RMID, None)
    return found


def _unattached() -> list[tuple[int, int, int]]:
    """Number, creator's pid and Unix time of each segment that nobody has attached."""
    try:
        with open(TABLE, encoding="ascii") as file:
            names, *rows = [line.split() for line in file]
    except OSError:
        return []
    number, maker, made, attached = [names.index(it) for it in ("shmid", "cpid", "ctime", "nattch")]
    return [(int(row[number]), int(row[maker]), int(row[made])) for row in rows if row[attached] == "0"]


def _was_there(start: str, made: int) -> bool:
    """Whether a process with this start time was there at this Unix second. Source: proc_pid_stat(5)."""
    if not start:
        return False
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(start) / os.sysconf("SC_CLK_TCK")
    return made >= int(time.time() - age)
