"""Restore a snapshot: exchange the folders of all services or of none, also if the process is killed.

`.restored.new` in the folder of the services contains the copies of the snapshot, and `.restored.old`
contains the previous folders of the services. A restore is complete when `.restored.old` is renamed to
`.restored.removed`. As long as `.restored.old` exists, the restore is not complete, and `undo` moves the
folders in `.restored.old` back.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence

from infra_runtime.data_directory import snapshots
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import disk

#: the name of the folder, in the data directory and in the folder of the services
_LEFTOVER = r"\.restored\.(new|removed)|\.(services|snapshots|logs|[0-9a-f]{16})\.removed"


def staging(paths: Paths) -> str:
    """Return the folder for the copies of a snapshot's files; `host.file_copy.stage` appends `.new`."""
    return f"{paths.services}/.restored"


def exchange(paths: Paths, staged: str, services: Sequence[str], *, durable: bool) -> None:
    """Replace the folders of the services by their copies in `staged`, and keep the old folders.

    No process may write to the folders during the exchange. Raises `OSError` if a folder cannot be renamed,
    such as a mount point; all services have their old folders afterwards. Raises `DataDirectoryError` if the
    old folders could not be moved back.
    """
    old = _old(paths)
    os.mkdir(old, 0o700)
    try:
        if durable:
            disk.sync_folder(paths.services)
        for service in services:
            data = paths.service_data(service)
            if not os.path.lexists(data):
                os.mkdir(data, 0o700)  # a service that was never started gets an empty folder back
            os.rename(data, f"{old}/{service}")
            os.rename(f"{staged}/{service}", data)
        if durable:
            for folder in (staged, old, paths.services):
                disk.sync_folder(folder)
        os.rename(old, f"{staging(paths)}.removed")
    except OSError:
        undo(paths)
        raise
    if durable:
        with contextlib.suppress(OSError):  # without the sync, a power failure leaves the old or new folders
            disk.sync_folder(paths.services)


def undo(paths: Paths) -> bool:
    """Undo a restore that was not completed: move the previous folders of the services back.

    Return whether an incomplete restore was undone. Raises `DataDirectoryError` if a folder cannot be moved.
    """
    old = _old(paths)
    if not disk.is_folder(paths.services) or not disk.is_folder(old):
        return False
    try:
        for service in sorted(os.listdir(old)):
            data = paths.service_data(service)
            if os.path.lexists(data):
                os.makedirs(f"{staging(paths)}.new", mode=0o700, exist_ok=True)
                os.rename(data, f"{staging(paths)}.new/{service}-{os.urandom(4).hex()}")
            os.rename(f"{old}/{service}", data)
        os.rmdir(old)
    except OSError as error:
        reason = f"a restore was interrupted and cannot be undone: {error.strerror}"
        hint = f"The services' folders from before the restore are in {old}; move them to {paths.services}."
        raise DataDirectoryError(error.filename or old, reason, hint) from error
    return True


def recover(paths: Paths) -> tuple[bool, list[str]]:
    """Undo an interrupted restore, and rename the remains of interrupted saves, restores and removals.

    The supervisor calls this function when no service runs, and before each save or restore. Return whether a
    restore was undone, and the paths of the remains. The caller removes them, which may take seconds.

    Raises `DataDirectoryError` if the restore cannot be undone.
    """
    return undo(paths), disk.set_aside(_leftovers(paths))


def _leftovers(paths: Paths) -> list[str]:
    leftovers = snapshots.leftovers(paths)
    for folder in (paths.data, paths.services):
        if disk.is_folder(folder):
            hidden = [name for name in os.listdir(folder) if name.startswith(".")]
            leftovers += [f"{folder}/{name}" for name in hidden if re.fullmatch(_LEFTOVER, name)]
    return leftovers


def _old(paths: Paths) -> str:
    return f"{staging(paths)}.old"
