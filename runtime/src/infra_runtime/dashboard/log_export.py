"""Export of the selected log lines as a file: text, or one JSON object for each line."""

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

#: the smallest size in bytes of the chunks of a file, except the last chunk
PART = 64 * 1024


def parts(folder: Path, query: Query, extension: str) -> Iterator[bytes]:
    """Yield the chunks of a file with the selected lines, oldest first; `extension` is a key of `FORMATS`.

    If the regular expression of the query needs too many states, the last line of the file contains this
    error.
    """
    selection = query.selection()
    sizes = {name: _size(folder, name) for name in query.selected(services_with_logs(folder))}
    _, line_of = FORMATS[extension]
    chunk = bytearray()
    try:
        lines = merged(folder, sizes, selection.since)
        selected_lines = itertools.takewhile(lambda line: line.time <= selection.until, lines)
        for entry in selection.entries(selected_lines):
            chunk += line_of(entry).encode(errors="replace") + b"\n"
            if len(chunk) >= PART:
                yield bytes(chunk)
                chunk.clear()
    except PatternError as error:
        chunk += f"the regular expression cannot be used: {error}\n".encode()
    yield bytes(chunk)


def _size(folder: Path, name: str) -> int:
    try:
        return (folder / f"{name}.log").stat().st_size
    except OSError:
        return 0


def _text(entry: Entry) -> str:
    line, record = entry
    # `record.message` has no escape sequences of terminals.
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


#: file name extension → the media type, and the function that converts a log entry to a line of the file
FORMATS: Mapping[str, tuple[str, Callable[[Entry], str]]] = {
    "txt": ("text/plain", _text),
    "jsonl": ("application/jsonl", _json),
}
