"""The start of a supervisor's process, and the folder for its sockets and locks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from infra_runtime.data_directory.paths import SOCKET_IN_RUN, SOCKET_PATH, Paths
from infra_runtime.errors import ConfigurationError
from infra_runtime.host import ownership

#: starts a supervisor with a command line and with a socket as its standard input, whose other end is the
#: client's connection; returns the child process, or None when another process is its parent
Launch = Callable[[list[str], int], "subprocess.Popen[bytes] | None"]


def make_home(paths: Paths) -> None:
    """Create or check the folder for sockets and lock files. Raises `ConfigurationError`."""
    for name, path in (("INFRA_RUNTIME_DIR", paths.home), ("INFRA_CACHE", paths.cache)):
        if not Path(path).is_absolute():
            hint = "The supervisor has another working directory, so the path must begin with a slash."
            raise ConfigurationError(f"{path!r} is not an absolute path", where=name, hint=hint)
    if len(os.fsencode(paths.run)) > SOCKET_PATH - SOCKET_IN_RUN:
        raise ConfigurationError(
            f"{paths.home} is too long for the paths of sockets, which may have {SOCKET_PATH} bytes",
            where="INFRA_RUNTIME_DIR",
            hint="Set INFRA_RUNTIME_DIR to a shorter path, or unset it: the default is short.",
        )
    try:
        ownership.make_private_folder(paths.home, shared=True)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename}: {error.strerror}",
            where="INFRA_RUNTIME_DIR",
            hint="Set INFRA_RUNTIME_DIR (for sockets and locks) to a folder that only you can change.",
        ) from error


def launcher(paths: Paths) -> Launch:
    """Return a function that starts the supervisor of a data directory as a child of this process."""

    def launch(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        log = ownership.open_file(paths.own_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            return subprocess.Popen(
                argv, stdin=stdin, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        finally:
            os.close(log)

    return launch
