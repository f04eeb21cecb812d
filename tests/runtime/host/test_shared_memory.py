"""The removal of shared memory that dead processes left, if no process has attached it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes import segment
from fakes.stacks import kill, resolved, spawned, until
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.local.stack import Stack
from infra_runtime.host import shared_memory
from infra_runtime.host.processes import started
from infra_runtime.spec import ExecProbe, ServiceSpec

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not Path(shared_memory.TABLE).exists(), reason="the owner of a segment can be read only on Linux"
    ),
]
PROGRAM = (sys.executable, "-I", "-S", segment.__file__)


class Maker:
    """A program that created a segment."""

    def __init__(self, number_file: Path) -> None:
        self.process = subprocess.Popen([*PROGRAM, number_file])
        until(number_file.exists)
        self.segment = int(number_file.read_text())
        self.pid, self.start = self.process.pid, started(self.process.pid)

    def die(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[Callable[[], Maker]]:
    made: list[Maker] = []

    def make() -> Maker:
        made.append(Maker(tmp_path / f"segment{len(made)}"))
        return made[-1]

    yield make
    for program in made:
        program.die()
        shared_memory.remove({program.pid: program.start})


def exists(identifier: int) -> bool:
    return any(
        line.split()[1] == str(identifier) for line in Path(shared_memory.TABLE).read_text().splitlines()
    )


def test_a_segment_of_a_dead_process_is_removed_and_a_foreign_one_is_not(maker) -> None:
    dead, foreign = maker(), maker()
    dead.die()
    foreign.die()

    removed = shared_memory.remove({dead.pid: dead.start})

    assert removed == [dead.segment]
    assert not exists(dead.segment)
    assert exists(foreign.segment)


def test_an_attached_segment_is_not_removed(maker) -> None:
    living = maker()

    assert shared_memory.remove({living.pid: living.start}) == []
    assert exists(living.segment)


def test_a_segment_older_than_the_process_with_its_pid_is_not_removed(maker) -> None:
    before = maker()
    before.die()
    an_hour_later = str(int(before.start) + 3600 * 100)

    assert shared_memory.remove({before.pid: an_hour_later}) == []
    assert exists(before.segment)


def test_no_segment_is_removed_where_the_kernel_has_no_table_of_segments(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(shared_memory, "TABLE", str(tmp_path / "none"))

    assert shared_memory.remove({1: "1"}) == []


# --- in a stack ------------------------------------------------------------------------------------


@pytest.fixture
def number_file(tmp_path: Path) -> Path:
    return tmp_path / "segment"


@pytest.fixture
def stack(data: Path, number_file: Path) -> Iterator[Stack]:
    """Yield a stack with a service that created a segment."""
    ready = ExecProbe(command=("test", "-e", str(number_file)))
    plan = resolved(data, [ServiceSpec(name="maker", command=(*PROGRAM, str(number_file)), ready=ready)])
    stack = LocalEngine().open(plan)
    raise_failures(stack.up(plan).failures)
    yield stack
    stack.close()


def test_a_killed_service_leaves_no_segment(stack, data, number_file) -> None:
    first = int(number_file.read_text())
    [pid] = spawned(data)

    kill(pid)
    until(lambda: len(spawned(data)) == 2)

    assert not exists(first)


def test_a_killed_supervisor_leaves_no_segment(stack, number_file) -> None:
    kill(stack.status().pid)

    until(lambda: not exists(int(number_file.read_text())))


def test_a_service_that_has_to_be_killed_leaves_no_segment(stack, number_file) -> None:
    stack.kill("maker")

    assert not exists(int(number_file.read_text()))
