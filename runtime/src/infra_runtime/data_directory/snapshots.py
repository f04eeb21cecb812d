"""The snapshots in a data directory: their folders and descriptions. Needs no running stack."""

from __future__ import annotations

import json
import os
import re

from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import SnapshotError
from infra_runtime.message import MessageError, decode
from infra_runtime.messages import Snapshot

#: the file in a snapshot's folder that describes it
DESCRIPTION = "snapshot.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def folder_of(paths: Paths, name: str) -> str:
    """Return the folder of a snapshot. Raises `SnapshotError` for an invalid name."""
    if not _NAME.fullmatch(name):
        reason = (
            "a name has at most 64 characters: letters, digits, dots, dashes and underscores; the first is"
        )
        raise SnapshotError(name, f"{reason} a letter or a digit")
    return f"{paths.data}/snapshots/{name}"


def describe(folder: str) -> Snapshot:
    """Return the description of a snapshot. Raises `SnapshotError` when there is none."""
    name = os.path.basename(folder)
    try:
        with open(f"{folder}/{DESCRIPTION}", encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError) as error:
        raise SnapshotError(name, "it does not exist") from error
    try:
        return decode(Snapshot, data)
    except MessageError as error:
        raise SnapshotError(name, f"{DESCRIPTION} has invalid content: {error}") from error


def known(paths: Paths) -> list[Snapshot]:
    """Return the descriptions of all snapshots, oldest first."""
    root = f"{paths.data}/snapshots"
    names = os.listdir(root) if os.path.isdir(root) else []
    snapshots = [
        describe(f"{root}/{name}") for name in names if os.path.exists(f"{root}/{name}/{DESCRIPTION}")
    ]
    return sorted(snapshots, key=lambda snapshot: snapshot.time)


def remove(paths: Paths, name: str) -> Snapshot:
    """Remove a snapshot, and return its description. Raises `SnapshotError` when there is none."""
    import shutil

    folder = folder_of(paths, name)
    snapshot = describe(folder)
    shutil.rmtree(folder)
    return snapshot
