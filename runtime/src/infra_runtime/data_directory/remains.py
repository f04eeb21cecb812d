"""Find and kill processes and containers of a stack that are still running after its supervisor has exited.

The processes are identified by their traces (`journal.Traces`) in the journal and in the file `descendants`.
This file contains the descendants of services that have neither the stack's token in their environment nor
the control group of the supervisor.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

from infra_runtime.data_directory import control_file, journal, lock, memory_folder, seed_cache
from infra_runtime.data_directory.journal import Journal, Traces
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import cgroup, disk, file_lock, processes
from infra_runtime.value import frozen

#: seconds to wait for the guardian of a killed supervisor; the guardian holds the lock during its clean-up
PATIENCE = 10.0


@frozen
class Cleaned:
    """The result of a clean-up: the killed processes, the removed containers, and those that remain."""

    #: the pids of the killed processes
    pids: tuple[int, ...] = ()
    #: the number of containers before the removal
    containers: int = 0
    #: a text such as `process 7` for each process or container that remains
    left: tuple[str, ...] = ()
    #: the folder in RAM whose data a reboot has removed; empty if no data were lost
    lost: str = ""

    def __bool__(self) -> bool:
        """Return whether processes or containers of the stack were still running."""
        return bool(self.pids or self.containers or self.left)


def find(paths: Paths) -> Traces:
    """Return the data that identify remaining processes: from the journal and the file `descendants`."""
    traces = journal.recent_traces(paths.journal)
    return traces._replace(roots=read_descendants(paths.descendants) | traces.roots) if traces else traces


def end(paths: Paths) -> Cleaned:
    """Remove processes, containers, sockets and data in RAM that remain of an exited supervisor.

    The caller holds the lock of the data directory. Sockets must be removed because PostgreSQL, for example,
    does not start if the lock file of a socket exists and the pid in this file is the pid of a running
    process.
    """
    traces = find(paths)
    container_count = 0
    for engine, token in traces.engines:
        from infra_runtime.host import containers  # imported here: rarely used, and the import takes 4 ms

        # Before the processes in the containers are killed.
        container_count += len(containers.left(engine, token))
    pids, processes_left = processes.kill(traces.roots, *traces.tokens) if traces else (set(), [])
    remaining = [f"process {process.pid}" for process in processes_left]
    for engine, token in traces.engines:
        from infra_runtime.host import containers

        remaining += containers.remove(engine, token)
    for folder, token in traces.groups:
        cgroup.remove(token, folder)
    with contextlib.suppress(OSError):
        os.unlink(paths.descendants)
    with contextlib.suppress(OSError):
        memory_folder.remove(paths)
    # A supervisor that was killed while it started has not written its control file yet.
    for folder in {control_file.run_folder(paths), paths.run}:
        with contextlib.suppress(OSError):
            disk.remove(folder)
    return Cleaned(
        pids=tuple(sorted(pids)), containers=container_count, left=tuple(remaining), lost=traces.lost
    )


def end_unsupervised(paths: Paths, *, patience: float = PATIENCE) -> Cleaned:
    """Kill the processes of a stack whose supervisor was killed, and remove the stack's files.

    These files are the sockets of the stack, seeds whose build was interrupted, lock files of ports that no
    process holds, and, in the environment `test`, the data of the services. If the last run of the stack has
    ended completely, the function changes nothing. It waits for the lock of the data directory; if a
    supervisor still holds the lock after `patience` seconds, the function changes nothing, either.
    """
    if not _has_remains(paths):
        return Cleaned()
    deadline = time.monotonic() + patience
    while (descriptor := lock.take(paths)) is None:
        if time.monotonic() > deadline:
            return Cleaned()
        time.sleep(0.005)
    try:
        return end_locked(paths)
    finally:
        os.close(descriptor)


def end_locked(paths: Paths) -> Cleaned:
    """Do the work of `end_unsupervised` without its checks.

    The caller holds the lock of the data directory.
    """
    traces, run = find(paths), journal.last_run(journal.recent(paths.journal))
    cleaned = end(paths)
    # If the last run ended with `down`, files in the folders of a test's services may belong to the user.
    removes_data = bool(traces) and bool(run) and run[0].environment == "test"
    if removes_data:
        with contextlib.suppress(OSError):
            disk.remove(paths.services)
    file_lock.remove_free(paths.ports)
    for folder in seed_cache.interrupted(paths.seeds()):
        with contextlib.suppress(OSError):
            disk.remove(folder)
    if traces:
        record = Journal(paths.journal)
        if cleaned:
            record.write("reconciled", pids=cleaned.pids, left=cleaned.left)
        record.write("down", left=cleaned.left)
        record.close()
    return cleaned


def _has_remains(paths: Paths) -> bool:
    """Return whether processes of the stack's last run may remain.

    The result is true if the journal contains processes of this boot, or containers, of runs without a
    complete `down`, or if folders remain because the supervisor was killed between `down` and its exit.
    """
    traces = find(paths)
    folders = [control_file.run_folder(paths), *(folder for folder, _ in traces.groups)]
    folders.append(memory_folder.existing(paths))
    return bool(traces) or any(map(os.path.lexists, folders))


def read_descendants(path: str) -> dict[int, str]:
    """Return a mapping from pid to start time, for the processes in the file `descendants` at `path`.

    The result is empty if the machine has rebooted since the file was written.
    """
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            boot, *lines = file.read().splitlines() or [""]
    except OSError:
        return {}
    pairs = (line.partition(" ") for line in lines) if boot == journal.boot() else ()
    return {int(pid): start for pid, _, start in pairs if pid.isdigit() and start}


def write_descendants(path: str, descendants: Mapping[int, str]) -> None:
    """Write the pids and start times of a supervisor's descendants to the file at `path`.

    If the disk is full, the previous file remains.
    """
    lines = [journal.boot(), *(f"{pid} {start}" for pid, start in descendants.items())]
    with contextlib.suppress(OSError):
        with open(f"{path}.new", "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("\n".join(lines) + "\n")
        os.replace(f"{path}.new", path)
