"""Copies of seeds that run while the supervisor imports asyncio and most of its modules.

The copy of PostgreSQL's cluster takes as long as the rest of the supervisor's start. In tests, whose services
have no data yet, the client therefore passes the seeds of its plan on the command line of the supervisor.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import NamedTuple

from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import file_lock, privileges, processes
from infra_runtime.host.file_copy import COPY, stage
from infra_runtime.supervisor.guardian_process import Guardian
from infra_runtime.supervisor.planned_copies import PlannedCopy
from infra_runtime.supervisor.spawn import environment_of, spawn


class SeedCopy(NamedTuple):
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


class BegunCopy(NamedTuple):
    """The data of a `SeedCopy` that the module `prepare` uses."""

    tree: str
    copy: str
    lock: int
    #: returns the exit status of the copy's process
    finish: Callable[[], Coroutine[None, None, int]]


def start(
    text: str, paths: Paths, guardian: Guardian, *, environment: str, token: str
) -> dict[str, SeedCopy]:
    """Start to copy the seeds of services that do not have data yet; return final path → copy.

    A copy that cannot be started is omitted: the service is then prepared without this copy.
    """
    copies = {}
    for request in (PlannedCopy(*fields) for fields in json.loads(text)):
        if _needs_another_user(request):
            continue
        into, log = paths.service_data(request.service), f"{paths.logs}/{request.service}.log"
        with contextlib.suppress(OSError):
            lock = file_lock.acquire(f"{request.tree}.lock", shared=True)
            if lock is not None:
                variables = environment_of(environment, request.service, token)
                copies[into] = begun = _start(request, into, lock, env=variables, log=log)
                guardian.watch(begun.pid, begun.started)
    return copies


def _needs_another_user(request: PlannedCopy) -> bool:
    """Return whether the owner of the files must be changed before the copy; `prepare` does this."""
    return request.refuses_root and os.geteuid() == 0 and not privileges.user_namespaces_work()


def _start(request: PlannedCopy, into: str, lock: int, *, env: Mapping[str, str], log: str) -> SeedCopy:
    try:
        copy = stage(into)
        child = spawn((*COPY, request.tree, copy), env=env, cwd="/", log=log, refuses_root=False)
    except BaseException:
        os.close(lock)
        raise
    child.returncode = 0  # Popen must not wait for the process: `Children` reads its exit status
    started = processes.started(child.pid)
    return SeedCopy(request.service, request.tree, copy, lock, child.pid, started)
