"""What `infra dev doctor` looks at, one function for each topic."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra_cli.programs import programs
from infra_cli.target import Target
from infra_runtime import __version__, catalogue
from infra_runtime.config.resolve import Resolved
from infra_runtime.config.unknown_variables import misspelled_variables
from infra_runtime.data_directory.paths import SOCKET_PATH, Paths, private_folder
from infra_runtime.engines.local.client import Client
from infra_runtime.errors import InfraError, NoStackError
from infra_runtime.host.ports import taken
from infra_runtime.host.privileges import other_user, user_namespaces_work
from infra_runtime.messages import STATUS, Nothing
from infra_runtime.plan import Plan

#: bytes; a fresh PostgreSQL cluster in development takes some 40 MB
SCARCE, TOO_LITTLE = 1 << 30, 100 << 20
FICLONE = 0x40049409  # Source: ioctl_ficlone(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    state: Literal["fine", "note", "wrong"]
    text: str
    hint: str = ""


def examine(target: Target) -> Iterator[Finding]:
    """Look at everything, the cheap and telling things first."""
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
            text=f"{file.path if file else 'none, so the defaults'}: {names}",
        )
        for variable in misspelled_variables(target.directory):
            yield Finding(topic="variables", state="note", text=str(variable))
    plan = resolved.plan if resolved else None
    yield from _programs(resolved)
    held: set[int] = set()
    if paths:
        running, held = _running(paths)
        yield running
    if plan:
        yield from _ports(plan, held)
    yield _root(plan)
    if paths:
        yield _disk("data", Path(paths.data))
        yield _disk("cache", Path(paths.cache))
        yield _reflink(Path(paths.cache), Path(paths.data))
        yield _runtime_folder(paths)


def _kit() -> Finding:
    python = f"Python {platform.python_version()} ({sys.executable})"
    return Finding(
        topic="kit", state="fine", text=f"pytest-infra {__version__}, {python}, {platform.platform()}"
    )


# --- programs --------------------------------------------------------------------------------------


def _programs(resolved: Resolved | None) -> Iterator[Finding]:
    in_stack = {spec.name for spec in resolved.plan.services} if resolved else set()
    for service in catalogue.names():
        for program in programs(service, resolved):
            topic = service if program.name == service else f"{service}: {program.name}"
            if program.path:
                yield Finding(topic=topic, state="fine", text=f"{program.path}  ({version(program.path)})")
            else:
                wanted = service in in_stack and not program.optional
                text = f"{program.name}: {program.problem}"
                yield Finding(topic=topic, state="wrong" if wanted else "note", text=text, hint=program.hint)


def version(path: Path) -> str:
    """The first line that the program says of its version."""
    for flag in ("--version", "version"):
        try:
            done = subprocess.run(
                [path, flag], capture_output=True, text=True, errors="replace", timeout=10, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"does not run: {error}"
        if done.returncode == 0 and (line := (done.stdout or done.stderr).strip()):
            return line.splitlines()[0]
    return "does not tell its version"


# --- what runs ---------------------------------------------------------------------------------------


def _running(paths: Paths) -> tuple[Finding, set[int]]:
    """The stack of this directory, and the ports that it holds."""
    try:
        client = Client.connect(paths)
    except NoStackError:
        return Finding(topic="stack", state="note", text=f"none is running in {paths.data}"), set()
    except InfraError as error:
        return Finding(topic="stack", state="wrong", text=str(error), hint=error.hint), set()
    try:
        status = client.call(STATUS, Nothing())
    finally:
        client.close()
    ready = sum(service.ready for service in status.services)
    text = f"runs in {paths.data}: {ready} of {len(status.services)} services are ready"
    held = {port for service in status.services if service.pid for port in service.ports.values()}
    return Finding(topic="stack", state="fine", text=text), held


def _ports(plan: Plan, held: set[int]) -> Iterator[Finding]:
    if plan.ports == "leased":
        yield Finding(topic="ports", state="fine", text=f"leased as they are needed in {plan.environment}")
        return
    for spec in plan.services:
        for name, port in spec.ports.items():
            topic = f"port {port}"
            holder, denied = None, ""
            try:
                holder = None if port in held else taken(port)
            except PermissionError as error:
                denied = str(error.strerror)
            if denied:
                hint = f"Set `ports` in [services.{spec.name}] to a number from 1024 up."
                text = f"wanted by {spec.name} ({name}): {denied}"
                yield Finding(topic=topic, state="wrong", text=text, hint=hint)
            elif port in held:
                text = f"held by {spec.name} ({name}) of the stack that runs"
                yield Finding(topic=topic, state="fine", text=text)
            elif holder is None:
                yield Finding(topic=topic, state="fine", text=f"free, for {spec.name} ({name})")
            else:
                hint = f"Stop it, or set `ports` in [services.{spec.name}] to another number."
                text = f"wanted by {spec.name} ({name}), taken by {holder}"
                yield Finding(topic=topic, state="wrong", text=text, hint=hint)


# --- the machine -------------------------------------------------------------------------------------


def _root(plan: Plan | None) -> Finding:
    refusing = [spec.name for spec in plan.services if spec.refuses_root] if plan else []
    if os.geteuid() != 0:
        return Finding(topic="user", state="fine", text=f"uid {os.geteuid()}, not root")
    names = ", ".join(refusing) or "no service of this stack"
    if user_namespaces_work():
        return Finding(topic="user", state="fine", text=f"root; in a user namespace of its own: {names}")
    return Finding(
        topic="user", state="note", text=f"root, no user namespaces; as uid {other_user()[0]}: {names}"
    )


def _disk(topic: str, folder: Path) -> Finding:
    there = _existing(folder)
    free = shutil.disk_usage(there).free
    text = f"{folder}: {free / (1 << 30):.1f} GB free"
    if not os.access(there, os.W_OK):
        return Finding(
            topic=topic, state="wrong", text=f"{there} cannot be written", hint="Name another one."
        )
    if free < TOO_LITTLE:
        return Finding(
            topic=topic, state="wrong", text=text, hint="Make room: servers fail oddly on a full disk."
        )
    return Finding(topic=topic, state="note" if free < SCARCE else "fine", text=text)


def _reflink(cache: Path, data: Path) -> Finding:
    """A first PostgreSQL cluster is copied from the cache: for nothing where the disk can share blocks."""
    if sys.platform != "linux":
        return Finding(topic="copies", state="note", text="cloned where the file system can (APFS)")
    try:
        with (
            tempfile.NamedTemporaryFile(dir=_existing(cache)) as source,
            tempfile.NamedTemporaryFile(dir=_existing(data)) as copy,
        ):
            source.write(b"x" * 4096)
            source.flush()
            fcntl.ioctl(copy.fileno(), FICLONE, source.fileno())
    except OSError:
        return Finding(
            topic="copies", state="note", text="real ones: cache and data share no blocks (no reflink)"
        )
    return Finding(topic="copies", state="fine", text="reflinks: cache and data share blocks")


def _runtime_folder(paths: Paths) -> Finding:
    longest = len(os.fsencode(f"{paths.service_run('x' * 16)}/.s.PGSQL.65535"))
    try:
        private_folder(paths.home)
    except OSError as error:
        hint = "Name another folder with INFRA_RUNTIME_DIR."
        return Finding(topic="sockets", state="wrong", text=f"{paths.home}: {error.strerror}", hint=hint)
    if longest > SOCKET_PATH:
        text = f"{paths.home} is too long for sockets: their paths may have {SOCKET_PATH} bytes"
        hint = "Name a shorter folder with INFRA_RUNTIME_DIR."
        return Finding(topic="sockets", state="wrong", text=text, hint=hint)
    return Finding(topic="sockets", state="fine", text=f"{paths.home}, for you alone")


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.is_dir())
