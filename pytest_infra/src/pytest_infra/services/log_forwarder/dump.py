"""Write the newest log lines in the stream to the failure report, as JSON."""

from __future__ import annotations

import contextlib
from collections import deque
from pathlib import Path

from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit

#: The maximum number of lines that are dumped.
LINES = 200


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the newest lines in the stream to a file; return a list with the file."""
    # The kit is imported without nats-py, which is an extra.
    from infra_runtime.logs.stream import Reader

    with contextlib.closing(Reader(unit["url"])) as reader:
        newest = deque(reader.merged(reader.services), LINES)
    path = folder / f"{unit.id}.json"
    write_json(path, [{"time": line.time, "service": line.service, "line": line.text} for line in newest])
    return [path]
