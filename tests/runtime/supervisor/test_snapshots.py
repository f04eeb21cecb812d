"""Saving and restoring snapshots of a stack."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.stacks import alive, kill, server, services_of, spawned, until
from infra_runtime.data_directory import snapshots
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.engine import attach
from infra_runtime.errors import SnapshotError, SupervisorError
from infra_runtime.host import processes
from infra_runtime.spec import Exchange, Expect, Send, ServiceSpec

pytestmark = pytest.mark.process


def sleeper_of(name: str) -> ServiceSpec:
    """Return a service without ports, for stacks that are not of the environment `test`."""
    return server(name, command=("sleep", "600"), ports={}, ready=None, exports={})


def test_a_restored_stack_has_its_old_files_and_ports_and_no_temporary_folders(stack_of, data: Path) -> None:
    stack = stack_of(server("web"), server("api"))
    state = stack.web.data / "state"
    port = stack.web.port
    state.write_text("then")
    stack.snapshot("before")
    state.write_text("now")
    (state.parent / "later").touch()
    (services_of(data) / ".restored.new" / "half").mkdir(parents=True)  # as a killed supervisor leaves it

    stack.restore("before")

    assert state.read_text() == "then"
    assert not (state.parent / "later").exists()
    socket.create_connection(("127.0.0.1", port), timeout=60).close()
    assert stack.web.port == port
    assert sorted(path.name for path in services_of(data).iterdir()) == ["api", "web"]
    assert [path.name for path in (data / "snapshots").iterdir()] == ["before"]


def test_a_service_that_is_not_in_snapshots_keeps_its_data(stack_of) -> None:
    stack = stack_of(server("web"), server("pages", in_snapshots=False))
    sessions = stack.pages.data / "sessions"
    sessions.write_text("then")
    snapshot = stack.snapshot("before")
    sessions.write_text("now")

    stack.restore("before")

    assert list(snapshot.services) == ["web"]
    assert sessions.read_text() == "now"


def test_a_newer_snapshot_replaces_an_older_one_and_the_services_keep_running(stack_of, data: Path) -> None:
    stack = stack_of(server("web"))
    state, [pid] = stack.web.data / "state", spawned(data)
    for text in ("one", "two"):
        state.write_text(text)
        stack.snapshot()
    assert processes.look(pid).state not in processes.STOPPED
    assert stack.status().services[0].restarts == 0
    state.write_text("three")

    stack.restore()

    assert state.read_text() == "two"


def damage_content(web: Path) -> None:
    (web / "folder" / "deep").write_text("other")


def damage_by_removal(web: Path) -> None:
    (web / "folder" / "deep").unlink()


def damage_by_addition(web: Path) -> None:
    (web / "folder" / "added").touch()


def damage_by_an_empty_folder_that_is_missing(web: Path) -> None:
    (web / "empty").rmdir()


def damage_a_link(web: Path) -> None:
    (web / "link").unlink()
    (web / "link").symlink_to("elsewhere")


def damage_by_a_link_to_the_same_content(web: Path) -> None:
    (web / "folder" / "deep").rename(web.parents[3] / "deep")
    (web / "folder" / "deep").symlink_to(web.parents[3] / "deep")


def damage_all(web: Path) -> None:
    shutil.rmtree(web)


def damage_by_a_link_to_a_folder(web: Path) -> None:
    web.rename(web.parents[3] / "web")
    web.symlink_to(web.parents[3] / "web")


DAMAGES = {
    damage_content: "services/web/folder/deep has changed",
    damage_by_removal: "services/web/folder/deep is missing",
    damage_by_addition: "services/web/folder/added was added",
    damage_by_an_empty_folder_that_is_missing: "services/web/empty is missing",
    damage_a_link: "services/web/link has changed",
    damage_by_a_link_to_the_same_content: "services/web/folder/deep has changed",
    damage_all: "services/web is missing or not a folder",
    damage_by_a_link_to_a_folder: "services/web is missing or not a folder",
}


def test_a_damaged_snapshot_is_rejected_with_its_file_and_without_changes(stack_of, data: Path) -> None:
    stack = stack_of(server("web"))
    state = stack.web.data / "state"
    (state.parent / "folder").mkdir()
    (state.parent / "folder" / "deep").write_text("value")
    (state.parent / "empty").mkdir()
    (state.parent / "link").symlink_to("folder")
    stack.snapshot()
    state.write_text("now")
    [pid] = spawned(data)
    saved, undamaged = data / "snapshots" / "default", data / "undamaged"
    shutil.copytree(saved, undamaged, symlinks=True)

    for damage, reason in DAMAGES.items():
        damage(saved / "services" / "web")

        with pytest.raises(SnapshotError, match=f"snapshot default: the snapshot is damaged: {reason}"):
            stack.restore()
        assert state.read_text() == "now"
        assert processes.look(pid) is not None
        assert sorted(path.name for path in services_of(data).iterdir()) == ["web"]
        for path in (data / "deep", data / "web"):
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
        shutil.rmtree(saved)
        shutil.copytree(undamaged, saved, symlinks=True)

    stack.restore()


def test_a_snapshot_contains_services_that_are_paused_and_they_stay_paused(stack_of, data: Path) -> None:
    stack = stack_of(server("web"), server("api"))
    (services_of(data) / "web" / "state").write_text("then")
    pids = {service.name: service.pid for service in stack.status().services}
    stack.pause("web")

    snapshot = stack.snapshot()

    assert sorted(snapshot.services) == ["api", "web"]
    assert processes.look(pids["web"]).state in processes.STOPPED
    assert processes.look(pids["api"]).state not in processes.STOPPED
    (services_of(data) / "web" / "state").write_text("now")
    stack.restore()
    assert (services_of(data) / "web" / "state").read_text() == "then"
    assert stack.web.port


def test_a_service_whose_folder_is_a_link_is_saved_with_its_content(
    stack_of, data: Path, tmp_path: Path
) -> None:
    stack = stack_of(sleeper_of("web"), environment="development")
    stack.stop("web")
    (services_of(data) / "web").rename(tmp_path / "other disk")
    (services_of(data) / "web").symlink_to(tmp_path / "other disk")
    (tmp_path / "other disk" / "state").write_text("then")
    stack.start("web")
    stack.snapshot()
    (tmp_path / "other disk" / "state").write_text("now")

    stack.restore()

    assert (services_of(data) / "web" / "state").read_text() == "then"
    assert (tmp_path / "other disk" / "state").read_text() == "now"


@pytest.mark.parametrize("unmovable", ["api", "web"])
def test_a_restore_that_cannot_exchange_a_folder_leaves_all_services_running_as_before(
    stack_of, data: Path, unmovable: str
) -> None:
    stack = stack_of(server("web"), server("api"))
    stack.snapshot()
    pids = spawned(data)
    for name in ("web", "api"):
        (services_of(data) / name / "state").write_text("now")

    with immovable(services_of(data) / unmovable), pytest.raises(SnapshotError) as caught:
        stack.restore()

    reason = f"{services_of(data)}/{unmovable}: Operation not permitted; all services continue"
    assert reason in str(caught.value)
    for name in ("web", "api"):
        assert (services_of(data) / name / "state").read_text() == "now"
    assert [processes.look(pid).state in processes.STOPPED for pid in pids] == [False, False]
    assert [service.phase for service in stack.status().services] == ["ready", "ready"]
    assert sorted(path.name for path in services_of(data).iterdir()) == ["api", "web"]


@contextlib.contextmanager
def immovable(folder: Path) -> Iterator[None]:
    """Make a folder immutable, so that it cannot be renamed; skip the test when that is not possible."""
    if os.geteuid() != 0 or subprocess.run(["chattr", "+i", folder], check=False).returncode != 0:
        pytest.skip("only root can make a folder immutable, on some file systems")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", folder], check=True)


def test_down_during_a_restore_stops_the_stack(stack_of, data: Path) -> None:
    stack = stack_of(server("web"))
    with (services_of(data) / "web" / "big").open("wb") as file:
        file.truncate(1 << 29)
    stack.snapshot()
    with ThreadPoolExecutor() as pool:
        restoring = pool.submit(stack.restore)
        until((services_of(data) / ".restored.new").exists)

        attach(data).down()

    assert isinstance(restoring.exception(), SupervisorError)
    assert not alive(data)


def test_a_killed_supervisor_leaves_one_complete_snapshot_and_the_next_one_cleans_up(
    stack_of, data: Path
) -> None:
    """The kills come at the moments that the file names show, while the files are copied and replaced."""
    paths = Paths(str(data))
    for moment in (".default.new", ".default.new/*/services/web", ".default.new/*/snapshot.json"):
        stack = stack_of(sleeper_of("web"), environment="development")
        folder = services_of(data) / "web" / "files"
        folder.mkdir(exist_ok=True)
        for number in range(400):
            (folder / str(number)).write_text(moment)
        if not (data / "snapshots").exists():
            stack.snapshot()
        pid = stack.status().pid
        with ThreadPoolExecutor() as pool:
            saving = pool.submit(stack.snapshot)
            until(lambda: any((data / "snapshots").glob(moment)) or saving.done())  # noqa: B023 - ends here
            kill(pid)
            saving.exception()

        [listed], damaged = snapshots.listing(paths)

        assert (listed.name, damaged) == ("default", [])
        stack = stack_of(sleeper_of("web"), environment="development")
        until(lambda: [path.name for path in (data / "snapshots").iterdir()] == ["default"])
        stack.restore()
        restored = {path.read_text() for path in folder.iterdir()}
        assert (len(list(folder.iterdir())), len(restored)) == (400, 1)


def test_a_supervisor_that_is_killed_during_a_restore_leaves_one_state(stack_of, data: Path) -> None:
    for moment in (".restored.new/*/web", ".restored.old", ".restored.removed"):
        stack = stack_of(sleeper_of("web"), sleeper_of("api"), environment="development")
        states = [services_of(data) / name / "state" for name in ("web", "api")]
        for path in states:
            path.write_text("then")
        stack.snapshot()
        for path in states:
            path.write_text("now")
        pid = stack.status().pid
        with ThreadPoolExecutor() as pool:
            restoring = pool.submit(stack.restore)
            until(lambda: any(services_of(data).glob(moment)) or restoring.done())  # noqa: B023
            kill(pid)
            restoring.exception()

        stack_of(sleeper_of("web"), sleeper_of("api"), environment="development")

        assert [path.read_text() for path in states] in (["now", "now"], ["then", "then"])
        until(lambda: sorted(path.name for path in services_of(data).iterdir()) == ["api", "web"])


def test_snapshots_with_similar_names_do_not_conflict(stack_of, data: Path) -> None:
    stack = stack_of(server("web"))
    stack.snapshot("one.new")

    stack.snapshot("one")

    assert [it.name for it in snapshots.known(Paths(str(data)))] == ["one.new", "one"]


def test_a_snapshot_with_other_settings_is_rejected_without_changes(stack_of, data: Path) -> None:
    stack = stack_of(server("web"))
    state = stack.web.data / "state"
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
    save = Exchange(port="main", steps=(Send(text="SAVE\r\n"), Expect(prefixes=("+OK",))))
    stack = stack_of(server("web", "--deaf", ready=None, quiesce=save))

    with pytest.raises(SnapshotError, match=r"could not be written to the disk: [0-9.:]+ Connection refused"):
        stack.snapshot()

    assert list((data / "snapshots").iterdir()) == []


def test_an_invalid_snapshot_name_is_rejected(stack_of, data: Path) -> None:
    stack = stack_of(server("web"))

    for name in ("", "..", "../services", "a/b", "-rf", "x" * 65):
        with pytest.raises(SnapshotError, match="a name has at most 64 characters"):
            stack.snapshot(name)
        with pytest.raises(SnapshotError, match="a name has at most 64 characters"):
            snapshots.remove(Paths(str(data)), name)


def test_snapshots_are_listed_oldest_first_and_a_removed_one_cannot_be_restored(stack_of, data: Path) -> None:
    paths = Paths(str(data))
    stack = stack_of(server("web"))
    stack.snapshot("one")
    stack.snapshot("two")

    assert [it.name for it in snapshots.known(paths)] == ["one", "two"]
    snapshots.remove(paths, "one")

    assert [it.name for it in snapshots.known(paths)] == ["two"]
    with pytest.raises(SnapshotError, match="snapshot one: the snapshot does not exist"):
        stack.restore("one")
