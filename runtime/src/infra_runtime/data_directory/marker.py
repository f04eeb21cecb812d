"""The marker file `infra.json` of a data directory.

In a directory without a marker, only the remains of an interrupted start or wipe are removed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra_runtime.data_directory import journal
from infra_runtime.data_directory.paths import FORMAT, Paths, refusal
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import disk, file_lock, ownership


def make_data_directory(paths: Paths, environment: str) -> None:
    """Create the data directory, or check that an existing directory can be used in this environment.

    The data of a test are removed at the end of the test; therefore, a folder with other files is refused. A
    new directory has the mode 0700; the mode of an existing directory is not changed.

    Raises `DataDirectoryError` in these cases: the directory cannot be written; other users can write to it;
    the directory or the marker, lock, journal, control file or log of the supervisor belongs to another user;
    the directory contains files but no valid marker;
    it belongs to the environment `test`, and this stack does not, or the reverse; it was written by a newer
    version of pytest-infra; it contains files that the start of a test would remove.
    """
    data, marker = Path(paths.data), Path(paths.marker)
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        ownership.check_folder(paths.data)
        for file in (paths.marker, paths.lock, paths.journal, paths.control_file, paths.own_log):
            ownership.check_file(file)
        if not marker.exists():
            # An interrupted wipe may leave the lock file.
            foreign_entries = [
                entry
                for entry in data.iterdir()
                if not entry.name.startswith(marker.name) and str(entry) != paths.lock
            ]
            # Another process may have written the marker and its files since the check.
            if foreign_entries and not marker.exists():
                raise DataDirectoryError(
                    paths.data, "the folder is not empty, and pytest-infra did not create it"
                )
            _write(marker, {"format": FORMAT, "stack": paths.stack, "environment": environment})
            (data / ".gitignore").write_text("*\n", encoding="utf-8")
        Path(paths.logs).mkdir(exist_ok=True)
        _check_writable(paths)
        content = json.loads(marker.read_text(encoding="utf-8"))
        format_, owner = content["format"], content["environment"]
    except OSError as error:
        if isinstance(error, ownership.OwnershipError):
            raise DataDirectoryError(str(error.filename), str(error.strerror)) from error
        raise DataDirectoryError(paths.data, (error.strerror or str(error)) + _owner(paths.data)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataDirectoryError(
            paths.data, "contains a file infra.json that pytest-infra did not write"
        ) from error
    if format_ > FORMAT:
        reason = f"was written by a newer pytest-infra (format {format_}, this version reads {FORMAT})"
        raise DataDirectoryError(paths.data, reason, "Upgrade pytest-infra, or use another data directory.")
    if owner != environment and "test" in {owner, environment}:
        reason = (
            f"contains the data of the environment {owner}, but this stack has the environment {environment}"
        )
        hint = "Use another directory with `--data`, or unset INFRA_DATA and INFRA_ENV."
        raise DataDirectoryError(paths.data, reason, hint)
    if environment == "test" and (added_file := _added_file(paths)):
        reason = "was added while no stack was running; the start of a test's stack would remove this file"
        raise DataDirectoryError(added_file, reason, "Move the file out of the data directory.")


def _added_file(paths: Paths) -> str:
    """Return the path of a file that another program added to the services' folders after the last run.

    Such a file is newer than the event `down` at the end of the last run, after which no process of the stack
    writes files. Older files are remains of a killed supervisor. The result is empty if no file is newer, if
    the last event is not `down`, or if another process has started the stack in the meantime.
    """
    if not disk.is_folder(paths.services):
        return ""
    events = journal.recent(paths.journal)
    if events and events[-1].event != "down":
        return ""
    ended = events[-1].time if events else 0.0
    try:
        newer_files = (path for path in _service_files(paths) if os.lstat(path).st_ctime > ended)
        newest = next(newer_files, "")
    except FileNotFoundError:  # a stack removes the folder at its start
        return ""
    return newest if newest and not file_lock.is_held(paths.lock) else ""


def _service_files(paths: Paths) -> Iterator[str]:
    for service in sorted(Path(paths.services).iterdir()):
        if service.name.startswith("."):  # files of pytest-infra, not of a service
            continue
        if not disk.is_folder(str(service)):
            yield str(service)
        for folder, _, files in os.walk(service):
            yield from (f"{folder}/{name}" for name in files)


def _check_writable(paths: Paths) -> None:
    """Raise `DataDirectoryError` if this user cannot write to the data directory or to a file in it."""
    if reason := refusal(paths.data):
        raise DataDirectoryError(paths.data, reason + _owner(paths.data))
    for path in (paths.logs, paths.services, paths.journal, paths.lock):
        if os.path.exists(path) and not os.access(path, os.W_OK):
            raise DataDirectoryError(path, os.strerror(errno.EACCES) + _owner(path))


def _owner(path: str) -> str:
    """Return the end of an error message: the path that belongs to another user, and the name of this user.

    The path is `path`; if it does not exist, the nearest existing folder above. The result is empty if the
    file or folder at this path belongs to the user of this process.
    """
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    with contextlib.suppress(OSError):
        uid = os.lstat(path).st_uid
        if uid != os.geteuid():
            return f"; {path} belongs to {ownership.user_name(uid)}"
    return ""


def _write(marker: Path, content: dict[str, Any]) -> None:
    """Write the marker file under a temporary name, and then link the complete file to its final name.

    Two processes may call this function for one data directory at the same time. An existing marker is not
    replaced, because a supervisor may have added the name of its folder in RAM.
    """
    temporary = marker.with_name(f"{marker.name}.{os.getpid()}-{threading.get_ident()}")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    try:
        marker.hardlink_to(temporary)
    except FileExistsError:
        pass
    except OSError:  # the file system has no hard links
        temporary.replace(marker)
    temporary.unlink(missing_ok=True)
