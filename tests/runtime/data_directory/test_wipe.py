"""What is removed of a data directory, and what stays."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from infra_runtime.data_directory.paths import Paths
from infra_runtime.data_directory.wipe import remove
from infra_runtime.errors import DataDirectoryError


def data_directory(folder: Path, *names: str) -> Paths:
    """One of ours, with these folders in it."""
    for name in names:
        (folder / name).mkdir(parents=True)
    paths = Paths(str(folder))
    Path(paths.marker).write_text("{}", encoding="utf-8")
    return paths


def test_what_runs_of_tests_have_left_goes_too(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "services", "logs", "capsules", "xprocess")
    for name in ("pytest.json", "pytest.lock", "supervisor.lock"):
        (tmp_path / "data" / name).touch()

    assert set(remove(paths)) > {"capsules", "xprocess", "pytest.json", "pytest.lock", "infra.json"}
    assert not (tmp_path / "data").exists()


def test_a_stack_of_its_own_that_a_run_had_goes_too(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "services")
    data_directory(tmp_path / "data" / "plan-4711", "services", "logs")

    assert "plan-4711" in remove(paths)
    assert not (tmp_path / "data").exists()


def test_as_long_as_such_a_stack_runs_nothing_is_removed(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "services")
    inner = data_directory(tmp_path / "data" / "plan-4711", "services")
    with Path(inner.lock).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DataDirectoryError, match="plan-4711: a supervisor is running in it"):
            remove(paths, patience=0.0)

    assert (tmp_path / "data" / "services").is_dir()


def test_what_is_not_ours_stays_and_the_directory_stays_ours(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "services", "notes")

    assert remove(paths) == ["services"]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["infra.json", "notes"]


def test_a_folder_that_is_called_like_a_plan_and_is_not_ours_stays(tmp_path: Path) -> None:
    paths = data_directory(tmp_path / "data", "plan-b")

    assert remove(paths) == []
    assert (tmp_path / "data" / "plan-b").is_dir()
