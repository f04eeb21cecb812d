"""Start the supervisor with pytest-xprocess; the pid files of earlier runs are ignored."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from typing import Any

import py  # type: ignore[import-untyped]  # part of pytest, without types
import pytest
from xprocess import ProcessStarter, XProcess  # type: ignore[import-untyped]  # it has none

from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.launch import Launch

NAME = "supervisor"


class _NoLog:
    """A log that discards the messages of pytest-xprocess, so that tests' output does not contain them."""

    def debug(self, message: str, *arguments: object) -> None:
        """Discard a message of pytest-xprocess."""


def launcher(config: pytest.Config, paths: Paths) -> Launch:
    """Return a function that starts the supervisor of a data directory.

    The caller of the returned function must hold the lock of the data directory. pytest-xprocess writes the
    process id to a file, and later sends signals to the process with this id, even if a foreign process has
    got the same id meanwhile. Therefore the file is in the data directory, where `--xkill` does not find it,
    and it is removed before and after the start. Clients find a supervisor only by its socket.
    """

    def launch(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        folder = Path(paths.data) / "xprocess"
        control = folder / NAME
        control.mkdir(parents=True, exist_ok=True)
        pid_file, log = control / "xprocess.PID", control / "xprocess.log"
        pid_file.unlink(missing_ok=True)
        if not log.is_symlink():
            log.unlink(missing_ok=True)
            log.symlink_to(paths.own_log)

        class Supervisor(ProcessStarter):  # type: ignore[misc]  # it has no types
            popen_kwargs: dict[str, Any] = {"stdin": stdin}  # noqa: RUF012 - required by xprocess

            @property
            def args(self) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]  # declared as None
                return argv

            def wait(self, log_file: object) -> bool:  # noqa: ARG002 - required by xprocess
                return (
                    True  # the client checks the supervisor itself, at much shorter intervals than xprocess
                )

        # XProcess requires a path of the `py` library.
        xprocess = XProcess(config, py.path.local(folder), log=_NoLog())  # noqa: PTH124
        with warnings.catch_warnings():
            # xprocess forks with a `preexec_fn`. Python 3.12 warns about this in a process with threads, such
            # as a worker of xdist.
            warnings.simplefilter("ignore", DeprecationWarning)
            xprocess.ensure(NAME, Supervisor)
        pid_file.unlink(missing_ok=True)
        # xprocess opens log files for its reports of failing tests. pytest would print warnings about the
        # open files.
        config.__dict__.get("_extlogfiles", {}).pop(NAME, None)
        (resources,) = xprocess.resources
        resources.release()
        child: subprocess.Popen[bytes] = resources.popen
        return child

    return launch
