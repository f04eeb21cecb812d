"""Write the list of the dashboards to the failure report, as JSON.

Source: Grafana documentation, "Folder/Dashboard Search HTTP API".
"""

from __future__ import annotations

import http.client
from pathlib import Path

from pytest_infra.isolation.connection import PATIENCE, CommandError
from pytest_infra.isolation.unit import Unit


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write a file with the dashboards."""
    connection = http.client.HTTPConnection(unit.host, int(unit.port), timeout=PATIENCE)
    try:
        connection.request("GET", "/api/search")
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise CommandError(f"{unit.name} answers {response.status}: {body[:200]!r}")
    path = folder / f"{unit.id}.json"
    path.write_bytes(body)
    return [path]
