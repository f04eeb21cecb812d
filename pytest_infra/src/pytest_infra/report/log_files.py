"""The log files of the services, and the parts of them that were written during a test."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from infra_runtime.data_directory.paths import Paths
from pytest_infra.kit import ServiceKit
from pytest_infra.report.leaks import owner_of

#: The maximum size of a part in bytes; the beginning of a longer part is cut.
PART_BYTES = 8_000_000

#: log file → its size in bytes
Sizes = dict[Path, int]


class LogFiles:
    """The logs in the data directories of this run, and their sizes when the running test started."""

    KEY: ClassVar[pytest.StashKey[LogFiles]] = pytest.StashKey()

    def __init__(self, data: Sequence[str]) -> None:
        #: the data directories; the session adds each further data directory that it uses
        self._data = data
        #: the sizes when the data directory was opened, for the test that opened it
        self._opened: Sizes = {}
        #: the sizes when the services became ready for this process, and when their units were prepared
        self._ready: Sizes = {}
        #: the sizes when the running test started
        self._marks: Sizes = {}
        #: the start of the running test, in seconds since the epoch
        self.began = time.time()

    def opened(self, data: str) -> None:
        """Record the sizes of the logs in a data directory before this run uses it."""
        self._opened |= _sizes([data])

    def ready(self, services: Collection[str]) -> None:
        """Record the sizes of the logs of services that are ready; earlier lines are about their start."""
        for path, size in _sizes(self._data).items():
            if path.stem in services and (path not in self._ready or "." in path.stem):
                self._ready[path] = size  # a later copy can have the same name, `SERVICE.N`

    def prepared(self, service: str) -> None:
        """Record the size of a service's log; earlier lines are about the preparation of its units."""
        self._ready |= {path: size for path, size in _sizes(self._data).items() if path.stem == service}

    def begin(self) -> None:
        """Record the sizes of the logs, because a test starts."""
        self.began = time.time()
        self._marks = _sizes(self._data)

    def path(self, service: str) -> Path | None:
        """Return the path of a service's log; None if the log does not exist."""
        return next((path for path in reversed(self._paths()) if path.stem == service), None)

    def services(self) -> list[str]:
        """Return the names of the services that have a log."""
        return [path.stem for path in self._paths()]

    def start(self, path: Path) -> int:
        """Return the size that a log had when the running test started."""
        return self._marks.get(path, self._opened.get(path, 0))

    def parts(self, *, without_start: bool = False) -> dict[str, str]:
        """Return a mapping from service to the text that it has logged since the start of the test.

        Services that have logged nothing are omitted. With `without_start`, the text does not contain the
        lines that the service logged before it was ready, and while its units were prepared, for example by
        migrations.
        """
        parts = {}
        for path in self._paths():
            start = max(self.start(path), self._ready.get(path, 0) if without_start else 0)
            if text := read(path, start)[0].lstrip(b"\0").decode(errors="replace"):
                parts[path.stem] = text
        return parts

    def _paths(self) -> list[Path]:
        return sorted(_sizes(self._data))


def read(path: Path, start: int) -> tuple[bytes, int]:
    """Return the bytes of a log after the offset `start`, and the offset of the end of the log.

    At most the last `PART_BYTES` bytes are returned. A log that is shorter than `start` was truncated, and
    all its bytes are returned. If the log does not exist, the bytes are empty. The supervisor replaces the
    beginning of a long log by a hole, which is read as zero bytes.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start if start <= size else 0, size - PART_BYTES))
            part = file.read()
            return part, file.tell()
    except OSError:
        return b"", start


def without_others(text: str, owners: Collection[str], kit: ServiceKit) -> str:
    """Return the text of a log without the lines that contain only names of other workers' units.

    Lines without the name of a unit are included. Lines that begin with a tab continue the line before them,
    and are removed with it.
    """
    if not kit.unit_name:
        return text
    lines, included = [], True
    for line in text.splitlines():
        if not line.startswith("\t"):
            names = [match[0] for match in re.finditer(kit.unit_name, line)]
            included = not names or any(owner_of(name, kit) in owners for name in names)
        if included:
            lines.append(line)
    return "\n".join(lines)


def _sizes(data: Iterable[str]) -> Sizes:
    """Return a mapping from log file to size in bytes, for the logs in these data directories.

    The log of the supervisor is omitted. The function runs for every test, so it only lists the folders.
    """
    sizes: Sizes = {}
    for folder in data:
        with contextlib.suppress(FileNotFoundError), os.scandir(_folder(folder)) as entries:
            for entry in entries:
                if entry.name.endswith(".log") and entry.name != "supervisor.log":
                    sizes[Path(entry.path)] = entry.stat().st_size
    return sizes


@functools.cache
def _folder(data: str) -> str:
    return Paths(data).logs
