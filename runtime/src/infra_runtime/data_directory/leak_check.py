"""The leak check: find the processes, containers, ports and sockets that remain of a stopped stack."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from infra_runtime.data_directory import control_file, journal, memory_folder, remains
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import containers, processes
from infra_runtime.host.ports import holder, taken
from infra_runtime.messages import Event
from infra_runtime.value import frozen


@frozen
class LeakCheck:
    """The result of a leak check of a stack's last run; a text describes each remaining process or file."""

    #: the number of services that were started, without copies for single tests
    services: int
    #: seconds in which at least one of the services that became ready was starting for the first time; the
    #: boot of the supervisor is counted, tasks are not; None if no service became ready
    ready_seconds: float | None
    processes: tuple[str, ...]
    ports: tuple[str, ...]
    sockets: tuple[str, ...]
    #: the folders with the data of the services, on the disk and in RAM, that remain in the environment
    #: `test`
    folders: tuple[str, ...] = ()
    #: the containers of services with an image
    containers: tuple[str, ...] = ()
    #: those of the started services that did not become ready, and tasks that were not completed
    never_ready: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[str, ...]:
        """The descriptions of all remaining processes, containers, ports, sockets and folders."""
        return (*self.processes, *self.containers, *self.ports, *self.sockets, *self.folders)

    @property
    def clean(self) -> bool:
        """Whether no process, container, port, socket or folder of the stack remains."""
        return not self.left

    def to_json(self) -> dict[str, Any]:
        """Return the result of the leak check as JSON data."""
        return {**asdict(self), "clean": self.clean}

    def __str__(self) -> str:
        ready = "never ready"
        if self.ready_seconds is not None:
            exceptions = f" except {', '.join(self.never_ready)}" if self.never_ready else ""
            ready = f"ready in {self.ready_seconds:.2f} s{exceptions}"
        counts = [
            counted(len(self.processes), "process", "processes"),
            counted(len(self.ports), "port"),
            counted(len(self.sockets), "socket"),
            *([counted(len(self.containers), "container")] if self.containers else []),
            *([counted(len(self.folders), "folder")] if self.folders else []),
        ]
        details = f" ({'; '.join(self.left)})" if self.left else ""
        return f"{counted(self.services, 'service')}, {ready}; {', '.join(counts)} left{details}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, such as `1 port` or `0 ports`; by default, the plural ends with `s`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def check_leaks(paths: Paths) -> LeakCheck:
    """Check which processes, containers, ports, sockets and folders remain of the last run of a stack.

    The supervisor of the run must have exited.
    """
    run = journal.last_run(journal.recent(paths.journal))
    spawned = [event for event in run if event.event == "spawned"]
    processes_of_run = [event for event in run if event.event in {"early-start", "spawned"}]
    roots = remains.read_descendants(paths.descendants)
    roots |= {event.pid: event.started for event in processes_of_run}
    remaining_processes = processes.family(roots, run[0].token, grouped=True) if run else []
    ports = sorted({port for event in spawned for port in event.ports.values()})
    taken_ports = [port for port in ports if taken(port, name_it=False) is not None]
    copies = {event.service for event in spawned if event.copy_of}
    ready_services = {event.service for event in run if event.event in {"ready", "done"}}
    # A service that starts at its first connection is ready without a process.
    started_services = [event.service for event in run if event.event in {"spawned", "ready"}]
    services = dict.fromkeys(service for service in started_services if service not in copies)
    engines = dict.fromkeys(event.engine for event in spawned if event.engine)
    removes_data = bool(run) and run[0].environment == "test"
    data = [paths.services, memory_folder.existing(paths)] if removes_data else []
    return LeakCheck(
        services=len(services),
        never_ready=tuple(name for name in services if name not in ready_services),
        ready_seconds=_ready_seconds(run, copies),
        processes=tuple(f"process {process.pid}" for process in remaining_processes),
        ports=tuple(f"port {port}, held by {holder(port)}" for port in taken_ports),
        sockets=tuple(sorted(_below(control_file.run_folder(paths)))),
        folders=tuple(folder for folder in data if os.path.lexists(folder)),
        containers=tuple(name for engine in engines for name in containers.left(engine, run[0].token)),
    )


def _below(folder: str) -> Iterator[str]:
    """Yield the paths of all files and folders below a folder; a guardian may remove them at the same time.

    If the folder is a link, only its own path is yielded: the files in its target do not belong to the stack.
    """
    if os.path.islink(folder):
        yield folder
        return
    for parent, folders, files in os.walk(folder):
        yield from (f"{parent}/{name}" for name in (*folders, *files))


def _ready_seconds(run: Sequence[Event], copies: Collection[str]) -> float | None:
    start_times: dict[str, float] = {}
    spans: dict[str, tuple[float, float]] = {}
    for event in run:
        if event.event in {"preparing", "spawned"} and event.service not in copies:
            # The start of the first service includes the supervisor's boot.
            start_times.setdefault(event.service, event.time if start_times else run[0].time)
        elif event.event == "ready" and event.service in start_times:
            spans.setdefault(event.service, (start_times[event.service], event.time))
    seconds = counted_until = 0.0
    for start, end in sorted(spans.values()):
        seconds += max(0.0, end - max(start, counted_until))
        counted_until = max(counted_until, end)
    return seconds if spans else None
