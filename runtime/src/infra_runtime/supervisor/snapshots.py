"""The state of all services at one moment, and back to it.

A snapshot is taken while everything stands still: who keeps things in memory writes them down, then all
processes are frozen, their folders are copied (sharing blocks where the disk can), and life goes on. What
is copied is what a power cut would leave at that moment; every service of the catalogue recovers from that.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

from infra_runtime.data_directory.paths import FORMAT, Paths
from infra_runtime.errors import SnapshotError
from infra_runtime.host.file_copy import COPY, stage
from infra_runtime.host.ports import LOOPBACK
from infra_runtime.supervisor import probes
from infra_runtime.supervisor.state import Event, Phase
from infra_runtime.supervisor.supervisor import Supervisor

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


async def save(supervisor: Supervisor, name: str) -> dict[str, Any]:
    """Take a snapshot, in place of an older one of the same name. Raises `SnapshotError`."""
    folder = _folder(supervisor.paths, name)
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
        described = {
            "format": FORMAT,
            "name": name,
            "time": began,
            "services": {it: supervisor.machine.services[it].spec.digest() for it in services},
            "executables": {it: identity(supervisor.bound[it].command[0]) for it in services},
        }
        with open(f"{fresh}/snapshot.json", "w", encoding="utf-8") as file:
            json.dump(described, file)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(fresh, folder)
    supervisor.journal.write("snapshot", name=name, services=services)
    return described


async def restore(supervisor: Supervisor, name: str) -> dict[str, Any]:
    """Put every service of a snapshot back; endpoints stay. Raises `SnapshotError` when it doesn't fit.

    Nothing is stopped before the copy is whole.
    """
    folder = _folder(supervisor.paths, name)
    described = describe(folder)
    services = list(described["services"])
    _fit(supervisor, described)
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
    return described


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


def known(paths: Paths) -> list[dict[str, Any]]:
    """What `save` noted of each snapshot, oldest first. Needs no running stack."""
    root = f"{paths.data}/snapshots"
    names = os.listdir(root) if os.path.isdir(root) else []
    found = [describe(f"{root}/{name}") for name in names if os.path.exists(f"{root}/{name}/snapshot.json")]
    return sorted(found, key=lambda it: it["time"])


def remove(paths: Paths, name: str) -> dict[str, Any]:
    """Remove a snapshot, and return what `save` noted. Raises `SnapshotError` when there is none."""
    folder = _folder(paths, name)
    described = describe(folder)
    shutil.rmtree(folder)
    return described


def describe(folder: str) -> dict[str, Any]:
    """What `save` noted. Raises `SnapshotError` when there is no such snapshot."""
    try:
        with open(f"{folder}/snapshot.json", encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
    except (OSError, ValueError) as error:
        raise SnapshotError(os.path.basename(folder), "there is none of this name") from error
    return found


def identity(executable: str) -> list[Any]:
    """What tells one build of a program from another: path, size and time of change."""
    found = os.stat(shutil.which(executable) or executable)
    return [executable, found.st_size, found.st_mtime_ns]


def _fit(supervisor: Supervisor, described: dict[str, Any]) -> None:
    """A cluster is no use to a program of another version, nor to other settings: say so, touch nothing."""
    name = described["name"]
    if described["format"] != FORMAT:
        raise SnapshotError(name, f"it has format {described['format']}, this kit writes {FORMAT}")
    for service, digest in described["services"].items():
        running = supervisor.machine.services.get(service)
        if running is None:
            raise SnapshotError(name, f"this stack has no {service}")
        if running.spec.digest() != digest:
            raise SnapshotError(name, f"{service} has other settings now")
        if service in supervisor.bound:
            executable = supervisor.bound[service].command[0]
            if identity(executable) != described["executables"][service]:
                raise SnapshotError(name, f"{service} was another build of {executable} then")


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


def _folder(paths: Paths, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SnapshotError(name, "a name has letters, digits, dots, dashes, and at most 64 of them")
    return f"{paths.data}/snapshots/{name}"
