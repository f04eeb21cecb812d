"""Shared memory of the dead: only theirs is removed, and only when nobody has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes import segment
from fakes.stacks import kill, resolved, spawned, until
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.stack import Stack, open_stack
from infra_runtime.host import shared_memory
from infra_runtime.host.processes import started
from infra_runtime.spec import ExecProbe, ServiceSpec

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path(shared_memory.TABLE).exists(), reason="only Linux tells whose they are"),
]
PROGRAM = (sys.executable, "-I", "-S", segment.__file__)


class Maker:
    """A program that made a segment."""

    def __init__(self, told: Path) -> None:
        self.process = subprocess.Popen([*PROGRAM, told])
        until(told.exists)
        self.segment = int(told.read_text())
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
    for it in made:
        it.die()
        shared_memory.remove({it.pid: it.start})


def exists(identifier: int) -> bool:
    return any(
        line.split()[1] == str(identifier) for line in Path(shared_memory.TABLE).read_text().splitlines()
    )


def test_a_segment_of_the_dead_is_removed_and_a_strangers_is_not(maker) -> None:
    dead, stranger = maker(), maker()
    dead.die()
    stranger.die()

    removed = shared_memory.remove({dead.pid: dead.start})

    assert removed == [dead.segment]
    assert not exists(dead.segment)
    assert exists(stranger.segment)


def test_a_segment_that_somebody_has_attached_stays(maker) -> None:
    living = maker()

    assert shared_memory.remove({living.pid: living.start}) == []
    assert exists(living.segment)


def test_a_segment_that_is_older_than_the_process_with_its_makers_pid_stays(maker) -> None:
    before = maker()
    before.die()
    an_hour_later = str(int(before.start) + 3600 * 100)

    assert shared_memory.remove({before.pid: an_hour_later}) == []
    assert exists(before.segment)


def test_where_nothing_tells_whose_they_are_nothing_is_removed(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(shared_memory, "TABLE", str(tmp_path / "none"))

    assert shared_memory.remove({1: "1"}) == []


# --- of a stack ------------------------------------------------------------------------------------


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "segment"


@pytest.fixture
def stack(data: Path, told: Path) -> Iterator[Stack]:
    """A stack with a service that made a segment."""
    ready = ExecProbe(command=("test", "-e", str(told)))
    found = resolved(data, [ServiceSpec(name="maker", command=(*PROGRAM, str(told)), ready=ready)])
    stack = open_stack(found)
    raise_failures(stack.up(found).failures)
    yield stack
    stack.close()


def test_a_killed_service_leaves_no_segment(stack, data, told) -> None:
    first = int(told.read_text())
    [pid] = spawned(data)

    kill(pid)
    until(lambda: len(spawned(data)) == 2)

    assert not exists(first)


def test_a_killed_supervisor_leaves_no_segment(stack, told) -> None:
    kill(stack.status().pid)

    until(lambda: not exists(int(told.read_text())))


def test_a_service_that_has_to_be_killed_leaves_no_segment(stack, told) -> None:
    stack.kill("maker")

    assert not exists(int(told.read_text()))
