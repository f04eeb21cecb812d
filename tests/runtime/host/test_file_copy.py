"""Copies that get their final name when they are complete, and folders that ext4 places far apart."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from infra_runtime.host.file_copy import COPY, publish, spread, stage


@pytest.mark.process
def test_a_copy_has_its_final_name_when_it_is_complete(tmp_path: Path) -> None:
    tree, into = tmp_path / "tree", tmp_path / "into"
    (tree / "folder").mkdir(parents=True)
    (tree / "folder" / "file").write_text("text")
    into.mkdir()

    copy = stage(str(into))
    subprocess.run([*COPY, tree, copy], check=True)
    before = list(into.iterdir())
    publish(copy, str(into))

    assert before == []
    assert (into / "folder" / "file").read_text() == "text"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into", "tree"]


def test_copies_have_different_temporary_names(tmp_path: Path) -> None:
    paths = {stage(str(tmp_path / name)).rpartition("/")[2] for name in "abc"}

    assert len(paths) == 3


@pytest.mark.parametrize("name", ["folder", "missing", "file"])
def test_spreading_ignores_files_missing_folders_and_other_file_systems(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    spread(str(tmp_path / name))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.process
@pytest.mark.skipif(shutil.which("lsattr") is None, reason="lsattr, which prints the flag, is missing")
def test_spreading_sets_the_flag_of_ext4(tmp_path: Path) -> None:
    listed = ["lsattr", "-d", str(tmp_path)]
    before = subprocess.run(listed, capture_output=True, text=True, check=False)
    if before.returncode != 0 or "e" not in before.stdout.split()[0]:
        pytest.skip("the folder is not on ext4")

    spread(str(tmp_path))

    after = subprocess.run(listed, capture_output=True, text=True, check=True)
    assert "T" in after.stdout.split()[0]
