"""Save and restore snapshots: the state of all services at one moment.

Saving takes these steps: services that hold data in memory write it to their files, all processes are stopped
with SIGSTOP, their folders are copied (sharing blocks where the file system supports it), and the processes
continue. The copy equals the state of the disk after a power failure; every service of the catalogue recovers
from that.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator

from infra_runtime.data_directory.paths import FORMAT
from infra_runtime.data_directory.snapshots import DESCRIPTION, describe, folder_of
from infra_runtime.errors import SnapshotError
from infra_runtime.host.file_copy import COPY, stage
from infra_runtime.host.ports import LOOPBACK
from infra_runtime.messages import Phase, Snapshot
from infra_runtime.supervisor import probes
from infra_runtime.supervisor.state import Event
from infra_runtime.supervisor.supervisor import Supervisor


async def save(supervisor: Supervisor, name: str) -> Snapshot:
    """Take a snapshot; it replaces an older one of the same name. Raises `SnapshotError`."""
    folder = folder_of(supervisor.paths, name)
    states = supervisor.machine.services
    services = [service for service, state in states.items() if state.phase is Phase.READY]
    # The name of a snapshot never begins with a dot.
    async with _staged(f"{os.path.dirname(folder)}/.{name}", supervisor) as staged:
        os.mkdir(f"{staged}/services")
        began = time.time()
        for service in services:
            await _quiesce(supervisor, service)
        await supervisor.children.freeze(services)
        try:
            sources = [supervisor.paths.service_data(service) for service in services]
            await _copy(supervisor, name, sources, f"{staged}/services")
        finally:
            for service in services:
                supervisor.children.signal_all(service, signal.SIGCONT)
        snapshot = Snapshot(
            format=FORMAT,
            name=name,
            time=began,
            services={service: states[service].spec.digest() for service in services},
            executables={service: identity(supervisor.bound[service].command[0]) for service in services},
        )
        with open(f"{staged}/{DESCRIPTION}", "w", encoding="utf-8") as file:
            json.dump(snapshot.to_json(), file)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(staged, folder)
    supervisor.journal.write("snapshot", name=name, services=services)
    return snapshot


async def restore(supervisor: Supervisor, name: str) -> Snapshot:
    """Restore all services of a snapshot and start them again with the same endpoints.

    The services keep running until the copy is complete.

    Raises `SnapshotError` when the stack's services differ from those of the snapshot.
    """
    folder = folder_of(supervisor.paths, name)
    snapshot = describe(folder)
    services = list(snapshot.services)
    _check_fit(supervisor, snapshot)
    async with _staged(f"{supervisor.paths.services}/.restored", supervisor) as staged:
        await _copy(supervisor, name, [f"{folder}/services/{service}" for service in services], staged)
        for service in services:
            supervisor.kill(service)
        await supervisor.settle(services)
        for service in services:
            data = supervisor.paths.service_data(service)
            with contextlib.suppress(FileNotFoundError):  # a service that was never started has no folder
                os.rename(data, f"{staged}/{service}.old")
            os.rename(f"{staged}/{service}", data)
        for service in services:
            supervisor.dispatch(Event("wanted", service))
        await supervisor.settle(services)
    supervisor.journal.write("restored", name=name, services=services)
    return snapshot


@contextlib.asynccontextmanager
async def _staged(path: str, supervisor: Supervisor) -> AsyncIterator[str]:
    """Yield the path of a new folder for a copy, and remove at the end what is still in it.

    A folder that a killed supervisor left in its place is removed first.
    """
    await _remove(supervisor, f"{path}.new")
    folder = stage(path)
    os.mkdir(folder, 0o700)
    try:
        yield folder
    finally:
        await _remove(supervisor, f"{path}.new")


async def _remove(supervisor: Supervisor, folder: str) -> None:
    try:
        os.rmdir(folder)  # an empty folder does not need a process, which would take milliseconds
    except FileNotFoundError:
        pass
    except OSError:
        await _run(supervisor, "rm", "-rf", folder)


def identity(executable: str) -> tuple[str, int, int]:
    """Return path, size and modification time, which differ between two builds of a program."""
    status = os.stat(shutil.which(executable) or executable)
    return executable, status.st_size, status.st_mtime_ns


def _check_fit(supervisor: Supervisor, snapshot: Snapshot) -> None:
    """Raise `SnapshotError` when the settings or the program of a service have changed since the snapshot.

    A database server cannot always read data of another version, or data that was written under other
    settings.
    """
    if snapshot.format != FORMAT:
        raise SnapshotError(snapshot.name, f"its format is {snapshot.format}; this version reads {FORMAT}")
    for service, digest in snapshot.services.items():
        state = supervisor.machine.services.get(service)
        if state is None:
            raise SnapshotError(snapshot.name, f"this stack has no service {service}")
        if state.spec.digest() != digest:
            raise SnapshotError(snapshot.name, f"the settings of {service} have changed since the snapshot")
        if service in supervisor.bound:
            executable = supervisor.bound[service].command[0]
            if identity(executable) != snapshot.executables.get(service):
                reason = f"{executable}, the program of {service}, has changed since the snapshot"
                raise SnapshotError(snapshot.name, reason)


async def _copy(supervisor: Supervisor, name: str, sources: list[str], into: str) -> None:
    if not sources:
        return
    if await _run(supervisor, *COPY, *sources, into) != 0:
        raise SnapshotError(name, f"cp failed; its output is in {supervisor.paths.own_log}")


async def _run(supervisor: Supervisor, *command: str) -> int:
    return await supervisor.children.run(".snapshot", command, cwd="/", log=supervisor.paths.own_log)


async def _quiesce(supervisor: Supervisor, service: str) -> None:
    """Make a service write its data in memory to its files. Raises `SnapshotError` with the answer."""
    bound = supervisor.bound[service]
    if bound.quiesce is None:
        return
    if reason := await probes.attempt(bound.quiesce, LOOPBACK, bound.ports[bound.quiesce.port]):
        raise SnapshotError(service, f"its data could not be written to the disk: {reason}")
