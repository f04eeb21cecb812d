"""Stacks of small real processes for tests of the supervisor, without catalogue and stack file."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from infra_runtime.config.resolve import Resolved
from infra_runtime.data_directory import journal, memory_folder
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import processes
from infra_runtime.messages import Event
from infra_runtime.plan import make_plan
from infra_runtime.spec import ServiceSpec, StopStep, TcpProbe

SERVER = str(Path(__file__).with_name("server.py"))


def server(name: str, *options: str, **fields: Any) -> ServiceSpec:
    """Return a service that runs `server.py` with these options.

    The step of a server that exits at SIGTERM is long, so that it is not killed on a busy machine.
    """
    ignores_term = not {"--ignore-term", "--stray"}.isdisjoint(options)
    defaults: dict[str, Any] = {
        "command": (sys.executable, "-I", "-S", SERVER, "${port.main}", *options),
        "ports": {"main": 0},
        "ready": TcpProbe(port="main"),
        "exports": {"url": "tcp://${host}:${port.main}", "port": "${port.main}"},
        "stop": (StopStep(signal=signal.SIGTERM, seconds=2.0 if ignores_term else 60.0),),
        "start_timeout": 60.0,
    }
    return ServiceSpec(name=name, **{**defaults, **fields})


def resolved(
    data: Path, services: Sequence[ServiceSpec], *, environment: str = "test", tmpfs: bool = True
) -> Resolved:
    """Return these services as a `Resolved`, which `config.resolve` returns for a stack file."""
    plan = make_plan(services, environment=environment, root=str(data.parent))
    return Resolved(
        plan=plan,
        data=data,
        binaries={},
        variables={},
        stack_file=None,
        provenance={},
        tmpfs=tmpfs,
    )


def services_of(data: Path) -> Path:
    """Return the folder that contains the data folders of a stack's services, on the disk or in RAM."""
    paths = Paths(str(data))
    folder = memory_folder.existing(paths)
    return Path(folder, memory_folder.SERVICES) if folder else Path(paths.services)


def journal_events(data: Path) -> list[Event]:
    """Return all events of a data directory's journal."""
    return journal.read(Paths(str(data)).journal)


def spawned(data: Path) -> dict[int, str]:
    """Return a mapping from pid to start time of all processes that a stack has started."""
    return {event.pid: event.started for event in journal_events(data) if event.event == "spawned"}


def alive(data: Path) -> list[int]:
    """Return the pids of the running processes of a stack, including their descendants."""
    tokens = [event.token for event in journal_events(data) if event.event == "up"]
    roots = {pid: start for pid, start in spawned(data).items() if processes.started(pid) == start}
    return sorted({process.pid for token in tokens for process in processes.family(roots, token)})


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition is true because of another process; only for tests with real processes.

    The pause between two checks is up to 0.25 s: a condition that is true for a shorter time can be missed.
    """
    began = time.monotonic()
    deadline = began + seconds
    while not condition():
        now = time.monotonic()
        assert now < deadline, "the condition was not fulfilled in time"
        # A condition that takes long, such as a request to a server, is checked less often.
        time.sleep(max(0.005, min(5 * (now - began), 0.25)))
        began = time.monotonic()


def kill(pid: int) -> None:
    """Kill a process of the test's stack with SIGKILL."""
    os.kill(pid, signal.SIGKILL)


def kill_both(data: Path, pid: int) -> None:
    """Kill supervisor and guardian, as the kernel does when it is out of memory."""
    guardian = int(Path(Paths(str(data)).lock).read_text().split()[0])
    os.kill(pid, signal.SIGSTOP)  # it must not replace its guardian
    os.kill(guardian, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_running(pid) and not is_running(guardian))


def is_running(pid: int) -> bool:
    process = processes.look(pid)
    return process is not None and process.state != processes.ZOMBIE
