"""Copies of seeds that run while the supervisor imports asyncio and most of its modules.

The copy of PostgreSQL's cluster takes as long as the rest of the supervisor's start. In tests, whose services
have no data yet, the client therefore passes the seeds of its plan on the command line of the supervisor.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial

from infra_runtime.data_directory import seed_cache
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import file_copy, file_lock, privileges, processes
from infra_runtime.host.file_copy import stage
from infra_runtime.host.fork import fork
from infra_runtime.record import Record
from infra_runtime.supervisor.guardian_process import Guardian
from infra_runtime.supervisor.planned_copies import PlannedCopy


class SeedCopy(Record):
    """A copy of a seed; the process that copies the files is running, or has exited."""

    service: str
    tree: str
    #: the temporary path of the copy, for `file_copy.publish`
    copy: str
    #: the descriptor that holds the shared lock of the seed
    lock: int
    pid: int
    #: the start time of the process
    started: str


class BegunCopy(Record):
    """A copy of a seed that has been started, with the values that the module `prepare` needs."""

    tree: str
    copy: str
    lock: int
    #: returns the exit status of the copy's process; it is not 0 if the seed is damaged
    finish: Callable[[], Coroutine[None, None, int]]


def start(text: str, paths: Paths, guardian: Guardian, locks: Sequence[int]) -> dict[str, SeedCopy]:
    """Start copying seeds for services; return a mapping from the path of a data folder to its `SeedCopy`.

    `text` is the result of `planned_copies.planned`. The processes that copy also hold `locks`, so that the
    next supervisor starts only after these processes have exited. If a copy cannot be started, the mapping
    does not contain it, and the service is prepared without this copy.
    """
    copies = {}
    for request in (PlannedCopy(*fields) for fields in json.loads(text)):
        if _needs_another_user(request):
            continue
        into = paths.service_data(request.service)
        with contextlib.suppress(OSError):
            lock = file_lock.acquire(f"{request.tree}.lock", shared=True)
            if lock is not None:
                copies[into] = _start(request, into, lock, guardian, locks)
    return copies


def _needs_another_user(request: PlannedCopy) -> bool:
    """Return whether the data folder needs another owner before the copy; then `prepare` copies the seed."""
    return request.refuses_root and os.geteuid() == 0 and not privileges.user_namespaces_work()


def _start(request: PlannedCopy, into: str, lock: int, guardian: Guardian, locks: Sequence[int]) -> SeedCopy:
    """Fork a process that copies a seed. It starts copying after the guardian has received its pid."""
    try:
        copy = stage(into)
        begin, recorded = os.pipe()
        try:
            pid = fork(partial(_run, request.tree, copy, begin), (begin, *locks))
            started = processes.started(pid)
            guardian.watch(pid, started)
            os.write(recorded, b"+")
        finally:
            os.close(begin)
            os.close(recorded)
    except BaseException:
        os.close(lock)
        raise
    return SeedCopy(request.service, request.tree, copy, lock, pid, started)


def _run(tree: str, copy: str, begin: int) -> int:
    """Copy a seed in the forked process and check that the seed is not damaged; return the exit status."""
    os.setsid()
    if not os.read(begin, 1):
        return 1  # the supervisor was killed before the guardian got the pid of this process
    os.umask(0)  # the files get the permissions of the originals
    try:
        file_copy.copy(tree, copy)
    except OSError as error:
        print(f"{error.filename or tree}: {error.strerror or error}; trying again", file=sys.stderr)
        return 1
    return 1 if seed_cache.damage(tree) else 0
