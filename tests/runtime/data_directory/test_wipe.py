"""The removal of a data directory: removed files, and files that stay."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from infra_runtime.data_directory.paths import Paths
from infra_runtime.data_directory.wipe import remove
from infra_runtime.errors import DataDirectoryError


def data_directory(folder: Path, *names: str) -> Paths:
    """Create a data directory of the kit with these folders in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).mkdir(parents=True)
    paths = Paths(str(folder))
    Path(paths.marker).write_text("{}", encoding="utf-8")
    return paths


def test_files_of_test_runs_are_removed_too(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "services", "logs", "capsules", "xprocess")
    for name in ("pytest.json", "pytest.lock", "supervisor.lock", "exclusive"):
        (tmp_path / "data" / name).touch()

    assert set(remove(paths)) > {"capsules", "xprocess", "pytest.json", "pytest.lock", "infra.json"}
    assert not (tmp_path / "data").exists()


def test_the_data_directory_of_a_separate_plan_is_removed_too(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "services")
    data_directory(tmp_path / "data" / "plan-4711", "services", "logs")

    assert "plan-4711" in remove(paths)
    assert not (tmp_path / "data").exists()


def test_nothing_is_removed_while_the_stack_of_a_separate_plan_runs(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "services")
    inner = data_directory(tmp_path / "data" / "plan-4711", "services")
    with Path(inner.lock).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(
            DataDirectoryError, match="plan-4711: a supervisor is running in this data directory"
        ):
            remove(paths, patience=0.0)

    assert (tmp_path / "data" / "services").is_dir()


def test_other_files_and_the_marker_are_not_removed(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "services", "notes")

    assert remove(paths) == ["services"]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["infra.json", "notes"]


def test_a_folder_named_like_a_plan_without_a_marker_stays(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "plan-b/notes")

    assert remove(paths) == []
    assert (tmp_path / "data" / "plan-b" / "notes").is_dir()


def test_a_link_named_like_a_plan_and_the_data_directory_behind_it_stay(tmp_path: Path) -> None:
    other = data_directory(tmp_path / "other", "services", "snapshots", "logs")
    paths = data_directory(tmp_path / "data", "services")
    (tmp_path / "data" / "plan-x").symlink_to(tmp_path / "other")

    assert remove(paths) == ["services"]

    assert (tmp_path / "data" / "plan-x").is_symlink()
    assert all(Path(path).is_dir() for path in (other.services, other.logs))
    assert Path(other.marker).is_file()


@pytest.mark.parametrize("name", ["services", "snapshots", "logs", "capsules", "xprocess", "events.jsonl"])
def test_a_link_with_the_name_of_a_folder_of_the_kit_is_removed_and_its_target_stays(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "precious" / "folder").mkdir(parents=True)
    (tmp_path / "precious" / "file").touch()
    paths = data_directory(tmp_path / "data")
    (tmp_path / "data" / name).symlink_to(tmp_path / "precious")

    assert remove(paths) == [name, "infra.json"]

    assert not (tmp_path / "data").exists()
    assert (tmp_path / "precious" / "file").exists()
    assert (tmp_path / "precious" / "folder").exists()


@pytest.mark.parametrize("inner", ["services/web", "services/web/deep/link", "snapshots/x", "logs/web.log"])
def test_a_link_in_a_folder_of_the_kit_is_removed_and_its_target_stays(tmp_path: Path, inner: str) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    paths = data_directory(tmp_path / "data")
    (tmp_path / "data" / inner).parent.mkdir(parents=True)
    (tmp_path / "data" / inner).symlink_to(tmp_path / "precious")

    remove(paths)

    assert not (tmp_path / "data").exists()
    assert (tmp_path / "precious" / "file").exists()


def test_the_files_that_a_killed_wipe_left_are_removed(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", ".services.removed", "services")

    assert remove(paths) == [".services.removed", "services", "infra.json"]
    assert not (tmp_path / "data").exists()


def test_a_directory_with_only_the_lock_of_a_killed_wipe_is_removed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "supervisor.lock").touch()

    assert remove(Paths(str(tmp_path / "data"))) == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["infra.json.4711-4712", "supervisor.lock", ""])
def test_what_a_killed_start_of_a_separate_plan_left_is_removed(tmp_path: Path, name: str) -> None:
    paths = data_directory(tmp_path / "data", "services", "plan-4711")
    if name:
        (tmp_path / "data" / "plan-4711" / name).touch()

    remove(paths)

    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "name", ["infra.json.4711-4712", "control.json.new", "descendants.new", ".infra-4711"]
)
def test_a_file_whose_writing_was_killed_is_removed(tmp_path: Path, name: str) -> None:
    paths = data_directory(tmp_path / "data")
    (tmp_path / "data" / name).touch()

    assert remove(paths) == [name, "infra.json"]
    assert not (tmp_path / "data").exists()


def test_a_copy_of_the_marker_that_the_user_made_stays(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "infra.json.bak").touch()

    with pytest.raises(DataDirectoryError, match=r"no file infra\.json"):
        remove(Paths(str(tmp_path / "data")))

    assert (tmp_path / "data" / "infra.json.bak").exists()
