"""Write the trace of a test to the failure report, as JSON."""

from __future__ import annotations

from pathlib import Path

from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.telemetry.query import ask

#: The maximum number of spans, and of log records, that are dumped.
ROWS = 1000
#: seconds to wait for the first record, which services send at the end of their intervals
WAIT = 0.3


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the spans and log records of the test's trace to a file; return a list with the file."""
    trace = unit["trace_id"]
    parts = {name: ask(unit, name, WAIT, trace=trace, limit=ROWS)["items"] for name in ("logs", "spans")}
    path = folder / f"{unit.id}.json"
    write_json(path, {"trace": trace, **parts})
    return [path]
