"""What the soak run finds: each kind of leftover is counted."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from infra_runtime.data_directory import memory_folder
from infra_runtime.host import memory

pytestmark = pytest.mark.process


@pytest.fixture
def leftovers(monkeypatch: pytest.MonkeyPatch, checkout: Path) -> ModuleType:
    """Import `benchmarks.leftovers`."""
    monkeypatch.syspath_prepend(str(checkout))
    return importlib.import_module("benchmarks.leftovers")


@pytest.fixture
def marked(leftovers: ModuleType, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process with the mark of a round, and end it after the test."""
    environ = {**os.environ, leftovers.MARK: str(tmp_path)}
    with subprocess.Popen(["sleep", "600"], env=environ) as child:
        yield child
        child.kill()


def test_a_marked_process_is_found(
    leftovers: ModuleType, marked: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert [process.pid for process in leftovers.members(str(tmp_path))] == [marked.pid]


def test_a_process_that_only_names_the_folder_is_counted_but_not_signalled(
    leftovers: ModuleType, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "input()", f"{tmp_path}/data"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        counted = [process.pid for process in leftovers.members(str(tmp_path))]
        signalled = [process.pid for process in leftovers.members(str(tmp_path), by_command_line=False)]
        child.kill()

    assert counted == [child.pid]
    assert signalled == []


def test_a_socket_and_files_of_a_killed_change_are_found(leftovers: ModuleType, tmp_path: Path) -> None:
    for name in ("p/.data-test/plan-1", "t", "r/0123", "cache/seeds/4711.new"):
        (tmp_path / name).mkdir(parents=True)
    traces = leftovers.Traces(tmp_path / "p", f"{tmp_path}/t", f"{tmp_path}/r")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/r/0123/s")

    assert traces.running() == [f"socket {tmp_path}/r/0123/s"]
    assert {line.removeprefix(f"file {tmp_path}/") for line in traces.files()} == {
        "p/.data-test", "p/.data-test/plan-1", "r/0123", "r/0123/s",
    }  # fmt: skip
    assert leftovers.unfinished(tmp_path / "cache") == [f"file {tmp_path}/cache/seeds/4711.new"]


def test_a_folder_in_ram_is_found_by_the_path_of_its_data_directory(
    leftovers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "TMPFS", str(tmp_path / "shm"))
    for name, owner in (("infra-a", tmp_path / "p" / ".data-test"), ("infra-b", tmp_path / "other")):
        (tmp_path / "shm" / name).mkdir(parents=True)
        (tmp_path / "shm" / name / memory_folder.OWNER).write_text(str(owner))
    traces = leftovers.Traces(tmp_path / "p", f"{tmp_path}/t", f"{tmp_path}/r")

    assert traces.files() == [f"file {tmp_path}/shm/infra-a"]
