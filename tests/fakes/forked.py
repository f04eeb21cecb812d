"""Run pytest, `infra` or a script in a fork of this process, which has imported most of their modules.

A new Python process spends half a second of processor time on these imports. The fork has its own pid,
environment, working directory and standard streams.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import logging
import os
import pkgutil
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, NoReturn

import pytest

from fakes import xdist_workers
from infra_cli import program as console_script_of_infra
from infra_cli.main import run as run_infra
from infra_runtime import manifest
from pytest_infra import kit_registry, label

#: the categories of warnings that a new Python process ignores
IGNORED = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)

#: a folder that is on the import path of the test session only, as is its parent
TESTS = Path(__file__).parent.parent
#: the packages whose modules are imported before the first fork
IMPORTED = (
    "infra_cli",
    "infra_runtime.config",
    "infra_runtime.engines.local",
    "infra_runtime.services",
    "pytest_infra",
)


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program of Python: its arguments without the name of the interpreter, and what it does."""

    arguments: Sequence[str]
    main: Callable[[], object]
    #: the first folder in which its modules are searched
    path: Path


def pytest_program(arguments: Sequence[str], folder: Path) -> Program:
    """Return the program `python -m pytest ARGUMENTS`."""
    return Program(
        arguments=["pytest", *arguments], main=functools.partial(_run_pytest, list(arguments)), path=folder
    )


def _run_pytest(arguments: list[str]) -> object:
    """Run pytest; if it starts workers of pytest-xdist, the workers are forks, too."""
    if not any(argument.startswith(("-n", "--tx")) for argument in arguments):
        return pytest.main(arguments)
    with xdist_workers.forked(exit_after):
        return pytest.main(arguments)


def infra_program(arguments: Sequence[str]) -> Program:
    """Return the program `infra ARGUMENTS`."""
    return Program(
        arguments=["infra", *arguments],
        main=functools.partial(run_infra, arguments),
        path=Path(sys.prefix, "bin"),
    )


def console_script(arguments: Sequence[str]) -> Program:
    """Return the program `infra ARGUMENTS` with its handlers for signals."""
    return replace(infra_program(arguments), main=console_script_of_infra.main)


def script_program(file: Path) -> Program:
    """Return the program `python FILE`."""
    main = functools.partial(runpy.run_path, str(file), run_name="__main__")
    return Program(arguments=[str(file)], main=main, path=file.parent)


@dataclass(frozen=True, kw_only=True)
class Result:
    """Exit code and output of a program."""

    code: int
    out: str
    err: str
    seconds: float


def run(
    program: Program,
    folder: Path,
    patience: float,
    *,
    environ: Mapping[str, str] | None = None,
    stdin: str = "",
    merge: bool = False,
) -> Result:
    """Run a program in a folder until it exits; after `patience` seconds it is killed, and the test fails.

    `stdin` is the standard input. With `merge`, standard error is written to standard output.
    """
    began = time.monotonic()
    import_all()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        with warnings.catch_warnings():
            # Python 3.12 warns if the process has threads: the worker of xdist has several.
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid == 0:
            streams = given, out, out if merge else err
            become(program, folder, os.environ if environ is None else environ, streams)
        code = _exit_code(pid, patience)
        texts = [_text(file) for file in (out, err)]
    return Result(code=code, out=texts[0], err=texts[1], seconds=time.monotonic() - began)


def start(
    program: Program, folder: Path, *, environ: Mapping[str, str], out: IO[str], err: IO[str]
) -> subprocess.Popen[str]:
    """Start a program in a folder, without standard input."""
    import_all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `run`
        return subprocess.Popen(
            program.arguments,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
            restore_signals=False,
            preexec_fn=functools.partial(become, program, folder, environ),  # noqa: PLW1509 - never returns
        )


@functools.cache
def import_all() -> None:
    """Import what most programs import, so that not every fork imports it."""
    for package in IMPORTED:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                with contextlib.suppress(ImportError):  # the library of an extra is missing
                    importlib.import_module(module.name)


def _exit_code(pid: int, patience: float) -> int:
    """Wait until the process exits, and return its exit code."""
    deadline = time.monotonic() + patience
    try:
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline, f"the program did not exit within {patience:g} s"
            time.sleep(0.005)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return os.waitstatus_to_exitcode(ended[1])


def become(
    program: Program, folder: Path, environ: Mapping[str, str], files: Sequence[IO[bytes]] = ()
) -> NoReturn:
    """Make the fork a process like a new one, run the program, and exit.

    The files replace the standard streams; without them, the fork keeps its standard streams.
    """

    def main() -> object:
        gc.freeze()  # objects of the outer test session are not finalised
        gc.enable()  # `subprocess` disables the collection before it calls `preexec_fn`
        variables = dict(environ)
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)
        _replace_streams(files)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # as `exec` does: a test may listen on a port
        _remove_the_outer_session()
        sys.argv = [*program.arguments]
        sys.path[:0] = filter(None, [str(program.path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        return program.main()

    exit_after(main)


def exit_after(main: Callable[[], object]) -> NoReturn:
    """Run the main function of a forked process, and exit with its code."""
    code = 1
    try:
        code = _code_of(main)
        threading._shutdown()  # type: ignore[attr-defined] # wait for threads, as at the end of a process
    except BaseException:  # noqa: BLE001 - the fork must never continue with the tests of the outer session
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
            _save_coverage()
        os._exit(code)


def _code_of(main: Callable[[], object]) -> int:
    try:
        code = main()
    except SystemExit as exit_:
        if isinstance(exit_.code, str):
            print(exit_.code, file=sys.stderr)
            return 1
        code = exit_.code
    return int(code) if isinstance(code, int) else 0


def _replace_streams(files: Sequence[IO[bytes]]) -> None:
    for number, file in enumerate(files):
        os.dup2(file.fileno(), number)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process exits
        for number, mode in enumerate("rww")
    )


def _remove_the_outer_session() -> None:
    random.seed()
    label._RUN = os.urandom(16).hex()  # which a new process makes when it imports the module
    sys.path[:] = [entry for entry in sys.path if Path(entry) not in {TESTS, TESTS.parent}]
    manifest.joined.cache_clear()
    kit_registry._entry_points.cache_clear()
    logging.getLogger().handlers.clear()
    warnings.resetwarnings()
    for category in IGNORED:
        warnings.simplefilter("ignore", category)


def _save_coverage() -> None:
    """Save the coverage of the fork if it is measured: `os._exit` does not run the function that does so."""
    if coverage := sys.modules.get("coverage"):
        measurement = coverage.Coverage.current()
        if measurement is not None:
            measurement.stop()
            measurement.save()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
