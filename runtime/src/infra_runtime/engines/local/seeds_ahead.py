"""Copy seeds in the client while the supervisor that the client has started imports its modules.

A supervisor needs about 80 ms before it can start the first service. In this time, a second processor core
would be idle, and a copy of a PostgreSQL cluster takes about as long. A thread of the client copies the seeds
to a folder in RAM. The process that prepares a service waits until the lock of its copy is free, and moves
the copy to the data folder.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from infra_runtime.data_directory import memory_folder, seed_copy
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import disk, file_lock, memory
from infra_runtime.messages import Up
from infra_runtime.supervisor import early_choice


def start(paths: Paths, request: Up, folder: str) -> ExitStack:
    """Start a thread that copies the seeds of early services to a new, locked folder.

    Closing the result waits for the thread and removes the folder. Errors are ignored: the supervisor itself
    copies the seeds that are missing in the folder.
    """
    # RuntimeError: the limit of threads has been reached
    with contextlib.suppress(OSError, RuntimeError), ExitStack() as resources:
        choice = early_choice.chosen(request, paths.seeds())
        trees = dict.fromkeys(tree for _, seeds in choice for tree in seeds)
        if not trees or memory.obstacle():
            return ExitStack()
        resources.callback(os.close, memory_folder.make(paths, folder))
        resources.callback(_remove, paths, folder)
        locks = resources.enter_context(ExitStack())
        copies: list[tuple[str, str, ExitStack]] = []
        for tree in trees:
            copy = f"{folder}/{Path(tree).name}"
            lock = locks.enter_context(ExitStack())
            lock.callback(file_lock.release, file_lock.acquire_current(f"{copy}.lock"))
            copies.append((tree, copy, lock))
        thread = threading.Thread(target=_copy, args=(copies, locks), name="infra-seeds")
        thread.start()
        resources.callback(thread.join)
        return resources.pop_all()
    return ExitStack()


def _copy(copies: Iterable[tuple[str, str, ExitStack]], locks: ExitStack) -> None:
    """Copy each seed, and release its lock after the copy; an `OSError` skips only this seed."""
    with locks:
        for tree, copy, lock in copies:
            with lock, contextlib.suppress(OSError):
                # A second Ctrl-C removes the folder during the copies; a copy must not create the folder
                # again.
                Path(copy).parent.stat()
                seed_copy.copy(tree, copy)


def _remove(paths: Paths, folder: str) -> None:
    """Rename and remove the folder; after the rename, no process can move a partly removed copy."""
    with contextlib.suppress(OSError):
        renamed = memory_folder.new_path(paths)
        Path(folder).rename(renamed)
        disk.remove(renamed)
