"""The main function of the supervisor's process: lock, clean-up, guardian, control socket, and shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
import time

from infra_runtime.data_directory import control_file, lock, memory_folder, remains, restoration
from infra_runtime.data_directory.journal import boot, rotate
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import cgroup, disk, ownership
from infra_runtime.host.privileges import become_subreaper
from infra_runtime.supervisor.argv import ALREADY_SUPERVISED, TMPFS
from infra_runtime.supervisor.children import Guardian
from infra_runtime.supervisor.control import Control
from infra_runtime.supervisor.prepare import building_folder
from infra_runtime.supervisor.rpc import Methods
from infra_runtime.supervisor.service_folders import ServiceFolders
from infra_runtime.supervisor.supervisor import Supervisor

#: seconds to wait for an earlier supervisor that is still stopping its services
PATIENCE = 60.0
#: seconds that a start waits for the removal of leftovers; after them, the removal continues in parallel
REMOVAL_SECONDS = 1.0


def main() -> int:
    """Run the supervisor of a data directory until its last lease ends, and return the exit status.

    The function `argv.command` builds the command line.
    """
    data, environment, place = sys.argv[1:]
    paths = Paths(data)
    descriptor = take_lock(paths)
    if descriptor is None:
        return ALREADY_SUPERVISED
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal ends the client, and so its lease
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the client handles Ctrl-C and requests the stop
    try:
        asyncio.run(supervise(paths, descriptor, environment, tmpfs=place == TMPFS))
    except DataDirectoryError as error:
        print(f"{error}. {error.hint}", file=sys.stderr)
        return 1
    return 0


def take_lock(paths: Paths) -> int | None:
    """Lock the data directory; return the descriptor of the lock file, or None if another supervisor runs.

    The guardian of a killed supervisor holds the lock while it cleans up; this function waits until it exits.
    """
    deadline = time.monotonic() + PATIENCE
    while (descriptor := lock.take(paths)) is None:
        if _answers(paths) or time.monotonic() > deadline:
            return None
        time.sleep(0.005)
    return descriptor


def _answers(paths: Paths) -> bool:
    """Return whether a process accepts connections on the control socket of a data directory."""
    recorded = control_file.read(paths)
    if recorded is None:
        return False
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)  # EAGAIN: the queue of connections is full, so a process listens
        return client.connect_ex(recorded.socket) in {0, errno.EAGAIN}


async def supervise(paths: Paths, descriptor: int, environment: str, *, tmpfs: bool) -> None:
    """Run the supervisor of a locked data directory until the stack is stopped."""
    become_subreaper()
    ownership.make_private_folder(paths.home, shared=True)
    cleaned = remains.end(paths)
    undone, leftovers = restoration.recover(paths)
    if environment == "test":  # tests start without data; existing data was left by a killed supervisor
        remove(paths.services)
    rotate(paths.journal)
    token = os.urandom(8).hex()
    temporary = [paths.services] if environment == "test" else []
    places = ServiceFolders(paths, in_memory=tmpfs and environment == "test")
    temporary += [places.memory] if places.memory else []
    leftovers += memory_folder.abandoned() if places.memory else []
    folders = [paths.run, building_folder(paths.seeds()), *temporary]
    guardian = Guardian(token, (descriptor, *places.locks), paths.ports, folders)
    # Both after the start of the guardian, which removes them in any case.
    ownership.make_private_folder(paths.run)
    supervisor = Supervisor(paths, environment=environment, token=token, guardian=guardian, places=places)
    begin(supervisor, token, places, cleaned, undone=undone)
    methods = Methods(supervisor)
    control = Control(paths.control, methods.table())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, methods.end)
    removing = asyncio.create_task(remove_leftovers(supervisor, leftovers))
    await asyncio.wait([removing], timeout=REMOVAL_SECONDS)
    await control.open()
    control_file.write(paths)
    background = [asyncio.create_task(control.keep()), removing]
    await methods.closing.wait()
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    control.close()
    await methods.finished.wait()
    cgroup.leave(token)  # before the answer to `down`, after which the client runs the leak check
    await control.flush()
    for folder in temporary:
        remove(folder)
    supervisor.children.close()
    remove(paths.run)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(paths.descendants)
    cgroup.remove(token)
    guardian.kill()  # last, so that it cleans up when this process is killed before
    supervisor.journal.close()


def begin(
    supervisor: Supervisor, token: str, places: ServiceFolders, cleaned: remains.Cleaned, *, undone: bool
) -> None:
    """Write the first events of a run to the journal, and enter the control group of the stack."""
    journal, group = supervisor.journal, cgroup.planned(token)
    details = {"environment": supervisor.environment, "token": token, "boot": boot(), "cgroup": group}
    details |= {"folder": places.memory} if places.memory else {}
    details |= {"reason": places.reason} if places.reason else {}
    journal.write("up", pid=os.getpid(), **details)
    cgroup.enter(group)  # after the event, by which the next supervisor finds the group of a killed one
    if cleaned.pids or cleaned.left:
        journal.write("reconciled", pids=cleaned.pids, left=cleaned.left)
    if cleaned.lost:
        reason = f"the machine has rebooted, so the data in {cleaned.lost} are gone"
        journal.write("memory-lost", reason=reason)
    if undone:
        journal.write("restore-undone")


async def remove_leftovers(supervisor: Supervisor, leftovers: list[str]) -> None:
    """Remove the folders of snapshots whose saving or restoring was interrupted."""
    if not leftovers:
        return
    from infra_runtime.supervisor import snapshots

    await snapshots.remove(supervisor, leftovers)


def remove(folder: str) -> None:
    """Remove a folder with its content; errors are ignored."""
    with contextlib.suppress(OSError):
        disk.remove(folder)
