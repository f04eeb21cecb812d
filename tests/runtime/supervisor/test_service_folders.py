"""The place of the services' data: in RAM in the environment `test`, and otherwise on the disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.small_disk import on_a_small_disk
from fakes.stacks import alive, journal_events, kill, kill_both, resolved, server, services_of, spawned, until
from infra_runtime.data_directory import memory_folder, remains, wipe
from infra_runtime.data_directory.leak_check import check_leaks
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.local.stack import Stack
from infra_runtime.host import memory
from infra_runtime.supervisor.service_folders import ServiceFolders

with_memory = pytest.mark.skipif(memory.obstacle() != "", reason=f"no data in RAM: {memory.obstacle()}")
#: the type of the fixture `stack_of`
Start = Callable[..., Stack]


def event(data: Path, name: str) -> list[str]:
    """Return the reasons of all events of this name."""
    return [event.reason for event in journal_events(data) if event.event == name]


def supervisor_of(data: Path) -> int:
    return [event.pid for event in journal_events(data) if event.event == "up"][-1]


@with_memory
def test_the_data_of_a_test_are_in_a_private_folder_in_ram_and_are_removed_at_the_end(
    stack_of: Start, data: Path
) -> None:
    stack = stack_of(server("web"))
    folder = Path(memory_folder.existing(Paths(str(data))))

    assert stack.web.data == folder / "services" / "web"
    assert folder.parent == Path(memory.TMPFS)
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert not (data / "services").exists()
    assert stack.finish().clean
    assert not folder.exists()


@pytest.mark.parametrize("options", [{"tmpfs": False}, {"environment": "development"}])
def test_the_data_are_on_the_disk_in_development_and_without_tmpfs(
    stack_of: Start, data: Path, options: dict[str, object]
) -> None:
    service = server("web", command=("sleep", "600"), ports={}, ready=None, exports={})

    stack = stack_of(service, **options)

    assert stack["web"].data == data / "services" / "web"
    assert event(data, "up") == [""]


@with_memory
def test_the_guardian_of_a_killed_supervisor_removes_the_folder(stack_of: Start, data: Path) -> None:
    stack_of(server("web"))
    folder = Path(memory_folder.existing(Paths(str(data))))

    kill(supervisor_of(data))

    until(lambda: not folder.exists() and not alive(data))


@with_memory
@pytest.mark.parametrize("cleaner", ["start", "down", "wipe"])
def test_a_folder_that_remains_after_a_kill_of_supervisor_and_guardian_is_removed(
    stack_of: Start, data: Path, cleaner: str
) -> None:
    stack_of(server("web"))
    paths = Paths(str(data))
    folder = Path(memory_folder.existing(paths))
    (folder / "services" / "web" / "file").touch()
    kill_both(data, supervisor_of(data))
    assert check_leaks(paths).folders == (str(folder),)

    if cleaner == "start":
        stack_of(server("web"))
        assert not (folder / "services" / "web" / "file").exists()
    elif cleaner == "down":
        assert len(remains.end_unsupervised(paths).pids) == 1
        assert check_leaks(paths).clean
    else:
        wipe.remove(paths)
        assert not data.exists()
    assert cleaner == "start" or not folder.exists()


@with_memory
def test_a_folder_that_remains_after_the_end_of_the_last_service_is_removed(
    stack_of: Start, data: Path
) -> None:
    """A supervisor that is killed between the event `down` and its exit can leave it."""
    stack_of(server("web")).close()
    paths = Paths(str(data))
    path, descriptor = memory_folder.create(paths)
    os.close(descriptor)

    remains.end_unsupervised(paths)

    assert not Path(path).exists()


@with_memory
def test_the_folder_of_a_removed_data_directory_is_removed_by_the_next_start_of_another_stack(
    stack_of: Start, data: Path, tmp_path: Path
) -> None:
    other = Paths(str(tmp_path / "other"))
    make_data_directory(other, "test")
    path, descriptor = memory_folder.create(other)
    os.close(descriptor)
    shutil.rmtree(other.data)

    stack_of(server("web"))

    until(lambda: not Path(path).exists())


@with_memory
def test_data_that_a_reboot_has_removed_are_an_event_and_no_error(stack_of: Start, data: Path) -> None:
    stack_of(server("web"))
    folder = Path(memory_folder.existing(Paths(str(data))))
    kill_both(data, supervisor_of(data))
    for pid in spawned(data):
        kill(pid)
    shutil.rmtree(folder)
    journal = data / "events.jsonl"
    boot = next(event.boot for event in journal_events(data) if event.event == "up")
    journal.write_text(journal.read_text().replace(boot, "another-boot"))

    stack = stack_of(server("web"))

    assert stack.web.data.exists()
    assert event(data, "memory-lost") == [f"the machine has rebooted, so the data in {folder} are gone"]


@with_memory
def test_a_folder_that_was_removed_while_the_stack_runs_is_created_again(stack_of: Start, data: Path) -> None:
    stack = stack_of(server("web"))
    folder = Path(memory_folder.existing(Paths(str(data))))
    shutil.rmtree(folder)

    stack.restart("web")

    assert stack.web.data.exists()
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert event(data, "memory-lost") == [
        f"{folder} was removed while the stack was running; its services start again without data"
    ]
    assert stack.finish().clean
    assert not folder.exists()


@pytest.mark.process
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("size=64m", "has 64 MB free, but 1024 MB are required"),
        ("size=2g,ro", "cannot be written"),
        ("size=2g,noexec", "is mounted with noexec, and a service may run programs in its data folder"),
    ],
)
def test_a_tmpfs_that_cannot_be_used_is_a_reason_in_the_journal(
    tmp_path: Path, options: str, reason: str
) -> None:
    """In a container of Docker, /dev/shm has 64 MB and is mounted with noexec by default."""
    code = f"""
