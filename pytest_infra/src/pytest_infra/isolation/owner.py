"""The owner of units: a process, by a token whose lock ends with the process, however it ends."""

from __future__ import annotations

import contextlib
import os
import secrets
import string
from pathlib import Path

from infra_runtime.host import file_lock

LETTERS = string.ascii_lowercase + string.digits
#: beside what the services keep, and gone with it
FOLDER = "services/.units"


class Owner:
    """A token of this process, held as a locked file in the data directory.

    Others look at the lock to learn whether what bears the token is left over and theirs to remove.
    """

    def __init__(self, data: Path, worker: str) -> None:
        self._folder = data / FOLDER
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.token = "".join(secrets.choice(LETTERS) for _ in range(6)) + worker
        self._path = self._folder / self.token
        self._descriptor = _locked(self._path)
        self._count = 0

    def name(self) -> str:
        """A name that no other unit has."""
        self._count += 1
        return f"{self.token}_{self._count}"

    def alive(self, token: str) -> bool:
        """Whether the process with that token lives."""
        return token == self.token or held(self._folder / token)

    def close(self) -> None:
        """From now on what bears the token is left over. So are the files of those that were killed."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        # A guardian that ends a session removes the data meanwhile.
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if path.is_file():
                    _remove_unless_held(path)


def held(path: Path) -> bool:
    """Return whether a running process has the file locked."""
    return file_lock.is_held(str(path))


def _locked(path: Path) -> int:
    while True:
        descriptor = file_lock.acquire(str(path), wait=True)
        assert descriptor is not None  # noqa: S101 - it has waited
        if file_lock.is_current(descriptor, str(path)):
            return descriptor
        os.close(descriptor)  # another process, which has ended, removed the file before it was locked


def _remove_unless_held(path: Path) -> None:
    """Remove the file while it is locked, so that a process that has just created it notices."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = file_lock.acquire(str(path), create=False)
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)
