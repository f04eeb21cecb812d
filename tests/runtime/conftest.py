"""Fixtures that the tests of the runtime share."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.distribution import ACME, Distribution
from fakes.project import Project, empty_project
from fakes.stacks import SERVER, alive, resolved, until
from fakes.telemetry import Answers
from infra_runtime import catalogue
from infra_runtime.dashboard import telemetry
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.engine import LocalEngine, attach
from infra_runtime.engines.local.stack import Stack
from infra_runtime.errors import NoStackError
from infra_runtime.spec import ServiceSpec


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Create an empty project with its own cache, and unset the variables of pytest-infra."""
    return empty_project(tmp_path, monkeypatch)


@pytest.fixture
def distribution(tmp_path: Path) -> Iterator[Distribution]:
    """A distribution that a test may install."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        distribution = Distribution(tmp_path / "site", monkeypatch)
        yield distribution
        distribution.uninstall()
    catalogue.joined.cache_clear()


@pytest.fixture
def acme(distribution: Distribution) -> Distribution:
    """A distribution with the kinds `store` and `words`."""
    distribution.install("acme_kinds", ACME, {"store": "STORE", "words": "WORDS"})
    return distribution


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path, for sockets; pytest's own may be long."""
    with tempfile.TemporaryDirectory(prefix="infra-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory; after the test, no process that was started in it may be running."""
    folder = tmp_path / "data"
    yield folder
    with contextlib.suppress(NoStackError):
        attach(folder).down()
    until(lambda: not alive(folder))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does not belong to a stack; it is killed after the test, even if it is paused."""
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """The answers of a telemetry service without a process, which the dashboard of the test asks."""
    answers = Answers()
    monkeypatch.setattr(telemetry, "_ask", answers.ask)
    return answers


@pytest.fixture
def stack_of(data: Path) -> Iterator[Callable[..., Stack]]:
    """Start a stack of these specs in `data`; raise the same errors as `infra_runtime.start`."""
    stacks: list[Stack] = []

    def start(*specs: ServiceSpec, **options: Any) -> Stack:
        plan = resolved(data, specs, **options)
        stack = LocalEngine().open(plan)
        stacks.append(stack)
        raise_failures(stack.up(plan).failures)
        return stack

    yield start
    for stack in stacks:
        stack.close()


@pytest.fixture
def web(project: Project) -> dict[str, object]:
    """Create a project with one user service, and return the arguments of `start` for it."""
    argv = [sys.executable, "-I", "-S", SERVER, "${port.http}"]
    project.write(f"use = ['web']\n[services.web]\ncommand = {argv!r}\nports = {{ http = 8000 }}\n")
    return {"directory": project.root, "environment": "test", "data": project.root / "data"}