subprocess.check_call(["mount", "-t", "tmpfs", "-o", {options!r}, "tmpfs", "/dev/shm"])
stack_file = resolved(data, [server("web")])
with LocalEngine().open(stack_file) as stack:
    raise_failures(stack.up(stack_file).failures)
    print(stack.web.data)
print(*(event.reason for event in journal_events(data) if event.event == "up"))
"""
    place, journal = on_a_small_disk(tmp_path / "disk", "4m", code)

    assert place == f"{tmp_path}/disk/data/services/web"
    assert journal == f"the data of the services are on the disk: /dev/shm {reason}"


def with_little_room(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
    """Start a supervisor for which every amount of memory is too little for further data."""
    code = argv[4].replace(
        "from infra_runtime.supervisor",
        "import infra_runtime.host.memory as m; m.LOW = m.RECOVERED = 1 << 62; from infra_runtime.supervisor",
        1,
    )
    return subprocess.Popen([*argv[:4], code, *argv[5:]], stdin=stdin, start_new_session=True)


@pytest.fixture
def low(data: Path) -> Iterator[Stack]:
    """A stack whose data in RAM have little room left."""
    stack_plan = resolved(data, [server("web")])
    with LocalEngine(launch=with_little_room).open(stack_plan) as stack:
        raise_failures(stack.up(stack_plan).failures)
        yield stack


@with_memory
def test_little_free_memory_for_the_data_in_ram_is_an_event(low: Stack, data: Path) -> None:
    until(lambda: event(data, "memory-low"))

    [reason] = event(data, "memory-low")
    assert reason.endswith(
        "free for the data of the services in RAM; "
        "set `tmpfs = false` in the stack file, or INFRA_TMPFS=false, to keep the data on the disk"
    )


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceFolders:
    """Folders in RAM, of a data directory without a supervisor."""
    (tmp_path / "shm").mkdir(mode=0o700)
    monkeypatch.setattr(memory, "TMPFS", str(tmp_path / "shm"))
    monkeypatch.setattr(memory, "obstacle", lambda: "")
    paths = Paths(str(tmp_path / "data"))
    make_data_directory(paths, "test")
    places = ServiceFolders(paths, in_memory=True)
    assert places.memory
    for lock in places.locks:
        os.close(lock)
    return places


def test_a_warning_is_repeated_only_after_there_was_enough_room(
    places: ServiceFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings = []
    for megabytes in (300, 200, 100, 400, 200, 600, 200):
        monkeypatch.setattr(memory, "room", lambda megabytes=megabytes: (megabytes << 20, "this machine"))
        warnings.append(places.warning().partition(" free")[0])

    assert warnings == ["", *["this machine has only 200 MB", "", "", ""], "", "this machine has only 200 MB"]


def test_a_folder_that_cannot_be_created_is_the_reason_for_data_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "TMPFS", str(tmp_path / "missing"))
    monkeypatch.setattr(memory, "obstacle", lambda: "")
    paths = Paths(str(tmp_path / "data"))
    make_data_directory(paths, "test")

    places = ServiceFolders(paths, in_memory=True)

    reason = f"the data of the services are on the disk: {tmp_path}/missing: No such file or directory"
    assert (places.memory, places.reason) == ("", reason)
    assert paths.services == f"{paths.data}/services"
    assert places.renew() == places.warning() == ""


def test_the_marker_and_the_folder_of_services_agree(places: ServiceFolders, tmp_path: Path) -> None:
    marker = json.loads((tmp_path / "data" / "infra.json").read_text())

    assert places.memory == f"{tmp_path}/shm/{marker['memory_folder']}"
    assert services_of(tmp_path / "data") == Path(places.memory, "services")
