"""Remove the files of a stack from its data directory, and no other files."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from infra_runtime.data_directory import lock, memory_folder, remains
from infra_runtime.data_directory.paths import Paths, plan_folders
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import disk
from infra_runtime.host.ownership import OwnershipError

#: seconds to wait for the lock of the data directory
PATIENCE = 5.0
#: the names of the pytest plugin's files in a data directory; tests check that a wipe leaves no such file
PLUGIN_FILES = ("capsules", "sessions", "xprocess", "pytest.json", "pytest.lock", "exclusive")


def remove(paths: Paths, *, patience: float = PATIENCE) -> list[str]:
    """Remove the files of a stack, and then the data directory if it is empty; return the names of the files.

    A directory that is already empty is not removed. If files of other programs remain, the marker remains,
    too, so that the directory can be used again. `patience` is the time in seconds to wait for the lock of
    the data directory, and of the directory of each separate test stack.

    Raises:
        DataDirectoryError: the directory contains files but no marker, a supervisor is running for the
            directory, or a file cannot be removed.
    """
    data = Path(paths.data)
    if not data.is_dir() or not any(data.iterdir()):
        return []
    # A directory without a marker is accepted if it contains only files that remain of a killed process: the
    # lock file of a wipe, or the temporary file from which a start creates the marker.
    if not Path(paths.marker).is_file() and not {*data.iterdir()} <= {Path(paths.lock), *_temporary(paths)}:
        hint = "If you no longer need the directory, remove it with `rm -r`."
        reason = "the folder is not removed: it has no file infra.json, so it is not a data directory"
        raise DataDirectoryError(paths.data, reason, hint)
    removed = [path.name for path in plan_folders(data) if _remove_plan(path, patience)]
    marker_files = [data / ".gitignore", Path(paths.marker)]
    try:
        descriptor = _take(paths, patience)
        try:
            # The journal is the only record of the processes. If it is a symbolic link, the link is removed,
            # but not read.
            with contextlib.suppress(OwnershipError, DataDirectoryError):
                remains.end_locked(paths)
            memory_folder.remove(paths)
            removed += _clear(_kit_files(paths))
            # The lock file is removed last, while it is locked; a supervisor that waits for the lock creates
            # the directory again.
            if {*data.iterdir()} <= {*marker_files, Path(paths.lock)}:
                removed += _clear(marker_files)
            Path(paths.lock).unlink()
            if not any(data.iterdir()):
                data.rmdir()
        finally:
            os.close(descriptor)
    except BlockingIOError:
        hint = f"Run `infra runtime down --data {paths.data}` first."
        raise DataDirectoryError(paths.data, "a supervisor is running in this data directory", hint) from None
    except OSError as error:
        raise DataDirectoryError(error.filename or paths.data, error.strerror or str(error)) from error
    return removed


def _clear(paths: list[Path]) -> list[str]:
    """Remove those of these files and folders that exist; return their names. Links are not followed."""
    existing = [path for path in paths if path.exists() or path.is_symlink()]
    for path in existing:
        disk.discard(str(path))
    return [path.name for path in existing]


def _remove_plan(data: Path, patience: float) -> bool:
    """Remove the data directory of a separate test stack, which is in the data directory of the main stack.

    Return whether files were removed. If the start of the stack was killed, the folder may be empty, or
    contain an incomplete marker.
    """
    paths = Paths(str(data))
    if disk.is_file(paths.marker) or {*data.iterdir()} <= {Path(paths.lock), *_temporary(paths)}:
        removed = remove(paths, patience=patience)
        if data.is_dir() and not any(data.iterdir()):
            data.rmdir()
        return bool(removed)
    return False


def _temporary(paths: Paths) -> list[Path]:
    """Return the paths of temporary files of the stack, which can remain after a kill."""
    data = Path(paths.data)
    new = [Path(f"{path}.new") for path in (paths.descendants, paths.control_file, paths.marker)]
    return [*new, *data.glob("infra.json.[0-9]*-[0-9]*"), *data.glob(".infra-[0-9]*")]


def _take(paths: Paths, patience: float) -> int:
    """Lock a data directory and return the descriptor. Raises `BlockingIOError` after `patience` seconds.

    The guardian of a stopped stack holds the lock until it exits, some milliseconds after the control socket
    is closed.
    """
    deadline = time.monotonic() + patience
    while (descriptor := lock.take(paths)) is None:
        if time.monotonic() > deadline:
            raise BlockingIOError
        time.sleep(0.005)
    return descriptor


def _kit_files(paths: Paths) -> list[Path]:
    journal, data = Path(paths.journal), Path(paths.data)
    rotated = journal.with_name(f"{journal.stem}.1{journal.suffix}")
    folders = [Path(paths.services), data / "snapshots", Path(paths.logs)]
    state = [Path(paths.descendants), Path(paths.control_file)]
    state += _temporary(paths)
    files = [*folders, *(data / name for name in PLUGIN_FILES), *state, journal, rotated]
    # After an interrupted wipe, folders with these names can remain.
    return [*(Path(disk.removed_name(str(path))) for path in files), *files]
