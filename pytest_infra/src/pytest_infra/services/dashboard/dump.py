"""Write the states of all services, as the dashboard shows them, to the failure report."""

from __future__ import annotations

import json
from pathlib import Path

from infra_runtime.dashboard import KEY_HEADER
from pytest_infra.isolation.http_request import request
from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the states of the services to a file; return a list with the file."""
    states = request(unit, f"{unit['api_url']}/api/v1/services", headers={KEY_HEADER: unit["key"]})
    path = folder / f"{unit.id}.json"
    write_json(path, json.loads(states))
    return [path]
