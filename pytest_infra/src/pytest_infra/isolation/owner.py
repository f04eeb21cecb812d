"""The owner of units: a process, by a token whose lock ends with the process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import string
from pathlib import Path

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
    """Whether a process that lives has the file locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared: whoever asks at the same moment does not take us for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)  # before we had it locked, somebody who ended has taken it away


def _remove_unless_held(path: Path) -> None:
    """It is locked meanwhile, so that whoever has only just made it sees that it goes."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
