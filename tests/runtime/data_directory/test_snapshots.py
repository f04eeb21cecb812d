"""The list of snapshots, damaged ones, and the removal of a snapshot."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from infra_runtime.data_directory import snapshots
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import SnapshotError

GOOD = {"format": 2, "name": "good", "time": 1.0, "services": {"web": "digest"}, "executables": {}}
DAMAGES = {
    "{}": "snapshot.json: format: is missing",
    "": "snapshot.json is not JSON",
    '{"format": 2, "na': "snapshot.json is not JSON",
    "null": "snapshot.json: must be an object, not None",
    "[]": "snapshot.json: must be an object",
    "[" * 100_000: "snapshot.json is not JSON",
    json.dumps({**GOOD, "services": []}): "snapshot.json: services: must be an object",
    json.dumps({**GOOD, "services": {"gone": "digest"}}): "services/gone is missing",
    json.dumps({**GOOD, "services": {"a\0b": "digest"}}): "is missing",
    json.dumps({**GOOD, "time": "now"}): "snapshot.json: time: must be a number",
    json.dumps({**GOOD, "time": 1e300}): "snapshot.json: time: ",
    json.dumps({**GOOD, "time": float("nan")}): "snapshot.json",
    json.dumps({**GOOD, "format": 1}): "the format of its files is 1; this version of pytest-infra reads 2",
    "\xff": "snapshot.json is not JSON",
}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return the paths of a data directory with the snapshot `good`."""
    add(tmp_path, "good", json.dumps(GOOD))
    return Paths(str(tmp_path))


def add(data: Path, name: str, description: str | None) -> Path:
    """Add a snapshot with this description."""
    folder = data / "snapshots" / name
    (folder / "services" / "web").mkdir(parents=True)
    if description is not None:
        (folder / "snapshot.json").write_bytes(description.encode("latin-1"))
    return folder


@pytest.mark.parametrize(("description", "reason"), DAMAGES.items(), ids=range(len(DAMAGES)))
def test_a_damaged_snapshot_is_named_beside_the_others_and_can_be_removed(
    paths: Paths, tmp_path: Path, description: str, reason: str
) -> None:
    folder = add(tmp_path, "bad", description)

    existing, [damaged] = snapshots.listing(paths)

    assert [snapshot.name for snapshot in existing] == ["good"]
    assert damaged.name == "bad"
    assert reason in damaged.reason
    with pytest.raises(SnapshotError) as caught:
        snapshots.describe(paths, "bad")
    assert caught.value.hint == "Remove the snapshot with `infra runtime snapshot remove bad`."
    assert snapshots.remove(paths, "bad") == damaged
    assert not folder.exists()


def test_a_folder_without_a_description_is_a_damaged_snapshot(paths: Paths, tmp_path: Path) -> None:
    add(tmp_path, "bad", None)

    [damaged] = snapshots.listing(paths)[1]

    assert damaged.reason == "the snapshot is damaged: snapshot.json is missing or not a file"


@pytest.mark.parametrize("target", ["snapshots/good", "elsewhere", "missing", "a file"])
def test_a_link_is_a_damaged_snapshot_whose_target_stays_when_it_is_removed(
    paths: Paths, tmp_path: Path, target: str
) -> None:
    add(tmp_path / "elsewhere", "other", json.dumps(GOOD))
    (tmp_path / "a file").touch()
    link = tmp_path / "snapshots" / "bad"
    link.symlink_to(tmp_path / target)

    existing, [damaged] = snapshots.listing(paths)
    snapshots.remove(paths, "bad")

    assert [snapshot.name for snapshot in existing] == ["good"]
    assert damaged.reason == f"{link} is a symbolic link and not the folder of a snapshot"
    assert not link.is_symlink()
    assert (tmp_path / "elsewhere" / "snapshots" / "other" / "snapshot.json").exists()
    assert (tmp_path / "snapshots" / "good" / "snapshot.json").exists()


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_a_description_that_is_not_a_file_is_a_damage(paths: Paths, tmp_path: Path, kind: str) -> None:
    path = add(tmp_path, "bad", None) / "snapshot.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "snapshots" / "good" / "snapshot.json")

    [damaged] = snapshots.listing(paths)[1]

    assert damaged.reason == "the snapshot is damaged: snapshot.json is missing or not a file"


def test_a_link_in_place_of_the_folder_of_all_snapshots_is_an_error(tmp_path: Path) -> None:
    add(tmp_path / "elsewhere", "other", json.dumps(GOOD))
    data = tmp_path / "data"
    data.mkdir()
    (data / "snapshots").symlink_to(tmp_path / "elsewhere" / "snapshots")
    paths = Paths(str(data))

    for call in (snapshots.listing, lambda it: snapshots.remove(it, "other")):
        with pytest.raises(SnapshotError, match="snapshots is not a folder but a file or a symbolic link"):
            call(paths)

    assert snapshots.leftovers(paths) == []
    assert (tmp_path / "elsewhere" / "snapshots" / "other" / "snapshot.json").exists()


def test_a_copied_snapshot_has_the_name_of_its_folder(paths: Paths, tmp_path: Path) -> None:
    add(tmp_path, "copied", json.dumps(GOOD))

    assert sorted(snapshot.name for snapshot in snapshots.known(paths)) == ["copied", "good"]


def test_the_older_snapshot_is_used_while_the_newer_one_has_no_name(paths: Paths, tmp_path: Path) -> None:
    root = tmp_path / "snapshots"
    (root / "good").rename(root / ".good.old")

    assert [snapshot.name for snapshot in snapshots.known(paths)] == ["good"]
    assert snapshots.describe(paths, "good")[0] == f"{root}/.good.old"
    assert snapshots.leftovers(paths) == []
    assert [path.name for path in root.iterdir()] == ["good"]


def test_a_removed_snapshot_is_not_replaced_by_the_older_one(paths: Paths, tmp_path: Path) -> None:
    add(tmp_path, ".good.old", json.dumps(GOOD))

    snapshots.remove(paths, "good")

    assert list((tmp_path / "snapshots").iterdir()) == []
    with pytest.raises(SnapshotError, match="the snapshot does not exist"):
        snapshots.remove(paths, "good")


def test_names_that_the_kit_does_not_use_are_not_leftovers(paths: Paths, tmp_path: Path) -> None:
    for name in (".hidden", ".good.new", ".good.removed", ".good.old", "notes.new"):
        (tmp_path / "snapshots" / name).mkdir()

    removable = {Path(path).name for path in snapshots.leftovers(paths)}

    assert removable == {".good.new", ".good.removed", ".good.old"}


def test_a_file_that_cannot_be_removed_is_an_error_with_its_path(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "unlink", refuse)

    with pytest.raises(SnapshotError, match=r"cannot be removed: .*snapshot\.json: Operation not permitted"):
        snapshots.remove(paths, "good")
