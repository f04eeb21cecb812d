"""The checks of `infra dev doctor`, one function for each topic."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from infra_cli.programs import programs
from infra_cli.target import Target
from infra_runtime import __version__, catalogue
from infra_runtime.config.resolve import Resolved
from infra_runtime.config.unknown_variables import misspelled_variables
from infra_runtime.data_directory.paths import SOCKET_PATH, Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.errors import InfraError, NoStackError
from infra_runtime.host import memory, ownership, processes
from infra_runtime.host.ports import LOOPBACK, listening, taken
from infra_runtime.host.privileges import other_user, user_namespaces_work
from infra_runtime.messages import STATUS, Nothing, ServiceStatus
from infra_runtime.plan import Plan
from infra_runtime.value import frozen

#: Limits of the free disk space in bytes: below `LITTLE_SPACE`, the finding is a note; below
#: `REQUIRED_SPACE`, the finding is an error. A new PostgreSQL cluster in development needs about 40 MB.
LITTLE_SPACE, REQUIRED_SPACE = 1 << 30, 100 << 20
FICLONE = 0x40049409  # Source: ioctl_ficlone(2)


@frozen
class Finding:
    """The result of one check of `infra dev doctor`."""

    topic: str
    state: Literal["fine", "note", "wrong"]
    text: str
    hint: str = ""


def examine(target: Target) -> Iterator[Finding]:
    """Run all checks and yield the findings of each check before the next check begins.

    After an error in the stack file, the checks that need the plan are omitted.
    """
    yield _kit()
    paths, resolved = None, None
    try:
        paths = target.paths()
        resolved = target.resolve(executables=False)
    except InfraError as error:
        yield Finding(topic="stack file", state="wrong", text=str(error), hint=error.hint)
    else:
        file = target.stack_file()
        names = ", ".join(spec.name for spec in resolved.plan.services)
        yield Finding(
            topic="stack file",
            state="fine",
            text=f"{file.path if file else 'none, the defaults are used'}; services: {names}",
        )
        for variable in misspelled_variables(target.directory):
            yield Finding(topic="variables", state="note", text=str(variable))
    plan = resolved.plan if resolved else None
    yield from _programs(resolved)
    stack_ports: set[int] = set()
    if paths:
        running, services = _running(paths)
        stack_ports = {port for service in services if service.pid for port in service.ports.values()}
        yield running
        yield from _listening(services)
    if plan:
        yield from _ports(plan, stack_ports)
    yield _root(plan)
    if paths:
        yield _disk("data", Path(paths.data))
        yield _disk("cache", Path(paths.cache))
        if resolved and resolved.environment == "test":
            yield _memory(resolved)
        yield _reflink(Path(paths.cache), Path(paths.data))
        yield _runtime_folder(paths)


def _kit() -> Finding:
    python = f"Python {platform.python_version()} ({sys.executable})"
    return Finding(
        topic="kit", state="fine", text=f"pytest-infra {__version__}, {python}, {platform.platform()}"
    )


# --- programs --------------------------------------------------------------------------------------


def _programs(resolved: Resolved | None) -> Iterator[Finding]:
    """Yield a finding for each program of the kinds in the stack, and one finding about all other kinds."""
    kinds = {spec.kind for spec in resolved.plan.services if spec.kind} if resolved else set()
    for kind in (name for name in catalogue.names() if name in kinds):
        for program in programs(kind, resolved):
            topic = kind if program.name == kind else f"{kind}: {program.name}"
            if program.path:
                yield Finding(topic=topic, state="fine", text=f"{program.path}  ({version(program.path)})")
            else:
                state: Literal["wrong", "note"] = "note" if program.optional else "wrong"
                text = f"{program.name}: {program.problem}"
                yield Finding(topic=topic, state=state, text=text, hint=program.hint)
    other_kinds = [name for name in catalogue.names() if name not in kinds]
    not_installed = [
        name
        for name in other_kinds
        if any(not program.path and not program.optional for program in programs(name, None))
    ]
    installed = ", ".join(name for name in other_kinds if name not in not_installed) or "none"
    text = f"installed: {installed}; not installed: {', '.join(not_installed) or 'none'}"
    yield Finding(topic="other kinds", state="note" if not_installed else "fine", text=text)


def version(path: Path) -> str:
    """Return the version of a program for output: the first line of `PROGRAM --version` or `PROGRAM version`.

    If neither succeeds, the result is a text about the problem.
    """
    for flag in ("--version", "version"):
        try:
            process = subprocess.run(
                [path, flag], capture_output=True, text=True, errors="replace", timeout=10, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"cannot be run: {error}"
        if process.returncode == 0 and (line := (process.stdout or process.stderr).strip()):
            return line.splitlines()[0]
    return "does not print its version"


# --- the running stack -------------------------------------------------------------------------------


def _running(paths: Paths) -> tuple[Finding, Sequence[ServiceStatus]]:
    """Return a finding about the stack of this directory, and the states of its services if it is running."""
    try:
        client = Client.connect(paths)
    except NoStackError:
        return Finding(topic="stack", state="note", text=f"not running in {paths.data}"), ()
    except InfraError as error:
        return Finding(topic="stack", state="wrong", text=str(error), hint=error.hint), ()
    try:
        status = client.call(STATUS, Nothing())
    finally:
        client.close()
    ready = sum(service.ready for service in status.services)
    text = f"running in {paths.data}: {ready} of {len(status.services)} services are ready"
    return Finding(topic="stack", state="fine", text=text), status.services


def _listening(services: Sequence[ServiceStatus]) -> Iterator[Finding]:
    """Yield a finding for each listening port that is not in `ports` of its service or not on loopback.

    A port that is not in `ports` is not reserved for the stack, so it can prevent two stacks with this
    service from running at the same time. An address outside loopback is reachable from other machines.
    """
    table = processes.table().values()
    for service in services:
        pids = [process.pid for process in table if service.pid and process.session == service.pid]
        for address, port in sorted(listening(pids)):
            topic = f"{service.name}: port {port}"
            if not ipaddress.ip_address(address).is_loopback:
                text = f"listens on {address}:{port}, which other machines can reach"
                hint = f"Configure the program to listen on {LOOPBACK}."
                yield Finding(topic=topic, state="wrong", text=text, hint=hint)
            elif port not in service.ports.values():
                text = f"listens on {address}:{port}, which is not in its `ports`"
                hint = (
                    f"Add the port to `ports` in [services.{service.name}] and refer to it with "
                    "${port.NAME} in its configuration, or disable the port."
                )
                yield Finding(topic=topic, state="note", text=text, hint=hint)


def _ports(plan: Plan, stack_ports: set[int]) -> Iterator[Finding]:
    if plan.ports == "leased":
        text = f"free ports are chosen when the services start (environment {plan.environment})"
        yield Finding(topic="ports", state="fine", text=text)
        return
    for spec in plan.services:
        for name, port in spec.ports.items():
            topic = f"port {port}"
            port_user, permission_error = None, ""
            try:
                port_user = None if port in stack_ports else taken(port)
            except PermissionError as error:
                permission_error = str(error.strerror)
            if permission_error:
                hint = f"Set `ports` in [services.{spec.name}] to a port number of at least 1024."
                text = f"needed by {spec.name} ({name}): {permission_error}"
                yield Finding(topic=topic, state="wrong", text=text, hint=hint)
            elif port in stack_ports:
                text = f"used by {spec.name} ({name}) of the running stack"
                yield Finding(topic=topic, state="fine", text=text)
            elif port_user is None:
                yield Finding(topic=topic, state="fine", text=f"free, for {spec.name} ({name})")
            else:
                hint = (
                    "Stop the program that uses the port, or set another number with `ports` in "
                    f"[services.{spec.name}]."
                )
                text = f"needed by {spec.name} ({name}), but used by {port_user}"
                yield Finding(topic=topic, state="wrong", text=text, hint=hint)


# --- the machine -------------------------------------------------------------------------------------


def _root(plan: Plan | None) -> Finding:
    other_user_services = [spec.name for spec in plan.services if spec.refuses_root] if plan else []
    if os.geteuid() != 0:
        return Finding(topic="user", state="fine", text=f"uid {os.geteuid()}, not root")
    names = ", ".join(other_user_services) or "none"
    if user_namespaces_work():
        return Finding(
            topic="user", state="fine", text=f"root; services that run in a user namespace: {names}"
        )
    text = f"root, without user namespaces; services that run as uid {other_user()[0]}: {names}"
    return Finding(topic="user", state="note", text=text)


def _disk(topic: str, folder: Path) -> Finding:
    existing = _existing(folder)
    free = shutil.disk_usage(existing).free
    text = f"{folder}: {free / (1 << 30):.1f} GiB free"
    if not os.access(existing, os.W_OK):
        hint = "Choose another folder with --data (data) or INFRA_CACHE (cache)."
        return Finding(topic=topic, state="wrong", text=f"{existing} cannot be written", hint=hint)
    if free < REQUIRED_SPACE:
        return Finding(topic=topic, state="wrong", text=text, hint="Free some space on this disk.")
    return Finding(topic=topic, state="note" if free < LITTLE_SPACE else "fine", text=text)


def _memory(resolved: Resolved) -> Finding:
    """Return a finding: whether the data of services in the environment test are in RAM."""
    if not resolved.tmpfs:
        origin = resolved.provenance["tmpfs"].source
        return Finding(topic="data in RAM", state="note", text=f"no, because tmpfs is false ({origin})")
    if reason := memory.obstacle():
        return Finding(topic="data in RAM", state="note", text=f"no: {reason}")
    available, memory_name = memory.room()
    text = f"yes, in {memory.TMPFS}; {memory_name} has {memory.megabytes(available)} of memory left"
    return Finding(topic="data in RAM", state="fine", text=text)


def _reflink(cache: Path, data: Path) -> Finding:
    """Return a finding: whether copies of files in the cache share disk blocks with the files (reflinks)."""
    if sys.platform != "linux":
        text = "copies from the cache share disk blocks with the cache if the file system is APFS"
        return Finding(topic="copies", state="note", text=text)
    try:
        with (
            tempfile.NamedTemporaryFile(dir=_existing(cache)) as source,
            tempfile.NamedTemporaryFile(dir=_existing(data)) as copy,
        ):
            source.write(b"x" * 4096)
            source.flush()
            fcntl.ioctl(copy.fileno(), FICLONE, source.fileno())
    except OSError:
        text = "full copies: cache and data cannot share disk blocks (no reflink)"
        return Finding(topic="copies", state="note", text=text)
    return Finding(topic="copies", state="fine", text="reflinks: cache and data share disk blocks")


def _runtime_folder(paths: Paths) -> Finding:
    longest_path = len(os.fsencode(f"{paths.service_run('x' * 16)}/.s.PGSQL.65535"))
    try:
        ownership.make_private_folder(paths.home, shared=True)
    except OSError as error:
        hint = "Choose another folder with INFRA_RUNTIME_DIR."
        return Finding(topic="sockets", state="wrong", text=f"{error.filename}: {error.strerror}", hint=hint)
    if longest_path > SOCKET_PATH:
        text = f"{paths.home} is too long: the path of a socket can have {SOCKET_PATH} bytes"
        hint = "Set INFRA_RUNTIME_DIR to a folder with a shorter path."
        return Finding(topic="sockets", state="wrong", text=text, hint=hint)
    return Finding(topic="sockets", state="fine", text=f"{paths.home}, which only this user can write")


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.is_dir())
