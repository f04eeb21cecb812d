"""The resources of a running stack, observed from outside its supervisor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from fakes.stacks import alive
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.paths import Paths


def processes(data: Path) -> list[psutil.Process]:
    """Return the running processes of the stack in `data`: supervisor, guardian, services, descendants."""
    run = Paths(str(data)).run
    services = set(alive(data))
    remains = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.pid in services or run in process.cmdline():
                remains.append(process)
        except (psutil.Error, OSError):
            continue
    return remains


def supervisor(data: Path) -> int:
    """Return the process id of the last supervisor in `data`."""
    return [event.pid for event in journal.read(Paths(str(data)).journal) if event.event == "up"][-1]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Processes, open sockets and shared memory."""

    data: Path
    processes: tuple[psutil.Process, ...]
    #: inode numbers, by which /proc/net lists TCP, UDP and Unix sockets
    sockets: frozenset[str]
    #: files in /dev/shm
    memory: frozenset[str]

    def left(self) -> list[str]:
        """Return the processes, sockets and shared memory of the stack that still exist."""
        running = [process for process in (*self.processes, *processes(self.data)) if _runs(process)]
        segments = [
            segment for segment, creator in _segments() if creator in {it.pid for it in self.processes}
        ]
        run = Path(Paths(str(self.data)).run)  # of the socket files
        return [
            *(f"process {process.pid}" for process in dict.fromkeys(running)),
            *(f"socket {inode}" for inode in sorted(self.sockets & _open_sockets())),
            *(f"shared memory {path}" for path in sorted(self.memory) if Path(path).exists()),
            *(f"shared memory segment {segment}" for segment in segments),
            *([f"folder {run}"] if run.exists() else []),
        ]


def resources(data: Path) -> Resources:
    """Observe a running stack."""
    running = processes(data)
    return Resources(
        data=data,
        processes=tuple(running),
        sockets=frozenset(inode for process in running for inode in _sockets(process)),
        memory=frozenset(path for process in running for path in _shared_memory(process)),
    )


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _sockets(process: psutil.Process) -> Iterator[str]:
    for descriptor in Path(f"/proc/{process.pid}/fd").glob("*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target.removeprefix("socket:[").removesuffix("]")


def _open_sockets() -> set[str]:
    """Return the inode of every socket of this network namespace. Source: proc_net(5)."""
    numbers = set()
    for table in ("tcp", "tcp6", "udp", "udp6", "unix"):
        path = Path("/proc/net", table)
        if path.exists():
            head, *rows = path.read_text(encoding="utf-8").splitlines()
            column = 6 if "Inode" in head else 9
            numbers |= {row.split()[column] for row in rows}
    return numbers - {"0"}


def _shared_memory(process: psutil.Process) -> Iterator[str]:
    try:
        maps = process.memory_maps()
    except (psutil.Error, OSError):
        return
    yield from (part.path for part in maps if part.path.startswith("/dev/shm/"))


def _segments() -> Iterator[tuple[str, int]]:
    """Yield the number and the creator of each System V segment. Source: proc_sysvipc(5)."""
    table = Path("/proc/sysvipc/shm")
    if table.exists():
        head, *rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()]
        for row in rows:
            yield row[head.index("shmid")], int(row[head.index("cpid")])
