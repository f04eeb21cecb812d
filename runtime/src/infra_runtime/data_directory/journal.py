"""The journal `events.jsonl`: the events of a stack, one JSON object per line, in the order of their writes.

The next supervisor of the data directory reads the journal to find processes that remain of the previous run.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from infra_runtime.host import ownership
from infra_runtime.message import MessageError
from infra_runtime.messages import Event
from infra_runtime.record import Record

#: the size in bytes above which the journal is renamed; about fifty thousand events
ROTATE_AT = 5_000_000
#: the number of bytes at the end of a journal that `recent` reads first; a run has 2,000 to 10,000 bytes
TAIL = 1 << 16
#: The texts by which lines with these events are found. Other lines cannot contain the texts, because quotes
#: in JSON strings have backslashes.
_UP, _SPAWNED, _EARLY, _DOWN = (
    f'"event":"{name}"'.encode() for name in ("up", "spawned", "early-start", "down")
)


class Journal:
    """The open journal of a stack; `write` appends events to the file and passes them to the listeners."""

    def __init__(self, path: str, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self._now = now
        self._file = ownership.open_file(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        size = os.fstat(self._file).st_size
        #: whether the last line is incomplete after a crash or on a full disk, so that the next event starts
        #: a new line
        self._cut = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        self.listeners: set[Callable[[Mapping[str, object]], None]] = set()

    def write(self, event: str, service: str = "", **details: object) -> None:
        """Append one event to the journal, and pass it to the listeners.

        The line contains `time` (Unix seconds), `event`, `service` if the event concerns a service, and the
        details, which are fields of `messages.Event`.
        """
        record: dict[str, object] = {"time": round(self._now(), 6), "event": event}
        if service:
            record["service"] = service
        record |= details
        # On a full disk, the event is lost and the supervisor continues.
        with contextlib.suppress(OSError):
            line = b"\n" * self._cut + json.dumps(record, separators=(",", ":")).encode() + b"\n"
            self._cut = os.write(self._file, line) < len(line)
        for listener in tuple(self.listeners):
            listener(record)

    def close(self) -> None:
        """Close the file of the journal; afterwards, no events can be written."""
        os.close(self._file)


def read(path: str) -> list[Event]:
    """Return all events in the journal at `path`, oldest first; an empty list if the file is missing.

    Raises `OwnershipError` for a file of another user.
    """
    try:
        descriptor = ownership.open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return []
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        return parsed(file)


def recent(path: str) -> list[Event]:
    """Return the last events of the journal at `path`, which are sufficient for `last_run` and `traces`.

    The first of these events follows the last run that ended completely and that another run followed. The
    duration of the call does not depend on the number of earlier runs. Raises `OwnershipError` for a file of
    another user.
    """
    return parsed(line.decode(errors="replace") for line in _recent_lines(path))


def recent_traces(path: str) -> Traces:
    """Return the traces of the last events of the journal at `path`; decode only the necessary lines."""
    identify = (_UP, _SPAWNED, _EARLY, _DOWN)
    lines = [line for line in _recent_lines(path) if any(text in line for text in identify)]
    return traces(parsed(line.decode(errors="replace") for line in lines))


def _recent_lines(path: str) -> list[bytes]:
    try:
        descriptor = ownership.open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return []
    with open(descriptor, "rb") as file:
        size, length = os.fstat(descriptor).st_size, TAIL
        while True:
            offset = max(size - length, 0)
            file.seek(offset)
            # The first line is omitted if the block begins in the middle of the file: it may be incomplete.
            lines = file.read(size - offset).split(b"\n")[1 if offset else 0 :]
            start = _start_of_recent(lines)
            if start or not offset:
                return lines[start:]
            length *= 4


def _start_of_recent(lines: list[bytes]) -> int:
    """Return the index of the line after the last complete `down` that an `up` follows; without it, 0."""
    is_followed = False
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number]
        if _UP in line or _SPAWNED in line or _EARLY in line:
            is_followed = _UP in line
        elif is_followed and _DOWN in line and _is_complete(line):
            return number + 1
    return 0


def _is_complete(line: bytes) -> bool:
    """Return whether a line with the event `down` is valid, and its field `left` is empty."""
    return any(not event.left for event in parsed([line.decode(errors="replace")]))


def parsed(lines: Iterable[str]) -> list[Event]:
    """Return the events in these lines of a journal.

    Invalid lines, such as an incomplete line, are ignored.
    """
    events = []
    for line in lines:
        with contextlib.suppress(ValueError, MessageError):
            events.append(Event.parse(json.loads(line)))
    return events


def last_run(events: list[Event]) -> list[Event]:
    """Return the events of the last supervisor, from its event `up`; an empty list without such an event."""
    starts = [number for number, event in enumerate(events) if event.event == "up"]
    return events[starts[-1] :] if starts else []


def starts(path: str, most: int) -> list[float]:
    """Return the Unix times of the newest starts of the stack, at most `most`, the newest first.

    The times are read from the journal at `path` and from the renamed earlier journal. Raises
    `OwnershipError` for a file of another user.
    """
    events = parsed(line for file in (_renamed(path), path) for line in _starts_in(file))
    times = [event.time for event in events if event.event == "up"]
    return times[: -most - 1 : -1]


def _starts_in(path: str) -> Iterator[str]:
    """Yield the lines of a journal with the event `up`; no lines if the file is missing."""
    try:
        descriptor = ownership.open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    with open(descriptor, "rb") as file:
        yield from (line.decode(errors="replace") for line in file if _UP in line)


class Traces(Record):
    """The data that identify remaining processes and containers of a stack's earlier runs.

    A run is the time from the start to the exit of a supervisor. The data are from all runs that have not
    ended with a complete `down`.
    """

    #: pid → start time of the first processes of services, including those that have exited
    roots: dict[int, str]
    tokens: tuple[str, ...]
    #: the folder of each run's control group, with the run's token; the group of a run whose supervisor was
    #: killed after `down` may remain
    groups: tuple[tuple[str, str], ...] = ()
    #: the folder in RAM of the last run, if a reboot has ended this run
    lost: str = ""
    #: the container engines of the runs, each with the run's token; runs before the last boot are included,
    #: because containers remain after a reboot
    engines: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.roots or self.tokens or self.engines)


def traces(events: Iterable[Event]) -> Traces:
    """Return what the runs after the last run that stopped everything can have left on the machine.

    No process outlives a boot. Therefore, for runs before the last boot, the result contains only the
    container engines that the runs used.
    """
    roots: dict[int, str] = {}
    groups: dict[str, str] = {}
    ended_groups: dict[str, str] = {}
    this_boot, is_this_boot, lost, token = boot(), False, "", ""
    engines: dict[tuple[str, str], None] = {}
    for event in events:
        if event.engine:
            engines[event.engine, token] = None
        match event.event:
            case "up":
                token = event.token
                # A pid of an earlier boot does not identify a process of this boot.
                is_this_boot = event.boot == this_boot
                ended_groups = {}  # the new supervisor has removed the group of the previous run
                lost = "" if is_this_boot else event.folder
                if is_this_boot and event.token:
                    groups[event.token] = event.cgroup
            case "spawned" | "early-start" if is_this_boot:
                roots[event.pid] = event.started
            case "down" if not event.left:
                roots.clear()
                engines.clear()
                lost = ""
                ended_groups, groups = groups, {}
    pairs = tuple((folder, token) for token, folder in (ended_groups | groups).items() if folder)
    return Traces(roots, tuple(groups), pairs, lost, tuple(engines))


def boot() -> str:
    """Return the identifier that the kernel creates at each boot; empty if the system has no such identifier.

    Source: random(4).
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def rotate(path: str) -> None:
    """Rename a journal of more than `ROTATE_AT` bytes to `events.1.jsonl`."""
    if os.path.exists(path) and os.path.getsize(path) > ROTATE_AT:
        os.replace(path, _renamed(path))


def _renamed(path: str) -> str:
    stem, suffix = os.path.splitext(path)
    return f"{stem}.1{suffix}"
