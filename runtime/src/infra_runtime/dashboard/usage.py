"""The processor time and the memory that the processes of each service use.

Source: proc_pid_stat(5). On other systems than Linux, no figures are available.
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
    """What the processes of one service use."""

    #: processors, such as 0.25; None until the second measurement
    cpu: float | None
    #: resident bytes; memory that processes share is counted for each of them
    memory: int


class Entry(NamedTuple):
    """The figures of one process."""

    pid: int
    parent: int
    #: seconds of processor time
    seconds: float
    #: resident bytes
    memory: int


class UsageMeter:
    """Measures services; the share of the processor is that since the previous measurement."""

    def __init__(self, proc: str = PROC, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._proc, self._clock = proc, clock
        #: service → the pid of its first process, its processor time, and the time of the measurement
        self._previous: dict[str, tuple[int, float, float]] = {}

    def measure(self, pids: Mapping[str, int]) -> dict[str, Usage]:
        """Return service → usage; `pids` is service → the pid of its first process, or 0."""
        entries = {entry.pid: entry for entry in _entries(self._proc)}
        children: dict[int, list[int]] = {}
        for entry in entries.values():
            children.setdefault(entry.parent, []).append(entry.pid)
        now, measured = self._clock(), {}
        for service, pid in pids.items():
            if pid not in entries:
                self._previous.pop(service, None)
                continue
            family = [entries[member] for member in _family(pid, children)]
            seconds = sum(entry.seconds for entry in family)
            measured[service] = Usage(
                cpu=self._share(service, pid, seconds, now),
                memory=sum(entry.memory for entry in family),
            )
            self._previous[service] = pid, seconds, now
        return measured

    def _share(self, service: str, pid: int, seconds: float, now: float) -> float | None:
        before, spent, then = self._previous.get(service, (0, 0.0, 0.0))
        if before != pid or now <= then:
            return None
        # The sum gets smaller when a child process has exited.
        return max(seconds - spent, 0.0) / (now - then)


def _family(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    """Return a process and its descendants. A server may give each child its own session."""
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
        # The program's name is in parentheses, and may itself contain spaces and parentheses.
        fields = text[text.rindex(b")") + 2 :].split()
        seconds = (int(fields[11]) + int(fields[12])) / ticks
        yield Entry(int(folder.name), int(fields[1]), seconds, int(fields[21]) * page)
