"""Files and folders that only their owner can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_infra.private_files import make_folder, protect, write


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_folder_and_its_missing_parents_are_private(tmp_path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")

    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700


def test_a_file_is_private_although_a_readable_one_existed(tmp_path) -> None:
    (tmp_path / "old").touch(0o644)

    write(tmp_path / "old", "größe")
    write(tmp_path / "new", "text")

    assert mode(tmp_path / "old") == mode(tmp_path / "new") == 0o600
    assert (tmp_path / "old").read_text(encoding="utf-8") == "größe"


def test_everything_in_a_folder_becomes_private(tmp_path) -> None:
    (tmp_path / "dumps" / "inner").mkdir(parents=True)
    (tmp_path / "dumps" / "inner" / "file").touch(0o644)
    outside = tmp_path / "outside"
    outside.touch(0o644)
    (tmp_path / "dumps" / "link").symlink_to(outside)

    protect(tmp_path / "dumps")

    assert mode(tmp_path / "dumps") == mode(tmp_path / "dumps" / "inner") == 0o700
    assert mode(tmp_path / "dumps" / "inner" / "file") == 0o600
    assert mode(outside) == 0o644
