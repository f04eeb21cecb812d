"""The lock of a data directory: whoever has it knows that nobody of the stack's former life is alive.

The supervisor and its guardian hold it together, and the file names the guardian. Somebody may stop that one
when its supervisor is dead already: no kernel wakes it then, so whoever waits for the lock does.
"""

from __future__ import annotations

import contextlib
import os
import signal

from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import file_lock, processes


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
    """Write down who holds the lock when its taker is dead."""
    with contextlib.suppress(OSError):  # a full disk: it is held all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{pid} {processes.started(pid)}\n".encode(), 0)


def wake_holder(paths: Paths) -> None:
    """Have the process that the lock names go on, should somebody have stopped it."""
    try:
        with open(paths.lock, encoding="ascii") as file:
            pid, _, start = file.read().strip().partition(" ")
        process = processes.look(int(pid))
    except (OSError, ValueError):
        return
    if process is not None and process.started == start and process.state in processes.STOPPED:
        processes.send(process, signal.SIGCONT)
