"""Artefacts of several recipes are downloaded at the same time, each once, with one progress."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.artefacts import Files, locked, serving
from infra_runtime.binaries import artefacts
from infra_runtime.binaries.artefacts import Counter, fetch
from infra_runtime.binaries.lockfile import Locked
from infra_runtime.errors import InstallError

pytestmark = pytest.mark.process


@pytest.fixture
def files() -> Iterator[Files]:
    with serving() as served:
        yield served


def add(files: Files, *names: str) -> list[Locked]:
    """Add a file for each recipe, and return the lock entries."""
    return [locked(name, files.add(name, name.encode() * 1000), name.encode() * 1000) for name in names]


def paths(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_artefacts_are_downloaded_at_the_same_time(files: Files, tmp_path: Path) -> None:
    """The server sends a file only when all files are requested."""
    entries = add(files, "one", "two", "three")
    files.together = threading.Barrier(len(entries))

    fetch(entries, tmp_path)

    assert paths(tmp_path) == sorted(f"{entry.recipe}/{entry.artefacts[0].file_name}" for entry in entries)


def test_progress_counts_all_downloads_and_what_was_there_before(files: Files, tmp_path: Path) -> None:
    entries = add(files, "one", "second")
    reported: list[tuple[int, int]] = []
    fetch(entries[:1], tmp_path)

    fetch(entries, tmp_path, counter=Counter(lambda *numbers: reported.append(numbers), entries))

    assert reported[0] == (3000, 9000)
    assert reported[-1] == (9000, 9000)


def test_an_artefact_of_two_recipes_is_downloaded_once(files: Files, tmp_path: Path) -> None:
    (entry,) = add(files, "library")
    other = replace(entry, recipe="other")
    name = entry.artefacts[0].file_name

    fetch([entry, other], tmp_path)
    (tmp_path / "library" / name).unlink()
    fetch([entry, other], tmp_path)

    assert paths(tmp_path) == [f"library/{name}", f"other/{name}"]
    assert len(files.requests) == 1


def test_the_downloads_of_other_recipes_are_not_touched(files: Files, tmp_path: Path) -> None:
    """Another process may use them."""
    one, two = add(files, "one", "two")
    for name in ("one", "two"):
        (tmp_path / name / ".files-1").mkdir(parents=True)

    fetch([one], tmp_path)

    assert not (tmp_path / "one" / ".files-1").exists()
    assert (tmp_path / "two" / ".files-1").exists()
    with pytest.raises(InstallError, match="1 files are not in"):
        fetch([one, two], tmp_path, offline=True)


def test_recipes_with_different_versions_of_a_jar_are_downloaded_separately(tmp_path: Path) -> None:
    """Maven would select one of the versions for both recipes."""
    entries = [locked(name, name, name.encode()) for name in ("broker", "database")]
    for registry, expected in (("maven", [["broker"], ["database"]]), ("debian", [["broker", "database"]])):
        needed = artefacts._downloads(
            [
                replace(entry, artefacts=(replace(entry.artefacts[0], registry=registry),))
                for entry in entries
            ],
            tmp_path,
        )

        lists = artefacts._lists(needed)

        assert [[file.locked.recipe for file in files] for files in lists] == expected
