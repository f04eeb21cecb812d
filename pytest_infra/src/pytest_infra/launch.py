"""The supervisor as pytest-xprocess starts it, without trusting anything that an earlier run wrote down."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from typing import Any

import py  # type: ignore[import-untyped]  # pytest brings it, without types
import pytest
from xprocess import ProcessStarter, XProcess  # type: ignore[import-untyped]  # it has none

from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Launch

NAME = "supervisor"


class _Silence:
    """What pytest-xprocess tells of its doings would be captured as the test's output."""

    def debug(self, message: str, *arguments: object) -> None:
        """Say nothing."""


def launcher(config: pytest.Config, paths: Paths) -> Launch:
    """Starts the supervisor of a data directory. To be called under the directory's lock.

    pytest-xprocess keeps a pid in a file, and trusts and signals whoever has it later. Ours lies in the data
    directory, where `--xkill` does not find it, is never believed, and is gone as soon as the process runs:
    only a supervisor's socket can tell that it is there.
    """

    def launch(argv: list[str]) -> subprocess.Popen[bytes]:
        folder = Path(paths.data) / "xprocess"
        control = folder / NAME
        control.mkdir(parents=True, exist_ok=True)
        pid_file, log = control / "xprocess.PID", control / "xprocess.log"
        pid_file.unlink(missing_ok=True)
        if not log.is_symlink():
            log.unlink(missing_ok=True)
            log.symlink_to(paths.own_log)

        class Supervisor(ProcessStarter):  # type: ignore[misc]  # it has no types
            popen_kwargs: dict[str, Any] = {"stdin": subprocess.DEVNULL}  # noqa: RUF012 - its own way to be told

            @property
            def args(self) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]  # its own says None
                return argv

            def wait(self, log_file: object) -> bool:  # noqa: ARG002 - its interface
                return True  # the client knocks, a hundred times as often as this would look

        # Its interface wants the old kind of path.
        xprocess = XProcess(config, py.path.local(folder), log=_Silence())  # noqa: PTH124
        with warnings.catch_warnings():
            # It forks with a `preexec_fn`: Python 3.12 warns of that beside threads, as xdist's workers have.
            warnings.simplefilter("ignore", DeprecationWarning)
            xprocess.ensure(NAME, Supervisor)
        pid_file.unlink(missing_ok=True)
        # Its open files are for reports of failing tests; left alone they would be warned of.
        config.__dict__.get("_extlogfiles", {}).pop(NAME, None)
        (resources,) = xprocess.resources
        resources.release()
        child: subprocess.Popen[bytes] = resources.popen
        return child

    return launch
