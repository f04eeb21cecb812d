"""Remove the files of a stack from its data directory, and no other files."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from infra_runtime.data_directory import lock, remains
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import disk
from infra_runtime.host.ownership import OwnershipError

#: seconds to wait for the lock
PATIENCE = 5.0
#: the plugin's files in a data directory; the plugin's tests compare its names with these
PLUGIN_FILES = ("capsules", "xprocess", "pytest.json", "pytest.lock", "exclusive")


def remove(paths: Paths, *, patience: float = PATIENCE) -> list[str]:
    """Remove the files of pytest-infra, and then the directory if it is empty. Return the removed names.

    When other files remain, the marker remains too, so that the directory can be used again.

    Raises:
        DataDirectoryError: the directory contains files but no marker, a supervisor runs in it, or a file
            cannot be removed.
    """
    data = Path(paths.data)
    if not data.is_dir() or not any(data.iterdir()):
        return []
    # A wipe that was killed may leave the lock alone, and a start the file that becomes the marker.
    if not Path(paths.marker).is_file() and not {*data.iterdir()} <= {Path(paths.lock), *_temporary(paths)}:
        hint = "If you no longer need the directory, remove it with `rm -r`."
        reason = "not removed, because it has no infra.json and so is not a data directory"
        raise DataDirectoryError(paths.data, reason, hint)
    # A link named like a plan was made by another program: the data directory behind it is not part of this.
    plans = [path for path in sorted(data.glob("plan-*")) if disk.is_folder(str(path))]
    removed = [path.name for path in plans if _remove_plan(path, patience)]
    marks = [data / ".gitignore", Path(paths.marker)]
    try:
        descriptor = _take(paths, patience)
        try:
            # The journal is the only record of the processes. A link in its place is removed, but not read.
            with contextlib.suppress(OwnershipError, DataDirectoryError):
                remains.end_locked(paths)
            removed += _clear(_kit_files(paths))
            # The lock file is removed last, while it is locked; a supervisor that waits for the lock creates
            # the directory again.
            if {*data.iterdir()} <= {*marks, Path(paths.lock)}:
                removed += _clear(marks)
            Path(paths.lock).unlink()
            if not any(data.iterdir()):
                data.rmdir()
        finally:
            os.close(descriptor)
    except BlockingIOError:
        hint = f"Run `infra runtime down --data {paths.data}` first."
        raise DataDirectoryError(paths.data, "a supervisor is running in it", hint) from None
    except OSError as error:
        raise DataDirectoryError(error.filename or paths.data, error.strerror or str(error)) from error
    return removed


def _clear(paths: list[Path]) -> list[str]:
    """Remove those of these paths that exist, and return their names. No link is followed."""
    existing = [path for path in paths if path.exists() or path.is_symlink()]
    for path in existing:
        disk.discard(str(path))
    return [path.name for path in existing]


def _remove_plan(data: Path, patience: float) -> bool:
    """Remove the data directory of a separate plan; return whether files of the kit were in it.

    The start of a run that was killed may leave the folder empty, or with the beginning of a marker.
    """
    paths = Paths(str(data))
    if disk.is_file(paths.marker) or {*data.iterdir()} <= {Path(paths.lock), *_temporary(paths)}:
        removed = remove(paths, patience=patience)
        if data.is_dir() and not any(data.iterdir()):
            data.rmdir()
        return bool(removed)
    return False


def _temporary(paths: Paths) -> list[Path]:
    """Return the files that exist only while another file is written, and that a kill leaves."""
    data = Path(paths.data)
    new = [Path(f"{path}.new") for path in (paths.descendants, paths.control_file)]
    return [*new, *data.glob("infra.json.[0-9]*-[0-9]*"), *data.glob(".infra-[0-9]*")]


def _take(paths: Paths, patience: float) -> int:
    """Return the descriptor of the locked lock file. Raises `BlockingIOError` after `patience` seconds.

    The lock may still be held when the control socket is closed: the guardian exits some milliseconds later.
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
    # An interrupted wipe leaves folders under these names.
    return [*(Path(disk.removed_name(str(path))) for path in files), *files]
