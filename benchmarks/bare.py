"""Start the same servers as a stack without a supervisor: the baseline of other benchmarks.

The executables, arguments, environment variables, files and data are the same, and all servers are started at
once. This program launches a `benchmarks.script.Script`, prints the seconds from the first copy to the last
successful probe, and exits when its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from infra_runtime.host.file_copy import COPY, publish, stage
from infra_runtime.host.ports import LOOPBACK
from infra_runtime.host.privileges import user_namespaces_work
from infra_runtime.spec import TYPES, decode
from infra_runtime.supervisor import probes
from infra_runtime.supervisor.spawn import spawn

PATIENCE = 30.0
Service: TypeAlias = Mapping[str, Any]
Child: TypeAlias = "subprocess.Popen[bytes]"
#: a service and its first process
Running: TypeAlias = tuple[Service, Child]


async def launch(services: Iterable[Service], running: dict[str, Running]) -> None:
    """Start all services at once; return when the last of them is ready.

    Each started service is added to `running` immediately, so that the caller can end the service after an
    error.
    """
    async with asyncio.TaskGroup() as group:
        for service in services:
            group.create_task(_launch(service, running))


async def _launch(service: Service, running: dict[str, Running]) -> None:
    staged = stage(service["data"])
    copy = await asyncio.create_subprocess_exec(*COPY, service["tree"], staged)
    if await copy.wait() != 0:
        raise SystemExit(f"cannot copy {service['tree']}")
    publish(staged, service["data"])
    child = start(service)
    running[service["name"]] = service, child
    await ready(service, child)


def start(service: Service) -> Child:
    """Start only the process of a service; the data of the service must already exist."""
    return spawn(
        service["command"],
        env=service["env"],
        cwd=service["cwd"],
        log=service["log"],
        refuses_root=service["refuses_root"],
    )


async def ready(service: Service, child: Child) -> None:
    """Return when the probe of a service succeeds."""
    probe, start_time = decode(service["ready"], TYPES), time.monotonic()
    while (
        reason := await probes.ask(probe, LOOPBACK, service["ports"], _no_command, service["run"])
    ) is not None:
        waited = time.monotonic() - start_time
        if child.poll() is not None or waited > PATIENCE:
            raise SystemExit(f"{service['name']}: {reason}; its log is {service['log']}")
        await asyncio.sleep(probes.interval(waited))


async def _no_command(command: tuple[str, ...], _env: Mapping[str, str]) -> int:
    raise TypeError(f"the benchmark supports no probe with a command: {command[0]}")


def end(running: Mapping[str, Running]) -> None:
    """Stop all services in `running`, and remove their data."""
    for service, child in running.values():
        child.send_signal(service["stop"])
    for service, child in running.values():
        child.wait()
        with contextlib.suppress(ProcessLookupError):  # a service can consist of several programs
            os.killpg(child.pid, signal.SIGKILL)
        shutil.rmtree(service["data"])


def main() -> None:
    """Launch the script whose path is the first argument."""
    services = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    user_namespaces_work()  # the supervisor tests this at run time; in a script, the result is fixed
    running: dict[str, Running] = {}
    try:
        start_time = time.perf_counter()
        asyncio.run(launch(services, running))
        print(time.perf_counter() - start_time, flush=True)
        sys.stdin.read()
    finally:
        end(running)
