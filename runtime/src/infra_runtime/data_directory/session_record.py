"""The records of pytest sessions in a data directory: one file `sessions/ID.jsonl` for each session.

The pytest plugin writes a record during a session, and the dashboard reads the record. Each line is a JSON
object, whose key `kind` is `session` (the first line), `start`, `test` or `end`. The classes `SessionStart`,
`TestStart`, `TestEnd` and `SessionEnd` describe the other keys of these lines. A reader ignores unknown kinds
and keys, lines that are not JSON, and an incomplete last line. The process that writes a record holds the
lock of the file. If a file is not locked and has no line `end`, the session was killed.

Only the owner can read the files. The files contain no settings, no output and no local variables of tests.
"""

import contextlib
import itertools
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Self, TypeVar

from infra_runtime.data_directory.paths import plan_folders
from infra_runtime.host import disk, file_lock, ownership
from infra_runtime.message import Message, MessageError, data_of, decode
from infra_runtime.value import frozen

FOLDER, SUFFIX = "sessions", ".jsonl"
#: the version of the format, which is increased if older readers would misread a record
FORMAT = 1
#: the greatest number of records in a data directory, and of their bytes together; when a new record is
#: created, the oldest records above these limits are removed
SESSIONS, BYTES = 1000, 256 << 20
#: the number of bytes that are read at the beginning and at the end of a record, for its first and last line
_EDGE = 1 << 16
_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
#: the latest valid Unix time: browsers can show this time, which is in the year 5138
LATEST = 1e11

T = TypeVar("T", bound=Message)


class SessionStart(Message):
    """The first line of a record, of the kind `session`. Times are Unix seconds."""

    format: int
    time: float
    pid: int
    #: pytest's root directory, and the data directory of the stack that the session used first
    root: str
    data: str
    #: the paths and ids on the command line, and the values of `-k` and `-m`
    paths: tuple[str, ...] = ()
    keyword: str = ""
    markers: str = ""
    #: the number of worker processes of pytest-xdist; 0 without pytest-xdist
    workers: int = 0
    #: the number of selected tests; 0 if the number is not known
    selected: int = 0
    #: the versions of Python and pytest
    python: str = ""
    pytest: str = ""


class TestStart(Message):
    """The line for the start of a test, of the kind `start`."""

    __test__ = False  # pytest does not collect the class

    test: str
    time: float


class TestEnd(Message):
    """The line for the end of a test, of the kind `test`. Durations are in seconds."""

    __test__ = False

    test: str
    #: `passed`, `failed`, `error` (in the set-up or tear-down), `skipped`, `xfailed`, `xpassed`, `rerun`
    outcome: str
    began: float
    seconds: float
    #: set-up, call, tear-down → seconds
    phases: Mapping[str, float] = field(default_factory=dict)
    #: the waits of the test: the name of each wait, such as `isolate postgres`, and its seconds
    waits: tuple[tuple[str, float], ...] = ()
    #: the services to which the waits belong
    services: tuple[str, ...] = ()
    #: the name of the pytest-xdist worker; empty without pytest-xdist
    worker: str = ""
    #: the id of the test's trace; empty for a test without services
    trace: str = ""
    #: the first line of the error, with masked secrets
    error: str = ""
    #: the folder of the failure report; empty without a report
    report: str = ""
    #: outcome → the number of tests of the session that have had this outcome so far
    counts: Mapping[str, int] = field(default_factory=dict)


class SessionEnd(Message):
    """The last line of a record, of the kind `end`."""

    time: float
    #: pytest's exit status
    status: int
    counts: Mapping[str, int]
    #: the number of tests that have no line in the record
    left_out: int = 0


_SHAPES: Mapping[str, type[Message]] = {
    "session": SessionStart,
    "start": TestStart,
    "test": TestEnd,
    "end": SessionEnd,
}


# --- write -----------------------------------------------------------------------------------------


class Writer:
    """A new record, which this process has locked and writes."""

    def __init__(self, data: Path, began: float) -> None:
        """Create the file of the record, and remove the oldest records above the limits.

        Raises `OSError` if the file cannot be created.
        """
        folder = data / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        if not disk.is_folder(str(folder)):
            raise NotADirectoryError(f"{folder} is a symbolic link")
        _remove_oldest(folder)
        start_time = time.strftime("%Y%m%dT%H%M%S", time.gmtime(began))
        self.path = folder / f"{start_time}-{os.urandom(4).hex()}{SUFFIX}"
        descriptor = file_lock.acquire(str(self.path))
        assert descriptor is not None  # noqa: S101 - no other process uses the new name
        self._descriptor = descriptor

    def write(self, lines: Iterable[str]) -> None:
        """Append lines, which contain no line breaks, to the record. Raises `OSError` if a write fails."""
        text = "".join(f"{line}\n" for line in lines)
        remaining_bytes = memoryview(text.encode("utf-8", "replace"))
        while remaining_bytes:
            remaining_bytes = remaining_bytes[os.write(self._descriptor, remaining_bytes) :]

    def close(self) -> None:
        """Release the lock and close the file."""
        file_lock.release(self._descriptor)


