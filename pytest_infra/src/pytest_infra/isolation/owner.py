"""The owner of an isolation unit: the process that created the unit. A token identifies the process.

A file whose name is the token is locked until the process exits.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import string
from pathlib import Path

from infra_runtime.host import file_lock

LETTERS = string.ascii_lowercase + string.digits
#: The folder of the locked files, beside the data folders of the services. `infra runtime down --wipe`
#: removes this folder, too.
FOLDER = "services/.units"


class Owner:
    """This process as owner of isolation units: its token, and a locked file in the data directory.

    The names of the units of this process contain the token. Other processes check whether the file is
    locked. If the file is not locked, the owner has exited, and other processes may remove its units.
    """

    def __init__(self, data: Path, worker: str) -> None:
        self._folder = data / FOLDER
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.token = "".join(secrets.choice(LETTERS) for _ in range(6)) + worker
        self._path = self._folder / self.token
        self._descriptor = file_lock.acquire_current(str(self._path))
        self._count = 0

    def name(self) -> str:
        """Return a new unique name for an isolation unit of this process."""
        self._count += 1
        return f"{self.token}_{self._count}"

    def alive(self, token: str) -> bool:
        """Return whether the process with this token is running."""
        return token == self.token or held(self._folder / token)

    def abandon(self) -> None:
        """Close the locked file in a forked child process; the parent process still holds the lock."""
        os.close(self._descriptor)

    def close(self) -> None:
        """Release the lock of this process and remove its file, and the files of killed processes."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        # The guardian of a stopped stack can remove the folder at the same time.
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if path.is_file():
                    _remove_unless_held(path)


def held(path: Path) -> bool:
    """Return whether a running process holds the lock on the file."""
    return file_lock.is_held(str(path))


def _remove_unless_held(path: Path) -> None:
    """Remove the file of an owner, unless a running process holds the lock of the file.

    If another process has created the file but not locked it yet, that process detects the removal.
    """
    with contextlib.suppress(FileNotFoundError):
        descriptor = file_lock.acquire(str(path), create=False)
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)
