"""Find isolation units that a run has left in a stack that keeps running."""

from __future__ import annotations

import contextlib
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from infra_runtime.engines.local.engine import attach
from infra_runtime.errors import ConfigurationError
from pytest_infra.instances import Instances
from pytest_infra.isolation.owner import FOLDER, held
from pytest_infra.isolation.slots import USED
from pytest_infra.kit import ServiceKit, load


def leftover(
    data: Path, owners: Collection[str], kept: Collection[str], since: float, instances: Instances
) -> list[str]:
    """Return the names of isolation units that no process uses and that were neither removed nor kept.

    `owners` contains the known tokens of the run's processes, and `kept` the names of the units that the run
    keeps. `since` is the start of the run, in seconds since the epoch; older files belong to another run.
    """
    folder = data / FOLDER
    killed = {path.name for path in _since(folder, since) if not held(path)}
    ended = {owner for owner in {*owners, *killed} if not held(folder / owner)}
    slots = [
        path.name for path in _since(folder / "slots", since) if path.read_bytes() == USED and not held(path)
    ]
    units = _in_servers(data, ended, instances) if ended else []
    return sorted(slots) + [unit for unit in units if unit not in kept]


def _since(folder: Path, since: float) -> Iterator[Path]:
    """Yield the files in a folder that have changed since a time, in seconds since the epoch."""
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # another session can remove its files at the same time
            status = path.stat()
            if stat.S_ISREG(status.st_mode) and status.st_mtime >= since:
                yield path


def _in_servers(data: Path, owners: Collection[str], instances: Instances) -> list[str]:
    """Return the units that these owners (processes) have left in the running services.

    Only services whose kit can list units are examined.
    """
    stack = attach(data, lease=False)
    try:
        endpoints = stack.endpoints()
    finally:
        stack.close()
    names: list[str] = []
    for service, endpoint in endpoints.items():
        kit = instances[service].kit
        if not kit.leftover:
            continue
        # Without the client library, no test can have created a unit.
        with contextlib.suppress(ConfigurationError):
            names += [name for name in load(kit.leftover)(endpoint) if owner_of(name, kit) in owners]
    return sorted(names)


def owner_of(unit: str, kit: ServiceKit) -> str | None:
    """Return the token in a unit's name; the token identifies the process that created the unit."""
    match = re.fullmatch(kit.unit_name, unit)
    return match["owner"] if match else None
