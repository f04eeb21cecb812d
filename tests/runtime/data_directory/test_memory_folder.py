"""The folder in RAM: its record in the marker, its owner, its lock, and its removal."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.killed import KILLED, statuses
from infra_runtime.data_directory import memory_folder
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import file_lock, memory


@pytest.fixture
def tmpfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /dev/shm, with the same mode."""
    folder = tmp_path / "shm"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(memory, "TMPFS", str(folder))
    return folder


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A data directory of a test stack."""
    paths = Paths(str(tmp_path / "data"))
    make_data_directory(paths, "test")
    return paths


@pytest.fixture
def folder(tmpfs: Path, paths: Paths) -> Iterator[Path]:
    """A folder that a supervisor has created and that no process uses any longer."""
    path, descriptor = memory_folder.create(paths)
    os.close(descriptor)
    return Path(path)


def test_the_folder_is_private_and_its_name_is_in_the_marker(tmpfs: Path, paths: Paths) -> None:
    path, descriptor = memory_folder.create(paths)

    os.close(descriptor)
    assert Path(path).parent == tmpfs
    assert Path(path).stat().st_mode & 0o7777 == 0o700
    assert json.loads(Path(paths.marker).read_text())["memory_folder"] == Path(path).name
    assert memory_folder.existing(paths) == path


def test_the_marker_keeps_its_other_values(tmpfs: Path, paths: Paths) -> None:
    before = json.loads(Path(paths.marker).read_text())

    os.close(memory_folder.create(paths)[1])

    after = json.loads(Path(paths.marker).read_text())
    assert {key: after[key] for key in before} == before
    make_data_directory(paths, "test")


def test_every_run_of_a_stack_uses_the_same_name(folder: Path, paths: Paths) -> None:
    memory_folder.remove(paths)
    marker = Path(paths.marker).stat()

    path, descriptor = memory_folder.create(paths)

    os.close(descriptor)
    assert path == str(folder)
    assert Path(paths.marker).stat().st_mtime_ns == marker.st_mtime_ns


def test_the_removal_removes_everything_in_the_folder(folder: Path, paths: Paths) -> None:
    (folder / "services" / "web").mkdir(parents=True)
    (folder / "services" / "web" / "file").touch()

    assert memory_folder.remove(paths) == str(folder)
    assert not folder.exists()
    assert memory_folder.remove(paths) == ""


@pytest.mark.process
def test_a_kill_at_any_moment_leaves_no_folder_that_the_next_start_would_not_remove(
    tmp_path: Path, tmpfs: Path, paths: Paths
) -> None:
    content = Path(paths.marker).read_text()

    def prepare() -> None:
        memory_folder.remove(paths)
        assert list(tmpfs.iterdir()) == []
        Path(paths.marker).write_text(content)

    for status in statuses(tmp_path, prepare, lambda: os.close(memory_folder.create(paths)[1])):
        assert status == KILLED or len(list(tmpfs.iterdir())) == 1
        memory_folder.remove(paths)
        assert list(tmpfs.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["/etc", "..", "infra-{stack}-0", "infra-000000000000-0123456789abcdef", 7, None, "infra-x\0"]
)
def test_a_name_that_no_supervisor_of_this_stack_has_written_is_ignored(
    tmpfs: Path, paths: Paths, name: object
) -> None:
    written = name.replace("{stack}", paths.stack) if isinstance(name, str) else name
    Path(paths.marker).write_text(json.dumps({"memory_folder": written}))

    assert memory_folder.recorded(paths) == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"'])
def test_a_marker_without_a_table_has_no_folder(paths: Paths, text: str) -> None:
    Path(paths.marker).write_text(text)

    assert memory_folder.recorded(paths) == ""


def test_a_copied_data_directory_does_not_use_or_remove_the_folder_of_the_original(
    folder: Path, paths: Paths, tmp_path: Path
) -> None:
    shutil.copytree(paths.data, tmp_path / "copy")
    copy = Paths(str(tmp_path / "copy"))

    assert memory_folder.remove(copy) == ""
    path, descriptor = memory_folder.create(copy)

    os.close(descriptor)
    assert path != str(folder)
    assert folder.exists()


def test_a_folder_that_a_process_has_locked_is_neither_removed_nor_used(folder: Path, paths: Paths) -> None:
    """This is the case of two containers with the same paths and a common /dev/shm."""
    other = file_lock.acquire(str(folder / memory_folder.OWNER))
    assert other is not None

    assert memory_folder.remove(paths) == ""
    path, descriptor = memory_folder.create(paths)

    os.close(descriptor)
    os.close(other)
    assert path != str(folder)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_or_a_file_in_place_of_the_folder_is_not_removed(
    folder: Path, paths: Paths, tmp_path: Path, kind: str
) -> None:
    memory_folder.remove(paths)
    target = tmp_path / "target"
    target.mkdir()
    (target / "file").touch()
    if kind == "link":
        folder.symlink_to(target)
    else:
        folder.touch()

    assert memory_folder.remove(paths) == ""
    assert os.path.lexists(folder)
    assert (target / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can create files of other users")
def test_a_folder_of_another_user_is_neither_removed_nor_used(folder: Path, paths: Paths) -> None:
    os.chown(folder, 64321, 64321)

    assert memory_folder.existing(paths) == ""
    assert memory_folder.remove(paths) == ""
    path, descriptor = memory_folder.create(paths)

    os.close(descriptor)
    assert path != str(folder)
    assert folder.exists()


def test_a_tmpfs_that_other_users_can_change_is_refused(tmpfs: Path, paths: Paths) -> None:
    tmpfs.chmod(0o777)

    with pytest.raises(PermissionError, match="other users can write to this folder"):
        memory_folder.create(paths)

    assert list(tmpfs.iterdir()) == []


def test_the_folder_of_a_removed_data_directory_is_abandoned(folder: Path, paths: Paths) -> None:
    assert memory_folder.abandoned() == []

    shutil.rmtree(paths.data)

    assert memory_folder.abandoned() == [str(folder)]


def test_a_folder_that_is_in_use_is_not_abandoned(folder: Path, paths: Paths) -> None:
    """A process in another container cannot see the data directory."""
    shutil.rmtree(paths.data)
    other = file_lock.acquire(str(folder / memory_folder.OWNER))
    assert other is not None

    assert memory_folder.abandoned() == []
    os.close(other)


def test_a_folder_whose_lock_file_is_empty_is_not_abandoned(folder: Path, paths: Paths) -> None:
    """A process that creates the folder writes to the file when it has the lock."""
    shutil.rmtree(paths.data)
    (folder / memory_folder.OWNER).write_bytes(b"")

    assert memory_folder.abandoned() == []


def test_a_link_to_an_abandoned_folder_is_not_abandoned(tmpfs: Path, folder: Path, paths: Paths) -> None:
    shutil.rmtree(paths.data)
    (tmpfs / "infra-0123456789ab-0123456789abcdef").symlink_to(folder)

    assert memory_folder.abandoned() == [str(folder)]


def test_folders_of_other_programs_are_not_abandoned(tmpfs: Path, folder: Path, paths: Paths) -> None:
    for name in ("infra-other", "infra-0123456789ab-0123456789abcdef"):
        (tmpfs / name).mkdir()

    assert memory_folder.abandoned() == []


def test_two_processes_that_create_the_marker_do_not_remove_the_name_of_the_folder(
    folder: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process has found no marker before the first one wrote it."""
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path.name != "infra.json" and exists(path))
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(()))

    make_data_directory(paths, "test")

    assert memory_folder.recorded(paths) == str(folder)
