"""The state of all services at one moment, and back to it.

A snapshot is taken while everything stands still: who keeps things in memory writes them down, then all
processes are frozen, their folders are copied (sharing blocks where the disk can), and life goes on. What
is copied is what a power cut would leave at that moment; every service of the catalogue recovers from that.
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
    """Take a snapshot, in place of an older one of the same name. Raises `SnapshotError`."""
    folder = folder_of(supervisor.paths, name)
    services = [it for it, state in supervisor.machine.services.items() if state.phase is Phase.READY]
    # A dot is what no snapshot's name begins with.
    async with _staged(f"{os.path.dirname(folder)}/.{name}", supervisor) as fresh:
        os.mkdir(f"{fresh}/services")
        began = time.time()
        for service in services:
            await _quiesce(supervisor, service)
        await supervisor.children.freeze(services)
        try:
            sources = [supervisor.paths.service_data(it) for it in services]
            await _copy(supervisor, name, sources, f"{fresh}/services")
        finally:
            for service in services:
                supervisor.children.signal_all(service, signal.SIGCONT)
        snapshot = Snapshot(
            format=FORMAT,
            name=name,
            time=began,
            services={it: supervisor.machine.services[it].spec.digest() for it in services},
            executables={it: identity(supervisor.bound[it].command[0]) for it in services},
        )
        with open(f"{fresh}/{DESCRIPTION}", "w", encoding="utf-8") as file:
            json.dump(snapshot.to_json(), file)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(fresh, folder)
    supervisor.journal.write("snapshot", name=name, services=services)
    return snapshot


async def restore(supervisor: Supervisor, name: str) -> Snapshot:
    """Put every service of a snapshot back; endpoints stay. Raises `SnapshotError` when it doesn't fit.

    Nothing is stopped before the copy is whole.
    """
    folder = folder_of(supervisor.paths, name)
    snapshot = describe(folder)
    services = list(snapshot.services)
    _check_fit(supervisor, snapshot)
    async with _staged(f"{supervisor.paths.services}/.restored", supervisor) as fresh:
        await _copy(supervisor, name, [f"{folder}/services/{it}" for it in services], fresh)
        for service in services:
            supervisor.kill(service)
        await supervisor.settle(services)
        for service in services:
            data = supervisor.paths.service_data(service)
            with contextlib.suppress(FileNotFoundError):  # it was not started yet
                os.rename(data, f"{fresh}/{service}.old")
            os.rename(f"{fresh}/{service}", data)
        for service in services:
            supervisor.dispatch(Event("wanted", service))
        await supervisor.settle(services)
    supervisor.journal.write("restored", name=name, services=services)
    return snapshot


@contextlib.asynccontextmanager
async def _staged(path: str, supervisor: Supervisor) -> AsyncIterator[str]:
    """A new folder for a copy; what is in it at the end, or was left there by one that was killed, goes."""
    await _remove(supervisor, f"{path}.new")
    fresh = stage(path)
    os.mkdir(fresh, 0o700)
    try:
        yield fresh
    finally:
        await _remove(supervisor, f"{path}.new")


async def _remove(supervisor: Supervisor, folder: str) -> None:
    try:
        os.rmdir(folder)  # a process is milliseconds
    except FileNotFoundError:
        pass
    except OSError:
        await _run(supervisor, "rm", "-rf", folder)


def identity(executable: str) -> tuple[str, int, int]:
    """Return path, size and modification time, which differ between two builds of a program."""
    found = os.stat(shutil.which(executable) or executable)
    return executable, found.st_size, found.st_mtime_ns


def _check_fit(supervisor: Supervisor, snapshot: Snapshot) -> None:
    """Raise `SnapshotError` when a service has other settings or another build of its program now.

    The data of a database cannot be read by another version of its server, nor under other settings.
    """
    if snapshot.format != FORMAT:
        raise SnapshotError(snapshot.name, f"it has format {snapshot.format}, this kit writes {FORMAT}")
    for service, digest in snapshot.services.items():
        running = supervisor.machine.services.get(service)
        if running is None:
            raise SnapshotError(snapshot.name, f"this stack has no {service}")
        if running.spec.digest() != digest:
            raise SnapshotError(snapshot.name, f"{service} has other settings now")
        if service in supervisor.bound:
            executable = supervisor.bound[service].command[0]
            if identity(executable) != snapshot.executables.get(service):
                raise SnapshotError(snapshot.name, f"{service} was another build of {executable} then")


async def _copy(supervisor: Supervisor, name: str, sources: list[str], into: str) -> None:
    if not sources:
        return
    if await _run(supervisor, *COPY, *sources, into) != 0:
        raise SnapshotError(name, f"cp failed; {supervisor.paths.own_log} has its words")


async def _run(supervisor: Supervisor, *command: str) -> int:
    return await supervisor.children.run("snapshot", command, cwd="/", log=supervisor.paths.own_log)


async def _quiesce(supervisor: Supervisor, service: str) -> None:
    """Have a service write its memory to its files. Raises `SnapshotError` with the service's answer."""
    bound = supervisor.bound[service]
    if bound.quiesce is None:
        return
    if reason := await probes.attempt(bound.quiesce, LOOPBACK, bound.ports[bound.quiesce.port]):
        raise SnapshotError(service, f"its data could not be written to the disk: {reason}")
