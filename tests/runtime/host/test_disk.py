"""The removal of files and folders, which follows no link, and writes that are complete or missing."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from infra_runtime.host import disk


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Create a folder with a file that no removal may reach."""
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "file").write_text("content")
    return folder


@pytest.fixture(params=[disk.remove, disk.discard], ids=["remove", "discard"])
def remove(request: pytest.FixtureRequest):
    """Return each of the two functions that remove a path."""
    return request.param


def test_a_folder_is_removed_with_its_content(tmp_path: Path, remove) -> None:
    (tmp_path / "folder" / "a" / "b").mkdir(parents=True)
    (tmp_path / "folder" / "a" / "b" / "file").touch()
    (tmp_path / "folder" / "file").touch()

    remove(str(tmp_path / "folder"))

    assert list(tmp_path.iterdir()) == []


def test_a_file_is_removed_and_a_missing_path_is_ignored(tmp_path: Path, remove) -> None:
    (tmp_path / "file").touch()

    remove(str(tmp_path / "file"))
    remove(str(tmp_path / "file"))
    remove(str(tmp_path / "missing" / "file"))

    assert list(tmp_path.iterdir()) == []


def test_a_link_is_removed_and_its_target_stays(tmp_path: Path, precious: Path, remove) -> None:
    (tmp_path / "link").symlink_to(precious)
    (tmp_path / "dangling").symlink_to("nowhere")

    remove(str(tmp_path / "link"))
    remove(str(tmp_path / "dangling"))

    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (precious / "file").exists()


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_links_in_a_folder_are_removed_and_their_targets_stay(
    tmp_path: Path, precious: Path, remove, depth: int
) -> None:
    folder = tmp_path / "folder" / "/".join("abc"[:depth])
    folder.mkdir(parents=True)
    (folder / "to a folder").symlink_to(precious)
    (folder / "to a file").symlink_to(precious / "file")

    remove(str(tmp_path / "folder"))

    assert not (tmp_path / "folder").exists()
    assert (precious / "file").exists()


def test_nothing_is_removed_when_the_containing_folder_is_a_link(
    tmp_path: Path, precious: Path, remove
) -> None:
    (tmp_path / "link").symlink_to(precious)

    with pytest.raises(OSError, match=r"link"):
        remove(str(tmp_path / "link" / "file"))

    assert (precious / "file").exists()


def test_a_deep_tree_needs_few_descriptors(tmp_path: Path) -> None:
    root = os.open(tmp_path, os.O_RDONLY)
    parent = root
    for _ in range(1100):
        os.mkdir("folder", dir_fd=parent)
        inner = os.open("folder", os.O_RDONLY, dir_fd=parent)
        os.close(parent)
        parent = inner
    os.close(parent)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = sum(1 for _ in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 10, limits[1]))

    try:
        disk.remove(str(tmp_path / "folder"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every folder")
def test_folders_without_write_permission_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "folder" / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "file").touch()
    for path in (folder, folder.parent, tmp_path / "folder"):
        path.chmod(0o500)

    disk.remove(str(tmp_path / "folder"))

    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_removed_does_not_prevent_the_removal_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    for name in ("a", "b", "c"):
        (folder / name).mkdir(parents=True)
        (folder / name / name).touch()
    unlink = os.unlink

    def refuse(path: str, *, dir_fd: int | None = None) -> None:
        if path == "b":
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)

    with pytest.raises(PermissionError) as caught:
        disk.remove(str(folder))

    assert caught.value.filename == f"{folder}/b/b"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == ["b", "b/b"]


def test_the_rest_of_an_interrupted_removal_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / ".folder.removed" / "rest").mkdir(parents=True)
    (tmp_path / "folder").mkdir()

    disk.discard(str(tmp_path / "folder"))

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_keeps_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    disk.write(str(path), "old", durable=True)

    def refuse(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)

    with pytest.raises(OSError, match="No space left"):
        disk.write(str(path), "new", durable=True)

    assert path.read_text() == "old"


def test_a_file_is_written_with_its_undecodable_characters(tmp_path: Path) -> None:
    disk.write(str(tmp_path / "file"), os.fsdecode(b"caf\xe9"), durable=False)

    assert (tmp_path / "file").read_bytes() == b"caf\xe9"


def test_syncing_a_folder_and_its_file_system_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")

    disk.sync_folder(str(tmp_path))
    disk.sync_file_system(str(tmp_path))

    assert (tmp_path / "file").read_text() == "content"
