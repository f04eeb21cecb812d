"""The lock of a data directory: when a process gets the lock, no supervisor or guardian is running.

The supervisor and its guardian share the lock, and the lock file contains the guardian's pid. If a signal has
paused the guardian after the exit of its supervisor, the process that waits for the lock continues the
guardian with SIGCONT.
"""

from __future__ import annotations

import contextlib
import os
import signal

from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import file_lock, ownership, processes


def take(paths: Paths) -> int | None:
    """Lock a data directory; return the lock file's descriptor.

    The result is None if another process has the lock, or has just removed the lock file.
    """
    descriptor = file_lock.acquire(paths.lock)
    if descriptor is None:
        wake_holder(paths)
        return None
    if not file_lock.is_current(descriptor, paths.lock):  # the previous holder has removed the file
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    return descriptor


def name_holder(descriptor: int, pid: int) -> None:
    """Write the pid and the start time of the guardian to the lock file.

    The guardian holds the lock together with the supervisor, and continues to hold it after the supervisor's
    exit.
    """
    with contextlib.suppress(OSError):  # the lock also works when the disk is full
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{pid} {processes.started(pid)}\n".encode(), 0)


def wake_holder(paths: Paths) -> None:
    """Send SIGCONT to the guardian if a signal has paused it. The lock file contains the guardian's pid."""
    try:
        with open(ownership.open_file(paths.lock, os.O_RDONLY), encoding="ascii") as file:
            pid, _, start = file.read().strip().partition(" ")
        process = processes.look(int(pid))
    except (OSError, ValueError):
        return
    if process is not None and process.started == start and process.state in processes.STOPPED:
        processes.send(process, signal.SIGCONT)
