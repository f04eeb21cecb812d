"""Find and kill the processes of a stack that still run when its supervisor does not run any longer.

The processes are found by their traces (`journal.Traces`). The traces are in the journal and in the file
`descendants`. This file contains the descendants of services that have neither the stack's token in their
environment nor the control group of the supervisor.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

from infra_runtime.data_directory import control_file, journal, lock
from infra_runtime.data_directory.journal import Journal, Traces
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import cgroup, processes
from infra_runtime.value import frozen

#: seconds to wait for the guardian of a killed supervisor, which holds the lock until it has cleaned up
PATIENCE = 10.0


@frozen
class Cleaned:
    """The pids of the processes that were killed, and a text for each one that still runs."""

    pids: tuple[int, ...] = ()
    left: tuple[str, ...] = ()


def find(paths: Paths) -> Traces:
    """Return the traces in a data directory: those in the journal and those in the file `descendants`."""
    found = journal.traces(journal.read(paths.journal))
    return found._replace(roots=read_descendants(paths.descendants) | found.roots) if found else found


def end(paths: Paths) -> Cleaned:
    """Kill the processes that a dead supervisor and a dead guardian left; the caller holds the lock."""
    found = find(paths)
    if not found:
        return Cleaned()
    pids, left = processes.kill(found.roots, *found.tokens)
    for folder, token in found.groups:
        cgroup.remove(token, folder)
    with contextlib.suppress(OSError):
        os.unlink(paths.descendants)
    return Cleaned(pids=tuple(sorted(pids)), left=tuple(f"process {process.pid}" for process in left))


def end_unsupervised(paths: Paths, *, patience: float = PATIENCE) -> Cleaned:
    """Kill the processes of a stack whose supervisor was killed; remove its sockets, folders and test data.

    The function changes nothing if the last run of the stack has ended completely, or if a supervisor runs.
    """
    if not find(paths):
        return Cleaned()
    deadline = time.monotonic() + patience
    while (descriptor := lock.take(paths)) is None:
        if time.monotonic() > deadline:
            return Cleaned()
        time.sleep(0.005)
    try:
        run = journal.last_run(journal.read(paths.journal))
        cleaned = end(paths)
        import shutil

        shutil.rmtree(control_file.run_folder(paths), ignore_errors=True)
        if run and run[0].environment == "test":
            shutil.rmtree(paths.services, ignore_errors=True)
        record = Journal(paths.journal)
        if cleaned.pids or cleaned.left:
            record.write("reconciled", pids=cleaned.pids, left=cleaned.left)
        record.write("down", left=cleaned.left)
        record.close()
    finally:
        os.close(descriptor)
    return cleaned


def read_descendants(path: str) -> dict[int, str]:
    """Return pid → start time of the recorded descendants; empty if the machine has rebooted since then."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            boot, *lines = file.read().splitlines() or [""]
    except OSError:
        return {}
    pairs = (line.partition(" ") for line in lines) if boot == journal.boot() else ()
    return {int(pid): start for pid, _, start in pairs if pid.isdigit() and start}


def write_descendants(path: str, descendants: Mapping[int, str]) -> None:
    """Replace the record of the descendants. On a full disk the previous record stays."""
    lines = [journal.boot(), *(f"{pid} {start}" for pid, start in descendants.items())]
    with contextlib.suppress(OSError):
        with open(f"{path}.new", "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("\n".join(lines) + "\n")
        os.replace(f"{path}.new", path)
