"""The copies of seeds that a client makes while the supervisor that it has started imports its modules.

A supervisor needs about 80 ms before it can start the first service. In this time, a second core would be
idle, and the copy of PostgreSQL's cluster takes as long. A thread of the client copies to a folder in RAM.
The process that prepares a service waits for the lock of its copy, and then moves it to the data folder.
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
    """Start to copy the seeds of the services that start early to a new folder, which is locked.

    When the result is closed, the copies have ended, and the folder is removed. Errors are ignored: the
    supervisor makes the copies that are missing.
    """
    # RuntimeError: the limit of threads has been reached
    with contextlib.suppress(OSError, RuntimeError), ExitStack() as opened:
        choice = early_choice.chosen(request, paths.seeds())
        trees = dict.fromkeys(tree for _, seeds in choice for tree in seeds)
        if not trees or memory.obstacle():
            return ExitStack()
        opened.callback(os.close, memory_folder.make(paths, folder))
        opened.callback(_remove, paths, folder)
        locks = opened.enter_context(ExitStack())
        copies: list[tuple[str, str, ExitStack]] = []
        for tree in trees:
            copy = f"{folder}/{Path(tree).name}"
            lock = locks.enter_context(ExitStack())
            lock.callback(file_lock.release, file_lock.acquire_current(f"{copy}.lock"))
            copies.append((tree, copy, lock))
        copying = threading.Thread(target=_copy, args=(copies, locks), name="infra-seeds")
        copying.start()
        opened.callback(copying.join)
        return opened.pop_all()
    return ExitStack()


def _copy(copies: Iterable[tuple[str, str, ExitStack]], locks: ExitStack) -> None:
    """Copy each seed, and close the stack that releases its lock; close `locks` also after an error."""
    with locks:
        for tree, copy, lock in copies:
            with lock, contextlib.suppress(OSError):
                # A second Ctrl-C removes the folder during the copies, which must not create it again.
                Path(copy).parent.stat()
                seed_copy.copy(tree, copy)


def _remove(paths: Paths, folder: str) -> None:
    """Remove the folder; it is renamed first, so that no process moves a copy of which a part is removed."""
    with contextlib.suppress(OSError):
        renamed = memory_folder.new_path(paths)
        Path(folder).rename(renamed)
        disk.remove(renamed)
