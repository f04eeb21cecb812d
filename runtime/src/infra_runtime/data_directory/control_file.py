"""The control file of a data directory: the path of the control socket, and the process that listens on it.

Clients read the path of the socket from this file, because their environment variables may differ from those
of the process that started the stack. The file remains when the supervisor exits; the next supervisor
replaces it.
"""

from __future__ import annotations

import contextlib
import json
import os

from infra_runtime.data_directory.paths import SOCKET, Paths
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import ownership, processes
from infra_runtime.record import Record

_DAMAGED = "was not written by pytest-infra"
_REMOVE = "Stop the supervisor of this data directory if it is running, and remove the file."


class ControlFile(Record):
    """The content of a control file: the supervisor's process and the path of its control socket."""

    #: the path of the control socket
    socket: str
    #: the supervisor's pid and start time
    pid: int
    started: str
    #: the path of the data directory; if the path differs, the directory was copied or moved
    data: str


def write(paths: Paths) -> None:
    """Write the control file for this process under a temporary name, and rename it when it is complete."""
    content = ControlFile(paths.control, os.getpid(), processes.started(os.getpid()), paths.data)
    temporary = f"{paths.control_file}.new"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    descriptor = ownership.open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with open(descriptor, "w", encoding="ascii") as file:
        json.dump(content._asdict(), file)
    # If a rename replaces a file, ext4 waits for the disk, which takes 2 to 12 ms. The previous file belongs
    # to a supervisor that has exited, so no process needs the file. Source: ext4(5), `auto_da_alloc`.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(paths.control_file)
    os.rename(temporary, paths.control_file)


def version(paths: Paths) -> tuple[int, int] | None:
    """Return a value that changes when a supervisor writes the control file; None if the file is missing."""
    try:
        status = os.stat(paths.control_file, follow_symlinks=False)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def read(paths: Paths) -> ControlFile | None:
    """Return the content of the control file; None if the file is missing or is for another data directory.

    Raises `DataDirectoryError` if another user could have written the file, or if its content is invalid.
    """
    try:
        ownership.check_folder(paths.data)
        with open(ownership.open_file(paths.control_file, os.O_RDONLY), encoding="ascii") as file:
            content = json.load(file)
        control = ControlFile(**{name: content[name] for name in ControlFile._fields})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataDirectoryError(error.filename or paths.data, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataDirectoryError(paths.control_file, _DAMAGED, _REMOVE) from error
    texts = (control.socket, control.started, control.data)
    if not all(isinstance(text, str) for text in texts) or type(control.pid) is not int:
        raise DataDirectoryError(paths.control_file, _DAMAGED, _REMOVE)
    if control.data != paths.data:
        return None
    # The folder of the socket is removed when the stack stops, so its path must be as expected.
    if not (os.path.isabs(control.socket) and control.socket.endswith(f"/{paths.stack}/{SOCKET}")):
        raise DataDirectoryError(paths.control_file, _DAMAGED, _REMOVE)
    return control


def run_folder(paths: Paths) -> str:
    """Return the folder with the sockets of the supervisor that was started most recently.

    Without a control file, the result is the folder that a new supervisor would use.
    """
    control = read(paths)
    return os.path.dirname(control.socket) if control else paths.run
