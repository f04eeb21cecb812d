"""Write the list of the folders and dashboards to the failure report, as JSON.

Source: Grafana documentation, "Folder/Dashboard Search HTTP API".
"""

from __future__ import annotations

import json
from pathlib import Path

from pytest_infra.isolation.http_request import request
from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the list of the folders and dashboards to a file; return a list with the file."""
    path = folder / f"{unit.id}.json"
    write_json(path, json.loads(request(unit, f"{unit.url}/api/search")))
    return [path]
