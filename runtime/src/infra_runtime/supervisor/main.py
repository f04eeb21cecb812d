"""The main function of the supervisor's process: lock, clean-up, guardian, control socket, and shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time

from infra_runtime.data_directory import journal, lock
from infra_runtime.data_directory.paths import Paths, private_folder
from infra_runtime.host import processes
from infra_runtime.host.privileges import become_subreaper
from infra_runtime.supervisor.argv import ALREADY_SUPERVISED
from infra_runtime.supervisor.children import Guardian
from infra_runtime.supervisor.control import Control
from infra_runtime.supervisor.prepare import building_folder
from infra_runtime.supervisor.rpc import Methods
from infra_runtime.supervisor.supervisor import Supervisor

#: seconds to wait for a predecessor that is still stopping its services
PATIENCE = 60.0


def main() -> int:
    """Supervise a data directory until its last lease ends; `argv.command` builds the command line."""
    data, environment = sys.argv[1:]
    paths = Paths(data)
    descriptor = take_lock(paths)
    if descriptor is None:
        return ALREADY_SUPERVISED
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal ends the client, and so its lease
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the client handles Ctrl-C and requests the stop
    asyncio.run(supervise(paths, descriptor, environment))
    return 0


def take_lock(paths: Paths) -> int | None:
    """Return the locked descriptor of the data directory; None when another supervisor serves it already.

    The guardian of a killed supervisor also holds the lock while it cleans up; the function waits for that.
    """
    deadline = time.monotonic() + PATIENCE
    while (descriptor := lock.take(paths)) is None:
        if answers(paths.control) or time.monotonic() > deadline:
            return None
        time.sleep(0.005)
    return descriptor


def answers(path: str) -> bool:
    """Return whether a process accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def reconcile(paths: Paths) -> list[int]:
    """Kill the processes that a dead supervisor and a dead guardian left. Return their pids."""
    recorded = journal.left_alive(journal.read(paths.journal))
    alive = {pid: start for pid, start in recorded.items() if start and processes.started(pid) == start}
    if alive:
        processes.end(alive)
    return sorted(alive)


async def supervise(paths: Paths, descriptor: int, environment: str) -> None:
    """Run the supervisor until the stack is stopped."""
    become_subreaper()
    private_folder(paths.home)
    cleaned = reconcile(paths)
    if environment == "test":  # tests start without data; existing data is from a supervisor that was killed
        remove(paths.services)
    journal.rotate(paths.journal)
    token = os.urandom(8).hex()
    temporary = [paths.services] if environment == "test" else []
    guardian = Guardian(token, descriptor, [paths.run, building_folder(paths.seeds()), *temporary])
    private_folder(paths.run)  # after the start of the guardian, which removes it in any case
    supervisor = Supervisor(paths, environment=environment, token=token, guardian=guardian)
    supervisor.journal.write("up", pid=os.getpid(), environment=environment, token=token, boot=journal.boot())
    if cleaned:
        supervisor.journal.write("reconciled", pids=cleaned)
    methods = Methods(supervisor)
    control = Control(paths.control, methods.table())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, methods.end)
    await control.open()
    keeping = asyncio.create_task(control.keep())
    await methods.closing.wait()
    keeping.cancel()
    control.close()
    await methods.finished.wait()
    await control.flush()
    if environment == "test":
        remove(paths.services)
    supervisor.children.close()
    remove(paths.run)
    guardian.kill()
    supervisor.journal.close()


def remove(folder: str) -> None:
    """Remove a folder with its content."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
