"""All selected lines of the logs as a file: text, or one JSON object for each line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra_runtime.dashboard.log_query import Query
from infra_runtime.dashboard.parameters import iso
from infra_runtime.logs.files import merged, services_with_logs
from infra_runtime.logs.linear_pattern import PatternError
from infra_runtime.logs.selection import Entry

#: bytes of a part of the file
PART = 64 * 1024


def parts(folder: Path, query: Query, form: str) -> Iterator[bytes]:
    """Yield the parts of a file in a format of `FORMATS`: the lines up to now, the oldest first.

    A regular expression that needs too many states ends the file with a line about it.
    """
    selection = query.selection()
    sizes = {name: _size(folder, name) for name in query.selected(services_with_logs(folder))}
    _, line_of = FORMATS[form]
    part = bytearray()
    try:
        lines = merged(folder, sizes, selection.since)
        until = itertools.takewhile(lambda line: line.time <= selection.until, lines)
        for entry in selection.entries(until):
            part += line_of(entry).encode(errors="replace") + b"\n"
            if len(part) >= PART:
                yield bytes(part)
                part.clear()
    except PatternError as error:
        part += f"the regular expression cannot be used: {error}\n".encode()
    yield bytes(part)


def _size(folder: Path, name: str) -> int:
    try:
        return (folder / f"{name}.log").stat().st_size
    except OSError:
        return 0


def _text(entry: Entry) -> str:
    line, record = entry
    # The message of a line that is only a text has no escape sequences of terminals.
    text = record.message if record.format == "text" else line.text
    return f"{iso(line.time)} {line.service} {text}"


def _json(entry: Entry) -> str:
    line, record = entry
    content: dict[str, Any] = {
        "time": line.time,
        "service": line.service,
        "level": record.level,
        "ids": record.ids,
        "text": line.text,
        "fields": record.fields,
    }
    return json.dumps(content, default=str)


#: ending of the file → its media type, and the function that returns a line
FORMATS: Mapping[str, tuple[str, Callable[[Entry], str]]] = {
    "txt": ("text/plain", _text),
    "jsonl": ("application/jsonl", _json),
}
