"""Run the event loop of a supervisor until its exit: control socket, shutdown, and removal of its files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence

from infra_runtime.data_directory import control_file
from infra_runtime.host import cgroup
from infra_runtime.supervisor.boot import Boot, remove
from infra_runtime.supervisor.control import Control
from infra_runtime.supervisor.rpc import Methods
from infra_runtime.supervisor.supervisor import Supervisor

#: seconds that a start waits for the removal of leftovers; after them, the removal continues in parallel
REMOVAL_SECONDS = 1.0


async def supervise(boot: Boot) -> None:
    """Run the supervisor until the stack is stopped."""
    paths = boot.paths
    supervisor = Supervisor(boot)
    methods = Methods(supervisor, boot.launcher)
    control = Control(paths.control, methods.table())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, methods.end)
    removing = asyncio.create_task(remove_leftovers(supervisor, boot.leftovers))
    await asyncio.wait([removing], timeout=REMOVAL_SECONDS)
    if boot.first is not None:
        control.adopt(socket.socket(fileno=boot.first.connection), boot.first.line)
    await control.open()
    control_file.write(paths)
    background = [asyncio.create_task(control.keep()), removing]
    await methods.closing.wait()
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    control.close()
    await methods.finished.wait()
    cgroup.leave(boot.token)  # before the answer to `down`, after which the client runs the leak check
    await control.flush()
    for folder in boot.temporary:
        remove(folder)
    supervisor.children.close()
    remove(paths.run)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(paths.descendants)
    cgroup.remove(boot.token)
    boot.guardian.kill()  # last, so that it cleans up when this process is killed before
    supervisor.journal.close()


async def remove_leftovers(supervisor: Supervisor, leftovers: Sequence[str]) -> None:
    """Remove the folders that interrupted saves, restores and builds of seeds left."""
    if not leftovers:
        return
    from infra_runtime.supervisor import snapshots

    await snapshots.remove(supervisor, leftovers)
