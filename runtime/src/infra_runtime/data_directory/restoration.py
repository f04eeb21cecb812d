"""Restore a snapshot: exchange the folders of all its services, or of none if the process is killed.

In the folder of the services, `.restored.new` contains the copies of the snapshot's folders, and
`.restored.old` the previous folders of the services. A restore is complete when `.restored.old` is renamed to
`.restored.removed`. While `.restored.old` exists, the restore is incomplete, and `undo` moves the previous
folders back, after a kill when the next supervisor starts.
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

#: the pattern of the names of folders that remain of interrupted operations, in the data directory and in the
#: folder of the services
_LEFTOVER = r"\.restored\.(new|removed)|\.(services|snapshots|logs|[0-9a-f]{16})\.removed"


def staging(paths: Paths) -> str:
    """Return the folder for the copies of a snapshot's files; `host.file_copy.stage` appends `.new`."""
    return f"{paths.services}/.restored"


def exchange(paths: Paths, staged: str, services: Sequence[str], *, durable: bool) -> None:
    """Replace the folders of the services by their copies in `staged`; the previous folders are not removed.

    No process may write to the folders during the exchange. Raises `OSError` if a folder, such as a mount
    point, cannot be renamed; all services then have their previous folders. Raises `DataDirectoryError` if
    the previous folders could not be moved back.
    """
    previous = _old(paths)
    os.mkdir(previous, 0o700)
    try:
        if durable:
            disk.sync_folder(paths.services)
        for service in services:
            data = paths.service_data(service)
            if not os.path.lexists(data):
                os.mkdir(data, 0o700)  # the service was never started: its previous folder is empty
            os.rename(data, f"{previous}/{service}")
            os.rename(f"{staged}/{service}", data)
        if durable:
            for folder in (staged, previous, paths.services):
                disk.sync_folder(folder)
        os.rename(previous, f"{staging(paths)}.removed")
    except OSError:
        undo(paths)
        raise
    if durable:
        with contextlib.suppress(OSError):  # after a power failure without the sync, either folders are valid
            disk.sync_folder(paths.services)


def undo(paths: Paths) -> bool:
    """Undo an incomplete restore: move the previous folders of the services back.

    Return whether an incomplete restore was undone. Raises `DataDirectoryError` if a folder cannot be moved.
    """
    previous = _old(paths)
    if not disk.is_folder(paths.services) or not disk.is_folder(previous):
        return False
    try:
        for service in sorted(os.listdir(previous)):
            data = paths.service_data(service)
            if os.path.lexists(data):
                os.makedirs(f"{staging(paths)}.new", mode=0o700, exist_ok=True)
                os.rename(data, f"{staging(paths)}.new/{service}-{os.urandom(4).hex()}")
            os.rename(f"{previous}/{service}", data)
        os.rmdir(previous)
    except OSError as error:
        reason = f"a restore was interrupted and cannot be undone: {error.strerror}"
        hint = (
            f"The services' folders from before the restore are in {previous}; move them to {paths.services}."
        )
        raise DataDirectoryError(error.filename or previous, reason, hint) from error
    return True


def recover(paths: Paths) -> tuple[bool, list[str]]:
    """Undo an interrupted restore, and rename the remaining folders of interrupted operations.

    The supervisor calls this function before it starts services, and before and after each save or restore.
    Return whether a restore was undone, and the new paths of the remaining folders. The caller removes these
    folders, which may take seconds.

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
