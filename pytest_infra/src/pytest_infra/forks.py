"""Processes that a test forks: a child uses none of its parent's leases, units, connections and threads.

A child that returns from the test, for example by an exception, runs the rest of the suite like its parent.
It then gets its own lease and its own units. pytest-forked runs each test in such a child.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

T = TypeVar("T")


def on_fork(config: pytest.Config, reset: Callable[[pytest.Config], object]) -> None:
    """Call `reset` with pytest's configuration in each child process that is forked from now on."""
    reference = weakref.ref(config)

    def in_child() -> None:
        parent = reference()
        if parent is not None:
            reset(parent)

    os.register_at_fork(after_in_child=in_child)


def keep(value: object) -> None:
    """Keep an object of the parent until this forked child exits.

    Without this, the object's finaliser would close a connection of the parent process.
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
