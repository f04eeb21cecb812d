"""Remove the files of a stack from its data directory, and no other files."""

from __future__ import annotations

import os
import time
from pathlib import Path

from infra_runtime.data_directory import lock
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import disk

#: seconds to wait for the lock
PATIENCE = 5.0
#: the plugin's files in a data directory; the plugin's tests compare its names with these
PLUGIN_FILES = ("capsules", "xprocess", "pytest.json", "pytest.lock")


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
    # An interrupted wipe may leave only the lock file.
    if not Path(paths.marker).is_file() and {*data.iterdir()} != {Path(paths.lock)}:
        hint = "If you no longer need the directory, remove it with `rm -r`."
        reason = "not removed, because it has no infra.json and so is not a data directory"
        raise DataDirectoryError(paths.data, reason, hint)
    # A link with the name of a plan was made by another program; its target is not part of this directory.
    plans = [path for path in sorted(data.glob("plan-*")) if disk.is_folder(str(path)) and _is_marked(path)]
    removed = [path.name for path in plans if remove(Paths(str(path)), patience=patience)]
    marks = [data / ".gitignore", Path(paths.marker)]
    try:
        descriptor = _take(paths, patience)
        try:
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


def _is_marked(data: Path) -> bool:
    return disk.is_file(str(data / "infra.json"))


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
    files = [*folders, *(data / name for name in PLUGIN_FILES), *state, journal, rotated]
    # An interrupted wipe leaves folders under these names.
    return [*(Path(disk.removed_name(str(path))) for path in files), *files]
