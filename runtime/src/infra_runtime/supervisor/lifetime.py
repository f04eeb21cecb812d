"""The event loop of a supervisor: serve the control socket, shut down, and remove the files of the run."""

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

#: seconds that a start waits for the removal of leftovers; a longer removal continues in parallel
REMOVAL_SECONDS = 1.0


async def supervise(boot: Boot) -> None:
    """Run the supervisor until the stack has stopped."""
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
    boot.guardian.kill()  # at the end: if this process is killed earlier, the guardian cleans up
    supervisor.journal.close()


async def remove_leftovers(supervisor: Supervisor, leftovers: Sequence[str]) -> None:
    """Remove the folders in `Boot.leftovers`, such as those of interrupted operations on snapshots."""
    if not leftovers:
        return
    from infra_runtime.supervisor import snapshots

    await snapshots.remove(supervisor, leftovers)
