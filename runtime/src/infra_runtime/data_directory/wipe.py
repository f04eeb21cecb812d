"""Removing what a stack has left in its data directory, and nothing else."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from infra_runtime.data_directory import lock
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import DataDirectoryError

#: seconds
PATIENCE = 5.0
#: what the plugin keeps in a data directory; its own tests hold these names against it
OF_TESTS = ("capsules", "xprocess", "pytest.json", "pytest.lock")


def remove(paths: Paths, *, patience: float = PATIENCE) -> list[str]:
    """Remove what this kit made there, and the directory when that leaves it empty. Returns the names.

    Where something of somebody else's is left, the marker stays: the directory can be used again.

    Raises:
        DataDirectoryError: the marker is missing in a directory that has something in it, a supervisor
            runs there, or the disk says no.
    """
    data = Path(paths.data)
    if not data.is_dir() or not any(data.iterdir()):
        return []
    if not Path(paths.marker).is_file():
        hint = "Remove it yourself, if it is yours to remove."
        raise DataDirectoryError(paths.data, "has no infra.json, so it is not ours to remove", hint)
    plans = [path for path in sorted(data.glob("plan-*")) if (path / "infra.json").is_file()]
    removed = [path.name for path in plans if remove(Paths(str(path)), patience=patience)]
    marks = [data / ".gitignore", Path(paths.marker)]
    try:
        descriptor = _take(paths, patience)
        try:
            removed += _clear(_ours(paths))
            # The lock goes last, while it is held; a supervisor that waits for it makes the directory anew.
            if {*data.iterdir()} <= {*marks, Path(paths.lock)}:
                removed += _clear(marks)
            Path(paths.lock).unlink()
            if not any(data.iterdir()):
                data.rmdir()
        finally:
            os.close(descriptor)
    except BlockingIOError:
        hint = f"`infra runtime down --data {paths.data}` first."
        raise DataDirectoryError(paths.data, "a supervisor runs there", hint) from None
    except OSError as error:
        raise DataDirectoryError(error.filename or paths.data, error.strerror or str(error)) from error
    return removed


def _clear(paths: list[Path]) -> list[str]:
    """Remove those that are there, and return their names."""
    there = [path for path in paths if path.exists() or path.is_symlink()]
    for path in there:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return [path.name for path in there]


def _take(paths: Paths, patience: float) -> int:
    """A guardian holds the lock for a few milliseconds longer than its supervisor could be spoken to."""
    deadline = time.monotonic() + patience
    while (descriptor := lock.take(paths)) is None:
        if time.monotonic() > deadline:
            raise BlockingIOError
        time.sleep(0.005)
    return descriptor


def _ours(paths: Paths) -> list[Path]:
    journal, data = Path(paths.journal), Path(paths.data)
    rotated = journal.with_name(f"{journal.stem}.1{journal.suffix}")
    folders = [Path(paths.services), data / "snapshots", Path(paths.logs)]
    return [*folders, *(data / name for name in OF_TESTS), journal, rotated]
