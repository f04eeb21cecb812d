"""Write the samples of a test to the failure report, one JSON object for each series."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from pytest_infra.isolation.http_request import request
from pytest_infra.isolation.unit import Unit
from pytest_infra.private_files import write


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the samples with the label `test` of the unit to a file; return a list with the file."""
    # Without this request, a query finds a sample only some seconds after the server has received it.
    request(unit, f"{unit.url}/internal/force_flush")
    query = urlencode({"match[]": unit["selector"]})
    path = folder / f"{unit.id}.jsonl"
    exported = request(unit, f"{unit.url}/api/v1/export?{query}")
    write(path, exported.decode("utf-8", "backslashreplace"))
    return [path]
