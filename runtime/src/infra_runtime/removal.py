"""Removing what a stack has left in its data directory, and nothing else."""

from __future__ import annotations

import fcntl
import shutil
import time
from pathlib import Path

from infra_runtime.errors import DataDirectoryError
from infra_runtime.supervisor.places import Places

#: seconds
PATIENCE = 5.0


def remove(places: Places) -> list[str]:
    """Remove what this kit made there, and the directory when that leaves it empty. Returns the names.

    Raises:
        DataDirectoryError: the marker is missing in a directory that has something in it, a supervisor
            runs there, or the disk says no.
    """
    data = Path(places.data)
    if not data.is_dir() or not any(data.iterdir()):
        return []
    if not Path(places.marker).is_file():
        hint = "Remove it yourself, if it is yours to remove."
        raise DataDirectoryError(places.data, "has no infra.json, so it is not ours to remove", hint)
    ours = _ours(places)
    removed = [path.name for path in ours if path.exists()]
    try:
        with Path(places.lock).open("ab") as lock:
            _take(lock.fileno())
            for path in ours:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            # The lock goes last, while it is held; a supervisor that waits for it makes the directory anew.
            if not any(data.iterdir()):
                data.rmdir()
    except BlockingIOError:
        raise DataDirectoryError(
            places.data, "a supervisor runs there", "`infra runtime down` first."
        ) from None
    except OSError as error:
        raise DataDirectoryError(error.filename or places.data, error.strerror or str(error)) from error
    return removed


def _take(lock: int) -> None:
    """A guardian holds the lock for a few milliseconds longer than its supervisor could be spoken to."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def _ours(places: Places) -> list[Path]:
    journal, data = Path(places.journal), Path(places.data)
    rotated = journal.with_name(f"{journal.stem}.1{journal.suffix}")
    folders = [Path(places.services), data / "snapshots", Path(places.logs)]
    return [*folders, journal, rotated, data / ".gitignore", Path(places.marker), Path(places.lock)]
