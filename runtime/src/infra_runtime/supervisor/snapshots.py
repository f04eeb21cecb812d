"""Save and restore snapshots: the state of the running services at one moment.

A snapshot is saved in these steps: services that have data in memory write it to their files; all processes
of the services are paused with SIGSTOP; the data folders of the services are copied (if the file system
supports this, the copies share disk blocks with the originals); the processes continue. The copy contains the
data that a disk contains after a power failure, and every service of the catalogue can start with such data.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from infra_runtime.data_directory import checksums, restoration
from infra_runtime.data_directory.checksums import DESCRIPTION
from infra_runtime.data_directory.logs import tail
from infra_runtime.data_directory.snapshots import FORMAT, describe, folder_of, publish
from infra_runtime.errors import DataDirectoryError, SnapshotError
from infra_runtime.host import disk
from infra_runtime.host.file_copy import COPY, stage
from infra_runtime.host.ports import LOOPBACK
from infra_runtime.messages import Phase, Snapshot
from infra_runtime.supervisor import probes
from infra_runtime.supervisor.state import SETTLED, Event
from infra_runtime.supervisor.supervisor import Supervisor

#: the phases of services that a snapshot contains
RUNNING = frozenset({Phase.READY, Phase.PAUSED})


async def save(supervisor: Supervisor, name: str) -> Snapshot:
    """Save a snapshot of the running services, except services whose spec has `in_snapshots=False`.

    The complete snapshot replaces an earlier snapshot with this name. Raises `SnapshotError` if the snapshot
    cannot be saved; the earlier snapshot then remains unchanged.
    """
    folder = folder_of(supervisor.paths, name)
    states = supervisor.machine.services
    services = [
        service for service, state in states.items() if state.phase in RUNNING and state.spec.in_snapshots
    ]
    with _failing_as(name):
        _, leftovers = restoration.recover(supervisor.paths)
        # The name of a snapshot never begins with a dot.
        async with _staged(f"{os.path.dirname(folder)}/.{name}", supervisor) as staged:
            os.mkdir(f"{staged}/services")
            start_time = time.time()
            for service in services:
                await _quiesce(supervisor, service)
            try:
                await supervisor.children.freeze(services)
                sources = [supervisor.paths.service_data(service) for service in services]
                # -H: the data folder of a service may be a link to another disk.
                await _copy(supervisor, name, ["-H", *sources], f"{staged}/services")
            finally:
                _continue(supervisor, services)
            snapshot = Snapshot(
                format=FORMAT,
                name=name,
                time=start_time,
                services={service: states[service].spec.digest() for service in services},
                executables={service: identity(supervisor.bound[service].command[0]) for service in services},
            )
            disk.write(f"{staged}/{DESCRIPTION}", json.dumps(snapshot.to_json()), durable=False)
            await _run_checked(supervisor, name, checksums.command("seal", staged, _durable(supervisor)))
            publish(staged, folder, durable=_is_durable(supervisor))
        await remove(supervisor, [*leftovers, *restoration.recover(supervisor.paths)[1]])
    supervisor.journal.write("snapshot", name=name, services=services)
    return snapshot


async def restore(supervisor: Supervisor, name: str) -> Snapshot:
    """Restore all services of a snapshot and start them again with the same endpoints.

    The services keep running until a copy of the snapshot is complete and matches the checksums. Then the
    processes of the services are paused with SIGSTOP, the folders of the services are exchanged for those of
    the copy, and the services are killed and started again. If a folder cannot be exchanged, all services
    continue with their previous folders.

    Raises `SnapshotError` if the snapshot is missing or damaged, if one of its services is missing in the
    stack or has changed since, or if a folder cannot be exchanged; `DataDirectoryError` if the folders could
    then not be moved back, and their services are killed.
    """
    paths = supervisor.paths
    folder, snapshot = describe(paths, name)
    services = list(snapshot.services)
    _check_fit(supervisor, snapshot)
    if not disk.is_folder(paths.services):
        raise SnapshotError(
            name,
            f"{paths.services} is a symbolic link, and a restore does not change its target",
            "Replace the link by a folder, or use another data directory.",
        )
    with _failing_as(name):
        _, leftovers = restoration.recover(paths)
        async with _staged(restoration.staging(paths), supervisor) as staged:
            await _copy(supervisor, name, [f"{folder}/services/{service}" for service in services], staged)
            await _check(supervisor, name, folder, staged)
            await _exchange(supervisor, name, staged, services)
            for service in services:
                supervisor.kill(service)
            await supervisor.settle(services)
            for service in services:
                supervisor.dispatch(Event("wanted", service))
            await supervisor.settle(services)
        await remove(supervisor, [*leftovers, *restoration.recover(paths)[1]])
    supervisor.journal.write("restored", name=name, services=services)
    return snapshot


async def _exchange(supervisor: Supervisor, name: str, staged: str, services: Sequence[str]) -> None:
    """Replace the folders of services by the folders in `staged`, while the services' processes are paused.

    If a folder cannot be replaced, raise `SnapshotError`; the services then continue with their previous
    folders. If the previous folders cannot be moved back, kill the services and raise `DataDirectoryError`.
    """
    services_to_run = [service for service in services if supervisor.machine.services[service].wanted]
    try:
        await _hold(supervisor, services)
        restoration.exchange(supervisor.paths, staged, services, durable=_is_durable(supervisor))
    except DataDirectoryError:
        for service in services:  # only some of the folders could be replaced
            supervisor.kill(service)
        raise
    except BaseException as error:
        _continue(supervisor, services)
        for service in services_to_run:
            supervisor.dispatch(Event("wanted", service))
        if not isinstance(error, OSError):
            raise
        reason = f"{error.filename}: {error.strerror}; all services continue with their previous data"
        hint = "A folder that is a mount point, or is immutable, cannot be exchanged."
        raise SnapshotError(name, reason, hint) from error


@contextlib.contextmanager
def _failing_as(name: str) -> Iterator[None]:
    """Convert an `OSError` in the `with` block to a `SnapshotError` with the name of the snapshot."""
    try:
        yield
    except OSError as error:
        file = f"{error.filename}: " if error.filename else ""
        raise SnapshotError(name, f"{file}{error.strerror or error}") from error


@contextlib.asynccontextmanager
async def _staged(path: str, supervisor: Supervisor) -> AsyncIterator[str]:
    """Yield the path of a new folder for a copy; remove this folder at the end of the `with` block."""
    folder = stage(path)
    os.mkdir(folder, 0o700)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # succeeds if the folder is empty; a complete folder was renamed
        await remove(supervisor, [f"{path}.new"])


async def remove(supervisor: Supervisor, paths: Sequence[str]) -> None:
    """Remove folders in another process, because this may take seconds; errors go to the supervisor's log."""
    filled_folders = []
    for path in paths:
        try:
            os.rmdir(path)  # an empty folder does not need a process, which would take milliseconds
        except FileNotFoundError:
            continue
        except OSError:
            filled_folders.append(path)
    if filled_folders:
        await _run(supervisor, *checksums.command("remove", *filled_folders))


