"""The snapshots of the stack, with their sizes on the disk."""

from __future__ import annotations

import functools
import os

from infra_runtime.data_directory import snapshots
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import SnapshotError
from infra_runtime.messages import DamagedSnapshot
from infra_runtime.value import frozen

#: the actions on snapshots that the page offers
ACTIONS = ("save", "restore", "remove")


@frozen
class Row:
    """A snapshot in a list."""

    name: str
    #: Unix seconds
    time: float
    #: the size on the disk in bytes; a block that snapshots share is counted for each snapshot
    size: int
    services: tuple[str, ...]


@frozen
class Listing:
    """The snapshots, newest first, and the damaged snapshots."""

    rows: tuple[Row, ...]
    damaged: tuple[DamagedSnapshot, ...]


def listing(paths: Paths) -> Listing:
    """Return the snapshots in a data directory. Raises `SnapshotError` if they cannot be listed."""
    intact, damaged = snapshots.listing(paths)
    rows = (
        Row(
            name=snapshot.name,
            time=snapshot.time,
            size=_size(paths, snapshot.name),
            services=tuple(snapshot.services),
        )
        for snapshot in reversed(intact)
    )
    return Listing(rows=tuple(rows), damaged=tuple(damaged))


def _size(paths: Paths, name: str) -> int:
    try:
        folder, snapshot = snapshots.describe(paths, name)
    except SnapshotError:  # the snapshot is being replaced or removed
        return 0
    return _size_of(str(folder), snapshot.time)


@functools.lru_cache(maxsize=256)
def _size_of(folder: str, _saved: float) -> int:
    """Return the size of a complete snapshot in bytes; it is cached, because the files do not change."""
    total = 0
    for parent, _, names in os.walk(folder):
        for file in names:
            try:
                total += os.lstat(f"{parent}/{file}").st_blocks * 512
            except OSError:
                continue
    return total
