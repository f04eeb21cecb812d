"""Fixtures that run the real `infra` in a project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakes.command_line import SHOP, CommandLine, stack_file
from fakes.stacks import until

if TYPE_CHECKING:
    from fakes.checks import Checks


@pytest.fixture
def infra(tmp_path: Path) -> Iterator[CommandLine]:
    """Run `infra` in an empty project."""
    line = CommandLine(tmp_path / "project")
    yield line
    line.end()


@pytest.fixture
def shop(infra: CommandLine) -> CommandLine:
    """Run `infra` in a project with three small services."""
    infra.write(stack_file(SHOP, ["db", "api", "worker"]))
    return infra


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Run `infra` in the same project with a running stack, for tests that leave it as it was."""
    line = CommandLine(tmp_path_factory.mktemp("open") / "project")
    line.write(stack_file(SHOP, ["db", "api", "worker"]))
    assert line("runtime", "up", "--detach").code == 0
    # The worker has no probe: it prints its line at any time after the start.
    until(lambda: "at work\n" in (line.data / "logs" / "worker.log").read_text(encoding="utf-8"))
    yield line
    line.end()


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checks:
    """`infra dev api-check` in an empty folder."""
    from fakes.checks import Checks

    monkeypatch.chdir(tmp_path)
    return Checks(tmp_path)
