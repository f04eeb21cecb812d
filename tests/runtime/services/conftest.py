"""The fixture that starts real services."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.project import Project
from infra_runtime.engines.local.stack import Stack

#: the cache of the test session; without it, the user's cache is used
CACHE = os.environ.get("INFRA_CACHE")


@pytest.fixture
def run(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stack]]:
    """Return a function that starts services of the project; they are stopped after the test."""
    # This cache has the seeds of the suite's other stacks.
    monkeypatch.delenv("XDG_CACHE_HOME")
    if CACHE:
        monkeypatch.setenv("INFRA_CACHE", CACHE)
    with ExitStack() as stacks:

        def start(*names: str, environment: str = "test", folder: str = "", **settings: Any) -> Stack:
            given = {"services": {names[0]: settings}} if settings else None
            stack = infra.start(
                *names,
                environment=environment,
                directory=project.root,
                data=tmp_path / (folder or f"data-{environment}"),
                overrides=given,
            )
            return stacks.enter_context(stack)

        yield start
