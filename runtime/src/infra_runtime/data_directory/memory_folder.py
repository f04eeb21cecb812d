"""The folder in RAM with the data of a test stack's services: `/dev/shm/infra-STACK-RANDOM`, mode 0700.

The name of the folder is written to the marker of the data directory before the folder is created. Therefore,
the next start, `infra runtime down` and a wipe find the folder even if the supervisor was killed. The
supervisor and its guardian hold the lock of a file in the folder, so that a process in another container, for
which this data directory does not exist, does not remove the folder while it is in use.
"""

from __future__ import annotations

import contextlib
import json
import os
import re

from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import disk, file_lock, memory, ownership

#: the key in the marker whose value is the name of the folder
KEY = "memory_folder"
#: the name of the lock file in the folder; the file contains the path of the data directory
OWNER = "data-directory"
#: the name of the subfolder that contains a folder for each service
SERVICES = "services"
_NAME = r"infra-[0-9a-f]{12}-[0-9a-f]{16}"


def create(paths: Paths) -> tuple[str, int]:
    """Create the folder of a stack; return its path and the descriptor that holds the folder's lock.

    The caller holds the lock of the data directory, and has removed the folder of the previous run. Raises
    `OSError` if the folder cannot be created.
    """
    folder = recorded(paths)
    # A copy of the data directory in another container uses the name.
    if not folder or os.path.lexists(folder):
        folder = new_path(paths)
        _record(paths, os.path.basename(folder))
    return folder, make(paths, folder)


def new_path(paths: Paths) -> str:
    """Return a path for a new folder of a stack."""
    return f"{memory.TMPFS}/infra-{paths.stack}-{os.urandom(8).hex()}"


def make(paths: Paths, folder: str) -> int:
    """Create a folder and return the descriptor that holds its lock. Raises `OSError` if this fails."""
    ownership.check_parents(folder)
    os.mkdir(folder, 0o700)
    descriptor = file_lock.acquire(f"{folder}/{OWNER}")
    assert descriptor is not None  # noqa: S101 - no other process has the new file
    os.write(descriptor, os.fsencode(paths.data))
    return descriptor


def recorded(paths: Paths) -> str:
    """Return the path of the folder in RAM whose name is in the marker, even if this folder does not exist.

    The result is empty if the marker contains no such name, or if the name is that of another stack's folder,
    because the data directory was copied.
    """
    name = _marker(paths).get(KEY)
    if not isinstance(name, str) or not re.fullmatch(_NAME, name) or name.split("-")[1] != paths.stack:
        return ""
    return f"{memory.TMPFS}/{name}"


def existing(paths: Paths) -> str:
    """Return the recorded folder if it exists and belongs to a trusted user; otherwise an empty text."""
    folder = recorded(paths)
    return folder if folder and is_own(folder, paths) else ""


def remove(paths: Paths) -> str:
    """Remove the recorded folder and return its path; an empty text if it is missing, foreign or in use.

    The caller holds the lock of the data directory. Raises `OSError` if the folder cannot be removed.
    """
    folder = existing(paths)
    if not folder or file_lock.is_held(f"{folder}/{OWNER}"):
        return ""
    disk.remove(folder)
    return folder


def abandoned() -> list[str]:
    """Return this user's unused folders in RAM to which no data directory refers."""
    folders = []
    with contextlib.suppress(OSError):
        for name in os.listdir(memory.TMPFS):
            folder = f"{memory.TMPFS}/{name}"
            if re.fullmatch(_NAME, name) and _is_abandoned(folder):
                folders.append(folder)
    return folders


def _is_abandoned(folder: str) -> bool:
    owner = f"{folder}/{OWNER}"
    try:
        if not disk.is_folder(folder) or os.lstat(folder).st_uid != os.geteuid():
            return False
        with open(ownership.open_file(owner, os.O_RDONLY), "rb") as file:
            data = os.fsdecode(file.read())
        # The path is written to the file after the file was locked.
        return bool(data) and recorded(Paths(data)) != folder and not file_lock.is_held(owner)
    except (OSError, ValueError):
        return False


def is_own(folder: str, paths: Paths) -> bool:
    """Return whether a folder exists, is not a link, and belongs to a trusted user of the data directory."""
    try:
        return disk.is_folder(folder) and os.lstat(folder).st_uid in ownership.trusted_uids(paths.data)
    except OSError:
        return False


def _marker(paths: Paths) -> dict[str, object]:
    try:
        with open(ownership.open_file(paths.marker, os.O_RDONLY), encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _record(paths: Paths, name: str) -> None:
    """Write the name of the folder to the marker. Raises `OSError` if the marker is missing or invalid."""
    content = _marker(paths)
    if not content:
        raise FileNotFoundError(2, os.strerror(2), paths.marker)
    disk.write(paths.marker, json.dumps({**content, KEY: name}), durable=False)
