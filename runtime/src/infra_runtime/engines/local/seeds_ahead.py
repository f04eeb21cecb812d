"""The copies of seeds that a client makes while the supervisor that it has started imports its modules.

A supervisor needs about 80 ms before it can start the first service. In this time, a second core would be
idle, and the copy of PostgreSQL's cluster takes as long. A thread of the client copies to a folder in RAM.
The process that prepares a service waits for the lock of its copy, and then moves it to the data folder.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from infra_runtime.data_directory import memory_folder, seed_copy
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import disk, file_lock, memory
from infra_runtime.messages import Up
from infra_runtime.supervisor import early_choice


def start(paths: Paths, request: Up, folder: str) -> contextlib.ExitStack:
    """Start to copy the seeds of the services that start early to a new folder, which is locked.

    When the result is closed, the copies have ended, and the folder is removed. Errors are ignored: the
    supervisor makes the copies that are missing.
    """
    closing = contextlib.ExitStack()
    with contextlib.suppress(OSError):
        choice = early_choice.chosen(request, paths.seeds())
        trees = dict.fromkeys(tree for _, seeds in choice for tree in seeds)
        if not trees or memory.obstacle():
            return closing
        closing.callback(os.close, memory_folder.make(paths, folder))
        closing.callback(_remove, folder)
        copies = {tree: f"{folder}/{Path(tree).name}" for tree in trees}
        locks = {tree: file_lock.acquire_current(f"{copy}.lock") for tree, copy in copies.items()}
        copying = threading.Thread(target=_copy, args=(copies, locks), name="infra-seeds")
        copying.start()
        closing.callback(copying.join)
    return closing


def _copy(copies: Mapping[str, str], locks: dict[str, int]) -> None:
    try:
        for tree, copy in copies.items():
            with contextlib.suppress(OSError):
                seed_copy.copy(tree, copy)
            file_lock.release(locks.pop(tree))
    finally:
        for lock in locks.values():
            file_lock.release(lock)


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        disk.remove(folder)
