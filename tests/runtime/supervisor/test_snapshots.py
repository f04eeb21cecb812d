"""Saving and restoring snapshots of a stack."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.stacks import server, spawned
from infra_runtime.data_directory import snapshots
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import SnapshotError
from infra_runtime.host import processes
from infra_runtime.services.valkey import SAVE


@pytest.fixture
def state(data: Path) -> Path:
    """Return the path of a file in the data folder of the service `web`."""
    return data / "services" / "web" / "state"


def test_a_restored_stack_has_its_old_files_and_its_old_ports(stack_of, state: Path) -> None:
    stack = stack_of(server("web"), server("api"))
    port = stack.web.port
    state.write_text("then")
    stack.snapshot("before")
    state.write_text("now")
    (state.parent / "later").touch()

    stack.restore("before")

    assert state.read_text() == "then"
    assert not (state.parent / "later").exists()
    socket.create_connection(("127.0.0.1", port), timeout=60).close()
    assert stack.web.port == port


def test_the_services_keep_running_after_a_snapshot(stack_of, data: Path) -> None:
    stack = stack_of(server("web"))
    [pid] = spawned(data)

    stack.snapshot()

    assert processes.look(pid).state not in processes.STOPPED
    assert stack.status().services[0].restarts == 0


def test_a_newer_snapshot_replaces_an_older_one_of_the_same_name(stack_of, state: Path) -> None:
    stack = stack_of(server("web"))
    for text in ("one", "two"):
        state.write_text(text)
        stack.snapshot()
    state.write_text("three")

    stack.restore()

    assert state.read_text() == "two"


def test_a_failed_copy_neither_stops_services_nor_changes_files(stack_of, data: Path, state: Path) -> None:
    stack = stack_of(server("web"))
    stack.snapshot()
    state.write_text("now")
    shutil.rmtree(data / "snapshots" / "default" / "services" / "web")
    [pid] = spawned(data)

    with pytest.raises(SnapshotError, match=r"cp failed; its output is in .*supervisor\.log"):
        stack.restore()

    assert state.read_text() == "now"
    assert processes.look(pid) is not None


def test_a_restore_leaves_no_temporary_folders(stack_of, data: Path) -> None:
    stack = stack_of(server("web"), server("api"))
    stack.snapshot()
    (data / "services" / ".restored.new" / "half").mkdir(parents=True)  # as a killed supervisor leaves it

    stack.restore()

    assert sorted(path.name for path in (data / "services").iterdir()) == ["api", "web"]
    assert [path.name for path in (data / "snapshots").iterdir()] == ["default"]


def test_snapshots_with_similar_names_do_not_conflict(stack_of, data: Path) -> None:
    stack = stack_of(server("web"))
    stack.snapshot("one.new")

    stack.snapshot("one")

    assert [it.name for it in snapshots.known(Paths(str(data)))] == ["one.new", "one"]


def test_a_snapshot_with_other_settings_is_rejected_without_changes(
    stack_of, data: Path, state: Path
) -> None:
    stack = stack_of(server("web"))
    stack.snapshot()
    stack.stop("web")
    stack = stack_of(server("web", start_timeout=19.0))
    state.write_text("now")

    with pytest.raises(SnapshotError, match="the settings of web have changed"):
        stack.restore()

    assert state.read_text() == "now"
    assert stack.status().services[0].phase == "ready"


def test_a_snapshot_of_another_build_of_the_program_is_rejected(stack_of, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    stack = stack_of(server("web", command=(str(program),), ready=None))
    stack.snapshot()
    program.write_text("#!/bin/sh\nexec sleep 6000\n")

    with pytest.raises(SnapshotError, match=r"program, the program of web, has changed"):
        stack.restore()


def test_a_service_that_cannot_save_its_memory_is_named_with_the_reason(stack_of, data: Path) -> None:
    stack = stack_of(server("web", "--deaf", ready=None, quiesce=replace(SAVE, port="main")))

    with pytest.raises(SnapshotError, match=r"could not be written to the disk: [0-9.:]+ Connection refused"):
        stack.snapshot()

    assert list((data / "snapshots").iterdir()) == []


def test_a_missing_snapshot_cannot_be_restored(stack_of) -> None:
    stack = stack_of(server("web"))

    with pytest.raises(SnapshotError, match="snapshot ghost: it does not exist"):
        stack.restore("ghost")


@pytest.mark.parametrize("name", ["", "..", "../services", "a/b", "-rf", "x" * 65])
def test_an_invalid_snapshot_name_is_rejected(stack_of, data: Path, name: str) -> None:
    stack = stack_of(server("web"))

    with pytest.raises(SnapshotError, match="a name has at most 64 characters"):
        stack.snapshot(name)
    with pytest.raises(SnapshotError, match="a name has at most 64 characters"):
        snapshots.remove(Paths(str(data)), name)


def test_snapshots_are_listed_oldest_first_and_can_be_removed(stack_of, data: Path) -> None:
    paths = Paths(str(data))
    stack = stack_of(server("web"))
    stack.snapshot("one")
    stack.snapshot("two")

    assert [it.name for it in snapshots.known(paths)] == ["one", "two"]
    snapshots.remove(paths, "one")

    assert [it.name for it in snapshots.known(paths)] == ["two"]
