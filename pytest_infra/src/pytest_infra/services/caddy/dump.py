"""Dump the routes of a host as JSON."""

from __future__ import annotations

from pathlib import Path

from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.caddy.isolation import CaddyHost


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the routes of a host to a file, and return the file."""
    path = folder / f"{unit.id}.json"
    write_json(path, unit.routes() if isinstance(unit, CaddyHost) else [])
    return [path]