async def _hold(supervisor: Supervisor, services: Sequence[str]) -> None:
    """Pause the processes of services with SIGSTOP before their folders are exchanged.

    A service that is starting or stopping is killed instead.
    """
    states = supervisor.machine.services
    while True:
        for service in services:
            if states[service].phase not in SETTLED:
                supervisor.kill(service)
        await supervisor.settle(services)
        await supervisor.children.freeze(services)
        if supervisor.machine.settled(services):
            return


def _continue(supervisor: Supervisor, services: Sequence[str]) -> None:
    """Continue the processes of services after a snapshot, except services that a client has paused."""
    for service in services:
        if supervisor.machine.services[service].phase is not Phase.PAUSED:
            supervisor.children.signal_all(service, signal.SIGCONT)


def _is_durable(supervisor: Supervisor) -> bool:
    """Return whether files of this stack must survive a power failure; false in tests."""
    return supervisor.environment != "test"


def _durable(supervisor: Supervisor) -> str:
    return str(int(_is_durable(supervisor)))


def identity(executable: str) -> tuple[str, int, int]:
    """Return the path, size (bytes) and modification time (ns) of an executable, to detect its changes."""
    status = os.stat(shutil.which(executable) or executable)
    return executable, status.st_size, status.st_mtime_ns


def _check_fit(supervisor: Supervisor, snapshot: Snapshot) -> None:
    """Raise `SnapshotError` if the settings or the executable of a service differ from those of the snapshot.

    A server cannot always read the data of another version, or data that were written with other settings.
    """
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


async def _copy(supervisor: Supervisor, name: str, sources: Sequence[str], into: str) -> None:
    if sources:
        await _run_checked(supervisor, name, (*COPY, *sources, into))


async def _check(supervisor: Supervisor, name: str, snapshot: str, copy: str) -> None:
    """Raise `SnapshotError` if a copy of a snapshot differs from the checksums of the snapshot."""
    difference_path = f"{os.path.dirname(copy)}/difference"
    durable = _durable(supervisor)
    await _run_checked(supervisor, name, checksums.command("check", snapshot, copy, difference_path, durable))
    with open(difference_path, encoding="utf-8", errors="surrogateescape") as file:
        difference = file.read()
    os.unlink(difference_path)
    if difference:
        hint = f"Remove the snapshot with `infra runtime snapshot remove {name}`."
        raise SnapshotError(name, f"the snapshot is damaged: {difference}", hint)


async def _run_checked(supervisor: Supervisor, name: str, command: Sequence[str]) -> None:
    """Run a command. If it fails, raise `SnapshotError` with the last line of the command's output."""
    log = supervisor.paths.own_log
    size = os.path.getsize(log) if os.path.exists(log) else 0
    if await _run(supervisor, *command) != 0:
        last_line = "".join(tail(log, 1, size))
        program = "checksums" if command[0] == sys.executable else command[0]
        raise SnapshotError(name, f"{program} failed: {last_line}; the complete output is in {log}")


async def _run(supervisor: Supervisor, *command: str) -> int:
    return await supervisor.children.run(".snapshot", command, cwd="/", log=supervisor.paths.own_log)


async def _quiesce(supervisor: Supervisor, service: str) -> None:
    """Request a service to write its data in memory to its files, before a snapshot is saved.

    Raises `SnapshotError` with the service's answer if the service does not write the data.
    """
    bound = supervisor.bound[service]
    if bound.quiesce is None:
        return
    # A paused service cannot answer: its processes continue until the data is written. Then they are paused.
    supervisor.children.signal_all(service, signal.SIGCONT)
    if reason := await probes.attempt(bound.quiesce, LOOPBACK, bound.ports[bound.quiesce.port]):
        raise SnapshotError(service, f"the data of the service could not be written to the disk: {reason}")
