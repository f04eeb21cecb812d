"""Copies that get their final name when they are complete, and folders that ext4 places far apart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra_runtime.host.file_copy import COPY, copy, publish, spread, stage


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


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files, folders and links, with different permissions."""
    tree = tmp_path / "tree"
    (tree / "folder" / "empty").mkdir(parents=True)
    for name, mode in (("private", 0o600), ("folder/program", 0o755), ("folder/empty-file", 0o644)):
        (tree / name).write_bytes(b"" if "empty" in name else name.encode() * 100_000)
        (tree / name).chmod(mode)
    (tree / "folder").chmod(0o750)
    (tree / "link").symlink_to("folder/program")
    (tree / "broken").symlink_to("/missing")
    return tree


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, the copy replaces the process")
@pytest.mark.parametrize("place", ["the same file system", "another file system"])
def test_a_copy_has_the_content_the_permissions_and_the_links_of_the_tree(
    tree: Path, tmp_path: Path, memory: Path, place: str
) -> None:
    to = (memory if place == "another file system" else tmp_path) / "copy"
    umask = os.umask(0o077)
    try:
        copy(str(tree), str(to))
    finally:
        os.umask(umask)

    assert described(to) == described(tree)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, the copy replaces the process")
def test_a_tree_with_a_named_pipe_cannot_be_copied(tree: Path, tmp_path: Path) -> None:
    os.mkfifo(tree / "pipe")

    with pytest.raises(OSError, match="not a regular file"):
        copy(str(tree), str(tmp_path / "copy"))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the one of `tmp_path`, or a skipped test."""
    path = Path("/dev/shm") / f"infra-test-{uuid.uuid4().hex}"
    try:
        path.mkdir(mode=0o700)
    except OSError as error:
        pytest.skip(f"/dev/shm cannot be used: {error}")
    yield path
    shutil.rmtree(path)


def described(tree: Path) -> dict[str, tuple[int, object]]:
    """Return a mapping from each path in a folder to its permissions and its content or target."""
    files: dict[str, tuple[int, object]] = {}
    for path in (tree, *tree.rglob("*")):
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        files[str(path.relative_to(tree))] = path.lstat().st_mode, content
    return files
