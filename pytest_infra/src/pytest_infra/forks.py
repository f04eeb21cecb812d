"""Processes that a test forks: a child uses none of its parent's leases, units, connections and threads.

A child that requests a service gets its own lease and its own units. For example, pytest-forked runs each
test in a child. A child that returns from its phase of the test, for example by an exception, exits with the
report of this phase. Otherwise the child would run all later tests like its parent, and write to the
parent's connection to the controller of pytest-xdist.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")


def on_fork(config: pytest.Config, reset: Callable[[pytest.Config], object]) -> None:
    """Call `reset` with pytest's configuration in each child process that is forked after this call."""
    reference = weakref.ref(config)

    def in_child() -> None:
        parent_config = reference()
        if parent_config is not None:
            reset(parent_config)

    os.register_at_fork(after_in_child=in_child)


def keep(value: object) -> None:
    """Keep an object of the parent until this forked child exits.

    If the child freed the object, the object's finaliser would close a connection of the parent process.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def ended_by_its_process(fixture: Iterator[T]) -> Iterator[T]:
    """Yield the value of a fixture; only the process that set up the fixture also tears it down.

    A forked child does not tear it down, because the value belongs to the parent process.
    """
    process = os.getpid()
    yield next(fixture)
    if os.getpid() != process:
        keep(fixture)
        return
    for _ in fixture:
        raise RuntimeError(f"{fixture!r} yields more than once")


class Child:
    """The plugin of a forked child process; it ends the process when the phase of its test has ended."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print the report of the child, and exit without tear-down: the fixtures belong to the parent."""
        self._exit(
            f"has returned from the {report.when} of {report.nodeid}, and exits now\n{report.longreprtext}"
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Exit after an exception that ends the run, such as `KeyboardInterrupt`."""
        self._exit("has returned from its test, and exits now")

    def _exit(self, text: str) -> NoReturn:
        os.write(2, f"\ninfra: the forked process {os.getpid()} {text}\n".encode(errors="replace"))
        os._exit(1)
