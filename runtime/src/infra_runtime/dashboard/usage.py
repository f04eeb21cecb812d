"""The processor time, the memory and the disk transfers of the processes of each service.

Sources: proc_pid_stat(5), proc_pid_io(5). Only Linux provides these figures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from infra_runtime.value import frozen

PROC = "/proc"


@frozen
class Usage:
    """The processor time, memory and disk transfers of the processes of one service."""

    #: the number of used processors, such as 0.25; None until the second measurement of the main process
    cpu: float | None
    #: the resident memory in bytes; memory that processes share is counted for each process
    memory: int
    #: the bytes per second that were read from disks and written to disks; None if `cpu` is None
    read: float | None = None
    written: float | None = None


class Entry(NamedTuple):
    """The figures of one process."""

    pid: int
    parent: int
    #: the processor time in seconds
    seconds: float
    #: the resident memory in bytes
    memory: int


class _Totals(NamedTuple):
    """The totals of the processes of a service: processor time in seconds, and disk transfers in bytes."""

    seconds: float
    read: float
    written: float


class UsageMeter:
    """Measures the resource usage of services; the rates refer to the time since the previous measurement."""

    def __init__(self, proc: str = PROC, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._proc, self._clock = proc, clock
        #: service → the pid of its main process, its totals, and the time of the measurement
        self._previous: dict[str, tuple[int, _Totals, float]] = {}

    def measure(self, pids: Mapping[str, int]) -> dict[str, Usage]:
        """Return a mapping from running service to usage; `pids` maps services to pids (0: no process)."""
        processes = {entry.pid: entry for entry in _entries(self._proc)}
        children: dict[int, list[int]] = {}
        for entry in processes.values():
            children.setdefault(entry.parent, []).append(entry.pid)
        now, measured = self._clock(), {}
        for service, pid in pids.items():
            if pid not in processes:
                self._previous.pop(service, None)
                continue
            family = [processes[member] for member in _family(pid, children)]
            transfers = [_transfers(self._proc, entry.pid) for entry in family]
            totals = _Totals(
                seconds=sum(entry.seconds for entry in family),
                read=sum(read for read, _ in transfers),
                written=sum(written for _, written in transfers),
            )
            changes = self._changes(service, pid, totals, now)
            measured[service] = Usage(
                cpu=changes.seconds if changes else None,
                memory=sum(entry.memory for entry in family),
                read=changes.read if changes else None,
                written=changes.written if changes else None,
            )
            self._previous[service] = pid, totals, now
        return measured

    def _changes(self, service: str, pid: int, totals: _Totals, now: float) -> _Totals | None:
        """Return the changes per second since the previous measurement; None for the first measurement."""
        previous_pid, then_totals, then = self._previous.get(service, (0, totals, 0.0))
        if previous_pid != pid or now <= then:
            return None
        # A negative change becomes 0: the total gets smaller when a child process exits.
        return _Totals(
            *(
                max(total - former, 0.0) / (now - then)
                for total, former in zip(totals, then_totals, strict=True)
            )
        )


def _family(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    """Return the pids of a process and its descendants, also of those in other process sessions."""
    family = [pid]
    for member in family:
        family += children.get(member, ())
    return family


def _entries(proc: str) -> Iterator[Entry]:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for folder in Path(proc).glob("[0-9]*"):
        try:
            text = (folder / "stat").read_bytes()
        except OSError:  # the process has exited
            continue
        # The name of the program is in parentheses, and can contain spaces and parentheses.
        fields = text[text.rindex(b")") + 2 :].split()
        seconds = (int(fields[11]) + int(fields[12])) / ticks
        yield Entry(int(folder.name), int(fields[1]), seconds, int(fields[21]) * page)


def _transfers(proc: str, pid: int) -> tuple[int, int]:
    """Return the bytes that a process has read from disks and written to disks; 0 if they are unknown."""
    try:
        text = Path(proc, str(pid), "io").read_text(encoding="ascii")
    except OSError:  # the process has exited, or belongs to another user
        return 0, 0
    totals = dict(line.split(": ") for line in text.splitlines())
    return int(totals.get("read_bytes", 0)), int(totals.get("write_bytes", 0))
