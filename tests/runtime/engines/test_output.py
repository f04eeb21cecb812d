"""The files of an export in their folder, when the disk is full or the folder has other files."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra_runtime.engines.output import first_line, make_secrets, write
from infra_runtime.errors import ExportError

SMALL, LARGE = first_line("kubernetes"), first_line("kubernetes") + "a: 1\n" * 10_000


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Files have at most 20,000 bytes; a larger one is an error, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_the_previous_file_and_no_part_of_the_new_one(tmp_path: Path) -> None:
    write(tmp_path, {"base/a.yaml": SMALL}, "kubernetes")

    with pytest.raises(ExportError, match="cannot be written"):
        write(tmp_path, {"base/a.yaml": LARGE}, "kubernetes")

    assert [path.name for path in (tmp_path / "base").iterdir()] == ["a.yaml"]
    assert (tmp_path / "base" / "a.yaml").read_text() == SMALL


def test_a_secret_that_cannot_be_written_is_made_by_the_next_export(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(ExportError, match="cannot be written"):
            make_secrets(tmp_path / "secrets", ["password"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    left = [*(tmp_path / "secrets").iterdir()]

    assert left == []
    assert make_secrets(tmp_path / "secrets", ["password"]) == ["password"]
    assert len((tmp_path / "secrets" / "password").read_text()) == 48
    assert make_secrets(tmp_path / "secrets", ["password"]) == []


def test_two_exports_at_once_leave_the_files_of_one_of_them(tmp_path: Path) -> None:
    texts = [{f"{name}.yaml": f"{SMALL}n: {number}\n" for name in range(50)} for number in range(4)]

    with ThreadPoolExecutor(max_workers=4) as pool:
        for future in [pool.submit(write, tmp_path, files, "kubernetes") for files in texts * 3]:
            future.result()

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} in texts


def test_a_link_in_place_of_the_new_file_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("own")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".a.yaml.new").symlink_to(other)

    with pytest.raises(ExportError, match="cannot be written"):
        write(folder, {"a.yaml": SMALL}, "kubernetes")
    assert other.read_text() == "own"


def test_a_file_that_the_export_did_not_write_is_replaced_only_with_force(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("own")

    with pytest.raises(ExportError, match=r"did not generate: a\.yaml"):
        write(tmp_path, {"a.yaml": SMALL}, "kubernetes")
    kept = (tmp_path / "a.yaml").read_text()
    write(tmp_path, {"a.yaml": SMALL}, "kubernetes", force=True)

    assert kept == "own"
    assert (tmp_path / "a.yaml").read_text() == SMALL


def test_a_secret_is_made_on_a_file_system_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(source), None, str(target))

    monkeypatch.setattr(os, "link", fail)

    made = make_secrets(tmp_path / "secrets", ["password"])
    text = (tmp_path / "secrets" / "password").read_text()
    again = make_secrets(tmp_path / "secrets", ["password"])

    assert (made, again) == (["password"], [])
    assert len(text) == 48
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["password"]
