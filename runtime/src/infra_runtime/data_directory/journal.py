"""`events.jsonl`: what happened to the stack, one JSON object a line, written as it happens.

The next supervisor of the directory reads from it which processes this one may have left.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping

from infra_runtime.message import MessageError
from infra_runtime.messages import Event

ROTATE_AT = 5_000_000  # bytes; about fifty thousand events


class Journal:
    """Appends events to the file, and calls the listeners with each."""

    def __init__(self, path: str, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self._now = now
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._file).st_size
        #: the last line was cut, by a crash or a full disk: the next one must not go on where it ends
        self._cut = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        self.listeners: set[Callable[[Mapping[str, object]], None]] = set()

    def write(self, event: str, service: str = "", **details: object) -> None:
        """Write one event: `time` (Unix seconds), `event`, `service` when it concerns one, and details.

        The details are fields of `messages.Event`.
        """
        record: dict[str, object] = {"time": round(self._now(), 6), "event": event}
        if service:
            record["service"] = service
        record |= details
        # A full disk must not keep the supervisor from its work: the event is lost, the stack is not.
        with contextlib.suppress(OSError):
            line = b"\n" * self._cut + json.dumps(record, separators=(",", ":")).encode() + b"\n"
            self._cut = os.write(self._file, line) < len(line)
        for listener in tuple(self.listeners):
            listener(record)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: str) -> list[Event]:
    """Return all events of a journal, oldest first."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parsed(file)
    except FileNotFoundError:
        return []


def parsed(lines: Iterable[str]) -> list[Event]:
    """Return the events in these lines; lines that a crash or a full disk has cut are left out."""
    events = []
    for line in lines:
        with contextlib.suppress(ValueError, MessageError):
            events.append(Event.parse(json.loads(line)))
    return events


def last_run(events: list[Event]) -> list[Event]:
    """Return the events since the last supervisor started."""
    starts = [number for number, event in enumerate(events) if event.event == "up"]
    return events[starts[-1] :] if starts else []


def left_alive(events: Iterable[Event]) -> dict[int, str]:
    """Return pid → start time of the processes that were started and not recorded as ended."""
    found: dict[int, str] = {}
    here, known = boot(), False
    for event in events:
        match event.event:
            case "up":
                # Pids from before the machine's last start identify no process now.
                known = event.boot == here
            case "spawned" if known:
                found[event.pid] = event.started
            case "exited":
                found.pop(event.pid, None)
            case "down":
                found.clear()
    return found


def boot() -> str:
    """What names this boot of the machine; empty where the kernel doesn't tell. Source: random(4)."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def rotate(path: str) -> None:
    """Put a journal that has grown large aside, as `events.1.jsonl`."""
    if os.path.exists(path) and os.path.getsize(path) > ROTATE_AT:
        stem, suffix = os.path.splitext(path)
        os.replace(path, f"{stem}.1{suffix}")
