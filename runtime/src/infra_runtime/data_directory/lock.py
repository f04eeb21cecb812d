"""The lock of a data directory: while a process holds it, no process of an earlier supervisor runs.

The supervisor and its guardian share the lock, and the lock file contains the guardian's pid. When a signal
stops the guardian after its supervisor's death, the kernel does not continue it; the process that waits for
the lock does.
"""

from __future__ import annotations

import contextlib
import os
import signal

from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import file_lock, ownership, processes


def take(paths: Paths) -> int | None:
    """Return the locked descriptor; None when another process has it."""
    descriptor = file_lock.acquire(paths.lock)
    if descriptor is None:
        wake_holder(paths)
        return None
    if not file_lock.is_current(descriptor, paths.lock):  # its former holder has removed the file
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    return descriptor


def name_holder(descriptor: int, pid: int) -> None:
    """Write pid and start time of the guardian, which still holds the lock after the supervisor's death."""
    with contextlib.suppress(OSError):  # the lock also works when the disk is full
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{pid} {processes.started(pid)}\n".encode(), 0)


def wake_holder(paths: Paths) -> None:
    """Send SIGCONT to the process in the lock file if a signal has stopped it."""
    try:
        with open(ownership.open_file(paths.lock, os.O_RDONLY), encoding="ascii") as file:
            pid, _, start = file.read().strip().partition(" ")
        process = processes.look(int(pid))
    except (OSError, ValueError):
        return
    if process is not None and process.started == start and process.state in processes.STOPPED:
        processes.send(process, signal.SIGCONT)
