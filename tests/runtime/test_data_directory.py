"""Whose a data directory is: what a test removes at its end must never be anybody else's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra_runtime.data_directory.paths import FORMAT, Paths
from infra_runtime.engines.local.client import make_data_directory
from infra_runtime.errors import DataDirectoryError


def test_a_new_directory_is_marked_and_kept_out_of_git(tmp_path: Path) -> None:
    data = tmp_path / "data"

    make_data_directory(Paths(str(data)), "test")

    assert json.loads((data / "infra.json").read_text())["environment"] == "test"
    assert (data / ".gitignore").read_text() == "*\n"


def test_a_directory_may_be_made_twice(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path / "data"))

    make_data_directory(paths, "development")
    make_data_directory(paths, "staging")


@pytest.mark.parametrize(("owner", "guest"), [("development", "test"), ("test", "development")])
def test_a_test_and_development_never_share_their_data(tmp_path: Path, owner: str, guest: str) -> None:
    paths = Paths(str(tmp_path / "data"))
    make_data_directory(paths, owner)

    with pytest.raises(DataDirectoryError, match=f"data of the environment {owner}, and this is {guest}"):
        make_data_directory(paths, guest)


def test_a_folder_that_holds_somebody_elses_files_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "mine.txt").write_text("mine")

    with pytest.raises(DataDirectoryError, match="not empty, and pytest-infra did not make it"):
        make_data_directory(Paths(str(tmp_path)), "test")

    assert [path.name for path in tmp_path.rglob("*")] == ["services", "mine.txt"]


def test_a_marker_that_nobody_of_ours_wrote_is_told(tmp_path: Path) -> None:
    (tmp_path / "infra.json").write_text("[]")

    with pytest.raises(DataDirectoryError, match="not what this kit writes"):
        make_data_directory(Paths(str(tmp_path)), "test")


def test_the_data_of_a_newer_kit_are_left_alone(tmp_path: Path) -> None:
    found = {"format": FORMAT + 1, "stack": "", "environment": "test"}
    (tmp_path / "infra.json").write_text(json.dumps(found))

    with pytest.raises(
        DataDirectoryError, match=f"newer pytest-infra \\(format {FORMAT + 1}, this one knows {FORMAT}"
    ):
        make_data_directory(Paths(str(tmp_path)), "test")


def test_a_place_where_nothing_can_be_written_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DataDirectoryError, match="Not a directory"):
        make_data_directory(Paths(str(tmp_path / "file" / "data")), "test")
