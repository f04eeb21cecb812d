"""Write the routes of a test's host name in Caddy to the failure report, as JSON."""

from __future__ import annotations

from pathlib import Path

from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.caddy.isolation import CaddyHost


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the routes of a unit (a host name in Caddy) to a file, and return a list with the file."""
    path = folder / f"{unit.id}.json"
    write_json(path, unit.routes() if isinstance(unit, CaddyHost) else [])
    return [path]
