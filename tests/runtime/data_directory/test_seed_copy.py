from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra_runtime.data_directory import seed_cache
from infra_runtime.data_directory.seed_copy import copy
from infra_runtime.host import file_lock


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    seed = tmp_path / "seeds" / "web-1"
    seed.mkdir(parents=True)
    (seed / "file").write_text("content")
    seed_cache.stamp(str(seed))
    return seed


def test_a_copy_replaces_an_empty_folder_and_marks_the_seed_as_used(tree: Path, tmp_path: Path) -> None:
    into, stamp = tmp_path / "data", tree.with_name("web-1.json")
    into.mkdir()
    os.utime(stamp, (0, 0))

    assert copy(str(tree), str(into)) == ""

    assert (into / "file").read_text() == "content"
    assert not (tmp_path / "data.new").exists()
    assert stamp.stat().st_mtime > 0


def test_a_damaged_seed_is_not_used(tree: Path, tmp_path: Path) -> None:
    (tree / "file").write_text("damaged content")

    assert "bytes instead of" in copy(str(tree), str(tmp_path / "data"))

    assert [path.name for path in tmp_path.iterdir()] == ["seeds"]


def test_a_copy_that_fails_uses_no_space(tree: Path, tmp_path: Path) -> None:
    os.mkfifo(tree / "pipe")

    with pytest.raises(OSError, match="not a regular file"):
        copy(str(tree), str(tmp_path / "data"))

    assert [path.name for path in tmp_path.iterdir()] == ["seeds"]


def test_a_seed_that_is_being_built_is_not_copied(tree: Path, tmp_path: Path) -> None:
    lock = file_lock.acquire(f"{tree}.lock")
    assert lock is not None

    assert "is locked" in copy(str(tree), str(tmp_path / "data"))

    os.close(lock)
