"""Write the log records of a test to the failure report, one JSON object on each line."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from pytest_infra.isolation.http_request import request
from pytest_infra.isolation.unit import Unit
from pytest_infra.private_files import write

#: the maximum number of log records that are dumped
RECORDS = 1000


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the log records whose field `test` has the value of the unit; return a list with the file."""
    # Without this request, a query finds a record only about a second after the server has received it.
    request(unit, f"{unit.url}/internal/force_flush")
    query = urlencode({"query": f'test:="{unit["test"]}"', "limit": RECORDS})
    path = folder / f"{unit.id}.jsonl"
    write(path, request(unit, f"{unit['query_url']}?{query}").decode("utf-8", "backslashreplace"))
    return [path]
