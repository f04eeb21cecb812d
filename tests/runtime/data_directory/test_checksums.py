"""The checksums of a snapshot's files, and the first difference of a copy."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from infra_runtime.data_directory import checksums


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Create a sealed snapshot with a file, an empty folder, a link, a FIFO and a name that is not UTF-8."""
    folder = tmp_path / "snapshot"
    web = folder / "services" / "web"
    (web / "empty").mkdir(parents=True)
    (web / "file").write_text("content")
    (web / "link").symlink_to("nowhere")
    os.mkfifo(web / "fifo")
    Path(os.fsdecode(os.fsencode(web) + b"/caf\xe9")).write_text("coffee")
    (folder / "snapshot.json").write_text('{"name": "snapshot"}')
    checksums.seal(str(folder), durable=True)
    return folder


def difference(snapshot: Path, copy: Path | None = None) -> str:
    return checksums.difference(str(snapshot), str(copy or snapshot / "services"), durable=True)


def test_a_sealed_snapshot_keeps_its_description_and_has_size_and_hash_of_each_file(snapshot: Path) -> None:
    description = json.loads((snapshot / "snapshot.json").read_text())

    assert description["name"] == "snapshot"
    assert description["files"] == {
        "web": "folder",
        "web/empty": "folder",
        # as `b2sum -l 128` prints it
        "web/file": "7 c681ff421fbd7af6dc373a7ced20fbeb",
        "web/link": "link nowhere",
        "web/fifo": "type 10000",
        "web/caf\udce9": "6 " + description["files"]["web/caf\udce9"].partition(" ")[2],
    }


def test_a_complete_copy_has_no_difference(snapshot: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(snapshot / "services", copy, symlinks=True, ignore=shutil.ignore_patterns("fifo"))
    os.mkfifo(copy / "web" / "fifo")

    assert difference(snapshot) == ""
    assert difference(snapshot, copy) == ""


def test_a_file_that_has_the_same_size_and_another_content_is_found(snapshot: Path) -> None:
    (snapshot / "services" / "web" / "file").write_text("CONTENT")

    assert difference(snapshot) == "services/web/file has changed since the snapshot was saved"


def test_a_file_in_place_of_a_folder_is_a_difference(snapshot: Path) -> None:
    (snapshot / "services" / "web" / "empty").rmdir()
    (snapshot / "services" / "web" / "empty").touch()

    assert difference(snapshot) == "services/web/empty has changed since the snapshot was saved"


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"files": null}', '{"files": 3}', '{"files": ["a"]}'])
def test_a_description_without_checksums_is_a_difference(snapshot: Path, text: str) -> None:
    (snapshot / "snapshot.json").write_text(text)

    assert difference(snapshot) == "snapshot.json contains no checksums"


def test_the_main_function_writes_the_difference_to_a_file(snapshot: Path, tmp_path: Path) -> None:
    services, answer = snapshot / "services", tmp_path / "answer"
    (services / "web" / "file").unlink()

    checksums.main(["check", str(snapshot), str(services), str(answer), "0"])

    assert answer.read_text() == "services/web/file is missing"
    with pytest.raises(ValueError, match="unknown"):
        checksums.main(["unknown"])


def test_the_main_function_removes_all_paths_that_can_be_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path)

    checksums.main(["remove", str(tmp_path / "link" / "folder"), str(tmp_path / "folder")])

    assert not (tmp_path / "folder").exists()
    assert "link" in capsys.readouterr().err
