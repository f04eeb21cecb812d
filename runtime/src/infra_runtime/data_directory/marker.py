"""The marker file of a data directory, without which no file in a directory is removed."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from infra_runtime.data_directory.paths import FORMAT, Paths
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import ownership


def make_data_directory(paths: Paths, environment: str) -> None:
    """Create the data directory, or check that an existing one can be used in this environment.

    The data of a test are removed at its end. A folder that contains other files is therefore rejected.

    A new directory gets mode 0700; the mode of an existing one is not changed.

    Raises `DataDirectoryError` when the directory cannot be written, other users can write to it, it or a
    file in it belongs to another user, it has no marker, belongs to another environment, or was written by a
    newer version.
    """
    data, marker = Path(paths.data), Path(paths.marker)
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        ownership.check_folder(paths.data)
        for file in (paths.marker, paths.lock, paths.journal, paths.control_file, paths.own_log):
            ownership.check_file(file)
        if not marker.exists():
            # A wipe that was killed may leave the lock.
            foreign_entries = [
                entry
                for entry in data.iterdir()
                if not entry.name.startswith(marker.name) and str(entry) != paths.lock
            ]
            # Another process may have written the marker and its files meanwhile.
            if foreign_entries and not marker.exists():
                raise DataDirectoryError(paths.data, "it is not empty, and pytest-infra did not create it")
            _write(marker, {"format": FORMAT, "stack": paths.stack, "environment": environment})
            (data / ".gitignore").write_text("*\n", encoding="utf-8")
        Path(paths.logs).mkdir(exist_ok=True)
        content = json.loads(marker.read_text(encoding="utf-8"))
        written, owner = content["format"], content["environment"]
    except OSError as error:
        path = str(error.filename) if isinstance(error, ownership.OwnershipError) else paths.data
        raise DataDirectoryError(path, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataDirectoryError(paths.data, "its file infra.json was not written by pytest-infra") from error
    if written > FORMAT:
        reason = f"was written by a newer pytest-infra (format {written}, this version reads {FORMAT})"
        raise DataDirectoryError(paths.data, reason, "Upgrade pytest-infra, or use another data directory.")
    if owner != environment and "test" in {owner, environment}:
        reason = f"contains the data of the environment {owner}, and this is {environment}"
        hint = "Use another directory with `--data`, or unset INFRA_DATA or INFRA_ENV if one of them is set."
        raise DataDirectoryError(paths.data, reason, hint)


def _write(marker: Path, content: dict[str, Any]) -> None:
    """Write the marker by renaming a complete file; two processes may do this at the same time."""
    temporary = marker.with_name(f"{marker.name}.{os.getpid()}-{threading.get_ident()}")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(marker)
