"""What of a run's units is left in a stack that goes on, as others see it: from its files and its servers."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from infra_runtime.engines.local.stack import Endpoint, attach
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.owner import FOLDER, held
from pytest_infra.isolation.slots import USED


def leftover(data: Path, owners: Collection[str], since: float) -> list[str]:
    """The names of the units that nobody has, and that are neither removed nor kept.

    `owners`: the run's processes, as far as they have told of themselves. `since`: when it began, in seconds
    since the epoch; what is older is another's.
    """
    folder = data / FOLDER
    killed = {path.name for path in _since(folder, since) if not held(path)}
    ended = {owner for owner in {*owners, *killed} if not held(folder / owner)}
    seats = [
        path.name for path in _since(folder / "seats", since) if path.read_bytes() == USED and not held(path)
    ]
    return sorted(seats) + (_databases(data, ended) if ended else [])


def _since(folder: Path, since: float) -> Iterator[Path]:
    """The files there, of which another session may remove its own meanwhile."""
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode) and status.st_mtime >= since:
                yield path


def _databases(data: Path, owners: Collection[str]) -> list[str]:
    from pytest_infra.services.postgres import isolation

    stack = attach(data, lease=False)
    try:
        server: Endpoint | None = stack.endpoints().get("postgres")
        names = isolation.unkept(server) if server is not None else []
    except ConfigurationError:  # without a driver nobody has made one
        return []
    finally:
        stack.close()
    return sorted(name for name in names if isolation.owner_of(name) in owners)
