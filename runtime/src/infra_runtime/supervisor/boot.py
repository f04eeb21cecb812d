"""The first part of a supervisor's start, before it imports asyncio.

This module starts the guardian and the services that can start early: they run in parallel with the imports.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import threading
from collections.abc import Mapping

from infra_runtime.data_directory import memory_folder, remains, restoration, seed_cache
from infra_runtime.data_directory.journal import Journal, boot, rotate
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import cgroup, disk, ownership
from infra_runtime.host.ports import Ports
from infra_runtime.host.privileges import become_subreaper
from infra_runtime.record import Record
from infra_runtime.supervisor import early_starts
from infra_runtime.supervisor.early_starts import EarlyStart, Stage
from infra_runtime.supervisor.guardian_process import Guardian
from infra_runtime.supervisor.service_folders import ServiceFolders

#: seconds to wait for further bytes of the first request of the client that started this process
REQUEST_SECONDS = 5.0


class FirstRequest(Record):
    """The connection to the client that started the supervisor, and its first line, the client's `hello`.

    The line is incomplete if the client did not send it in time.
    """

    connection: int
    line: bytes


class Boot(Record):
    """The objects of the supervisor that are created before it imports asyncio."""

    paths: Paths
    #: the pid of the process that started the supervisor
    launcher: int
    environment: str
    token: str
    guardian: Guardian
    journal: Journal
    places: ServiceFolders
    #: the folders that are removed when the supervisor exits
    temporary: tuple[str, ...]
    #: the remaining files of interrupted operations: saved, restored and removed snapshots, and builds of
    #: seeds; and unused folders in RAM of other stacks of this user
    leftovers: tuple[str, ...]
    ports: Ports
    #: service → its early start
    early: Mapping[str, EarlyStart]
    first: FirstRequest | None


def prepared(
    paths: Paths,
    descriptor: int,
    launcher: int,
    environment: str,
    *,
    tmpfs: bool,
    copies: str,
    connection: int,
) -> Boot:
    """Clean up after an earlier supervisor, then start the guardian and the services that can start early.

    `descriptor` is the open lock file of the data directory. `copies` is the folder in RAM to which the
    client copies seeds, or empty. `connection` is the descriptor of the socket for the client's first
    request. Raises `DataDirectoryError` if the data directory cannot be used, `OSError` if a file or process
    cannot be created.
    """
    become_subreaper()
    ownership.make_private_folder(paths.home, shared=True)
    cleaned = remains.end(paths)
    was_undone, leftovers = restoration.recover(paths)
    leftovers += seed_cache.interrupted(paths.seeds())
    is_test = environment == "test"
    temporary = [paths.services] if is_test else []
    for folder in temporary:  # tests start without data: a killed supervisor did not remove this folder
        remove(folder)
    rotate(paths.journal)
    token = os.urandom(8).hex()
    places = ServiceFolders(paths, in_memory=tmpfs and is_test)
    if places.memory:
        temporary.append(places.memory)
        leftovers += memory_folder.abandoned()
    if copies:
        temporary.append(copies)
    folders = [paths.run, seed_cache.building_folder(paths.seeds()), *temporary]
    guardian = Guardian(token, (descriptor, *places.locks), paths.ports, folders)
    # The folder and the journal are created after the guardian, so that the guardian removes the folder in
    # any case.
    ownership.make_private_folder(paths.run)
    journal = Journal(paths.journal)
    entering = _begin(journal, environment, token, places)
    if cleaned:
        journal.write("reconciled", pids=cleaned.pids, left=cleaned.left)
    if cleaned.lost:
        reason = f"the machine has rebooted, so the data in {cleaned.lost} are gone"
        journal.write("memory-lost", reason=reason)
    if was_undone:
        journal.write("restore-undone")
    # In tests, services listen on free ports; in other environments, on the ports in their specs.
    ports = Ports(paths.ports, paths.data, leased=is_test)
    first = first_request(connection)
    # Another user can read the path in the command line, and create the folder before the client creates it.
    copies = copies if memory_folder.is_own(copies, paths) else ""
    stage = Stage(paths, environment, token, guardian, journal, ports, copies, entering)
    early = early_starts.start(first.line, stage) if is_test and first else {}
    entering.join()
    return Boot(
        paths,
        launcher,
        environment,
        token,
        guardian,
        journal,
        places,
        tuple(temporary),
        tuple(leftovers),
        ports,
        early,
        first,
    )


def _begin(journal: Journal, environment: str, token: str, places: ServiceFolders) -> threading.Thread:
    """Write the first event of a run; return a thread that moves this process to the stack's control group.

    A move takes up to 10 ms, in which the kernel uses no processor. The thread ends before this process
    forks.
    """
    group = cgroup.planned(token)
    details = {"environment": environment, "token": token, "boot": boot(), "cgroup": group}
    details |= {"folder": places.memory} if places.memory else {}
    details |= {"reason": places.reason} if places.reason else {}
    journal.write("up", pid=os.getpid(), **details)
    # The event `up` is written first: if this process is killed, the next supervisor reads the group from the
    # event.
    entering = threading.Thread(target=cgroup.enter, args=(group,))
    entering.start()
    return entering


def first_request(connection: int) -> FirstRequest | None:
    """Return the first request of the client that started this process.

    The result is None if no client started this process, or if the client has exited. If no byte arrives for
    `REQUEST_SECONDS`, for example because the client is paused, the request in the result is incomplete, and
    the event loop later reads the rest of the request.
    """
    line = b""
    if stat.S_ISSOCK(os.fstat(connection).st_mode):
        with contextlib.suppress(ConnectionError):
            while select.select([connection], [], [], REQUEST_SECONDS)[0]:
                block = os.read(connection, 1 << 16)
                line += block
                if not block or line.endswith(b"\n"):
                    break
            else:
                return FirstRequest(connection, line)
    if line.endswith(b"\n"):
        return FirstRequest(connection, line)
    os.close(connection)
    return None


def remove(folder: str) -> None:
    """Remove a folder with its content; errors are ignored."""
    with contextlib.suppress(OSError):
        disk.remove(folder)
