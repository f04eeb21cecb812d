"""The first part of a supervisor's start, before it imports asyncio.

The guardian and the services that can start early start here, because they run in parallel with the imports.
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

#: seconds to wait for the first request of the client that started this process
REQUEST_SECONDS = 5.0


class FirstRequest(Record):
    """The connection of the client that has started the supervisor, and its first line, a request `hello`."""

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
    #: the folders that are removed at the end
    temporary: tuple[str, ...]
    #: the paths that interrupted saves, restores, removals and builds of seeds left
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
    """Clean up after an earlier supervisor, start the guardian and the services that can start early.

    `descriptor` holds the lock of the data directory. `copies` is the folder in RAM to which the client
    copies seeds, or an empty text; the client sends its first request over `connection`. Raises
    `DataDirectoryError`, and `OSError`.
    """
    become_subreaper()
    ownership.make_private_folder(paths.home, shared=True)
    cleaned = remains.end(paths)
    undone, leftovers = restoration.recover(paths)
    leftovers += seed_cache.interrupted(paths.seeds())
    is_test = environment == "test"
    temporary = [paths.services] if is_test else []
    for folder in temporary:  # tests start without data; existing data was left by a killed supervisor
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
    # Both after the start of the guardian, which removes them in any case.
    ownership.make_private_folder(paths.run)
    journal = Journal(paths.journal)
    entering = _begin(journal, environment, token, places)
    if cleaned:
        journal.write("reconciled", pids=cleaned.pids, left=cleaned.left)
    if cleaned.lost:
        reason = f"the machine has rebooted, so the data in {cleaned.lost} are gone"
        journal.write("memory-lost", reason=reason)
    if undone:
        journal.write("restore-undone")
    # In tests, each service gets free ports; in other environments, the ports in its spec.
    ports = Ports(paths.ports, paths.data, leased=is_test)
    first = first_request(connection)
    # Another user can read the path among the arguments, and create the folder before the client does.
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

    The kernel needs up to 10 ms for this, without the processor. The thread ends before this process forks.
    """
    group = cgroup.planned(token)
    details = {"environment": environment, "token": token, "boot": boot(), "cgroup": group}
    details |= {"folder": places.memory} if places.memory else {}
    details |= {"reason": places.reason} if places.reason else {}
    journal.write("up", pid=os.getpid(), **details)
    # After the event, by which the next supervisor finds the group of a killed supervisor.
    entering = threading.Thread(target=cgroup.enter, args=(group,))
    entering.start()
    return entering


def first_request(connection: int) -> FirstRequest | None:
    """Return the first request of the client that started this process, or None without such a client.

    The result is None, too, if the client has exited. The request is incomplete if the client has not sent it
    in time, because the client is paused; the event loop then reads the rest.
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