def _remove_oldest(folder: Path) -> None:
    """Remove the oldest records, so that the limits allow one more record."""
    paths = sorted(folder.glob(f"*{SUFFIX}"), reverse=True)
    total = 0
    for number, path in enumerate(paths, start=1):
        with contextlib.suppress(OSError):  # another session has removed the file
            total += path.lstat().st_size
            if number >= SESSIONS or total > BYTES:
                path.unlink()


# --- read ------------------------------------------------------------------------------------------


@frozen
class Summary:
    """A session, as the first and the last line of its record describe it."""

    id: str
    path: Path
    start: SessionStart
    counts: Mapping[str, int]
    #: None if the session is running or was killed
    end: SessionEnd | None
    #: the Unix time of the last line
    changed: float
    is_running: bool

    @property
    def state(self) -> str:
        """Return `running`, `killed`, `interrupted`, `failed` or `passed`."""
        if self.end is None:
            return "running" if self.is_running else "killed"
        # Source: pytest's manual, "Exit codes": 2 after Ctrl-C; 5 if no test was collected
        return {0: "passed", 2: "interrupted", 5: "passed"}.get(self.end.status, "failed")


@frozen
class Listing:
    """The newest sessions, the newest first."""

    sessions: tuple[Summary, ...]
    #: the number of all records; damaged records are counted, but are not in `sessions`
    total: int


def listing(folders: Iterable[Path], most: int = SESSIONS) -> Listing:
    """Return the newest sessions of data directories, at most `most`; unreadable records are ignored."""
    paths = sorted(_paths(folders), key=lambda path: path.name, reverse=True)
    readable = filter(None, map(summary, paths))
    return Listing(sessions=tuple(itertools.islice(readable, most)), total=len(paths))


def find(folders: Iterable[Path], name: str) -> Path | None:
    """Return the path of the record of the session with this id; None if the record does not exist."""
    if not _ID.fullmatch(name):
        return None
    return next((path for path in _paths(folders) if path.stem == name), None)


def summary(path: Path) -> Summary | None:
    """Return the session of a record; None if the record cannot be read or is damaged."""
    try:
        descriptor = ownership.open_file(str(path), os.O_RDONLY)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        first_line = os.pread(descriptor, _EDGE, 0).partition(b"\n")[0]
        last_lines = os.pread(descriptor, _EDGE, max(status.st_size - _EDGE, 0)).rpartition(b"\n")[0]
    except OSError:
        return None
    finally:
        os.close(descriptor)
    start = _parsed(first_line)
    if not isinstance(start, SessionStart) or not 0 <= start.time < LATEST:
        return None
    records = (_parsed(line) for line in reversed(last_lines.split(b"\n")))
    last_record = next((record for record in records if isinstance(record, TestEnd | SessionEnd)), None)
    end = last_record if isinstance(last_record, SessionEnd) else None
    return Summary(
        id=path.stem,
        path=path,
        start=start,
        counts=last_record.counts if last_record else {},
        end=end,
        changed=end.time if end else status.st_mtime,
        is_running=end is None and _is_locked(path),
    )


@frozen
class Reading:
    """The tests in a record, up to the byte offset `offset`."""

    tests: tuple[TestEnd, ...] = ()
    #: test → the Unix time of its start, for the tests that have not ended
    running: Mapping[str, float] = field(default_factory=dict)
    offset: int = 0

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a record from its beginning, and return its tests."""
        return cls().continued(path)

    def continued(self, path: Path) -> Self:
        """Return a reading with the tests of this reading and of all lines that were added to the record."""
        try:
            descriptor = ownership.open_file(str(path), os.O_RDONLY)
        except OSError:
            return self
        with os.fdopen(descriptor, "rb") as file:
            file.seek(self.offset)
            new_lines = file.read(BYTES).rpartition(b"\n")
        if not new_lines[1]:
            return self
        tests, running = [*self.tests], {**self.running}
        for record in _lines(new_lines[0]):
            if isinstance(record, TestStart):
                running[record.test] = record.time
            elif isinstance(record, TestEnd):
                running.pop(record.test, None)
                tests.append(record)
        offset = self.offset + len(new_lines[0]) + 1
        return type(self)(tests=tuple(tests), running=running, offset=offset)


def _paths(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        for data in (folder, *plan_folders(folder)):
            sessions = data / FOLDER
            if disk.is_folder(str(sessions)):
                yield from (path for path in sessions.glob(f"*{SUFFIX}") if _ID.fullmatch(path.stem))


def _lines(text: bytes) -> Iterator[Message]:
    for line in text.split(b"\n"):
        if (parsed := _parsed(line)) is not None:
            yield parsed


def _parsed(text: bytes) -> Message | None:
    """Return the content of a line; None if the line is invalid or of an unknown kind."""
    try:
        data = data_of(text.decode(errors="replace"))
        return decode(_SHAPES[data["kind"]], data)
    except (ValueError, LookupError, TypeError, RecursionError, MessageError):
        return None


def _is_locked(path: Path) -> bool:
    try:
        return file_lock.is_held(str(path))
    except OSError:
        return False
