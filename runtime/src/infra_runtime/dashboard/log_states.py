"""The sizes of the logs in a folder. All streams share them, so that they are not read for each stream."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from infra_runtime.logs.files import SUPERVISOR

#: the seconds for which a result is used; the folder is not read again during this time
FRESH = 0.05
#: the largest number of folders whose states are in memory
_FOLDERS = 16
_SUFFIX = ".log"


class LogStates:
    """The inode and the size of the log of each service in a folder."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._states: Mapping[str, tuple[int, int]] = {}
        self._read_at: float | None = None

    def read(self) -> Mapping[str, tuple[int, int]]:
        """Return a mapping from service to inode and size of its log, at most `FRESH` seconds old.

        The result is the same object until a log changes.
        """
        now = self._clock()
        if self._read_at is None or now - self._read_at >= FRESH:
            self._read_at, states = now, _states(self._folder)
            if states != self._states:
                self._states = states
        return self._states


@functools.lru_cache(_FOLDERS)
def states_of(folder: Path) -> LogStates:
    """Return the states of the logs in a folder, the same object for all callers."""
    return LogStates(folder)


def _states(folder: Path) -> dict[str, tuple[int, int]]:
    states = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name.removesuffix(_SUFFIX)
            if name in {entry.name, SUPERVISOR}:
                continue
            with contextlib.suppress(OSError):  # the log was removed
                status = entry.stat()
                states[name] = status.st_ino, status.st_size
    return states
