"""Write the trace of a test to the failure report, as the server returns it; long strings are cut."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from infra_runtime.errors import InfraError
from pytest_infra.isolation.http_request import send
from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit

#: the time limit for one request, in seconds
_STEP = 30.0


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the spans of the test's trace to a file; return a list with the file."""
    trace = unit["trace_id"]
    status, _, body = send(f"{unit.url}/api/traces/{trace}", seconds=_STEP)
    if status not in {http.client.OK, http.client.NOT_FOUND}:
        raise InfraError(f"{unit.name} answers the query with HTTP status {status}")
    spans: list[Any] = json.loads(body)["data"] or [] if status == http.client.OK else []
    path = folder / f"{unit.id}.json"
    write_json(path, {"trace": trace, "found": spans})
    return [path]
