"""The exchange of the services' folders: all or none. `test_interrupted_snapshots.py` kills real restores."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.data_directory import restoration
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import DataDirectoryError


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A data directory with two services, and with copies of a snapshot for a restore."""
    paths = Paths(str(tmp_path))
    for name in ("api", "db"):
        for folder, text in ((paths.service_data(name), "old"), (f"{staged(paths)}/{name}", "new")):
            Path(folder).mkdir(parents=True)
            Path(folder, "state").write_text(text)
    return paths


def staged(paths: Paths) -> str:
    return f"{restoration.staging(paths)}.new"


def states(paths: Paths) -> dict[str, str]:
    """The text of each service's file."""
    return {path.parent.name: path.read_text() for path in Path(paths.services).glob("[!.]*/state")}


@pytest.mark.parametrize("durable", [True, False])
def test_an_exchange_gives_every_service_its_copy_and_sets_the_old_folders_aside(
    paths: Paths, durable: bool
) -> None:
    restoration.exchange(paths, staged(paths), ["api", "db"], durable=durable)

    assert states(paths) == {"api": "new", "db": "new"}
    assert Path(f"{restoration.staging(paths)}.removed/db/state").read_text() == "old"
    assert not restoration.undo(paths)


def test_a_service_that_was_never_started_gets_its_copy(paths: Paths) -> None:
    Path(paths.service_data("api"), "state").unlink()
    Path(paths.service_data("api")).rmdir()

    restoration.exchange(paths, staged(paths), ["api", "db"], durable=False)

    assert states(paths) == {"api": "new", "db": "new"}


def test_an_exchange_that_fails_moves_all_old_folders_back(paths: Paths) -> None:
    with pytest.raises(FileNotFoundError):
        restoration.exchange(paths, staged(paths), ["api", "db", "unknown"], durable=False)

    assert states(paths) == {"api": "old", "db": "old"}


def test_an_interrupted_exchange_is_undone_once_and_its_folders_are_private(paths: Paths) -> None:
    interrupted(paths)

    undone, remains = restoration.recover(paths)

    assert undone
    assert states(paths) == {"api": "old", "db": "old"}
    assert [Path(folder).stat().st_mode & 0o777 for folder in remains] == [0o700]
    assert restoration.recover(paths)[0] is False


def test_an_exchange_that_cannot_be_undone_is_an_error_with_the_folder_of_the_old_data(paths: Paths) -> None:
    interrupted(paths)
    Path(f"{restoration.staging(paths)}.new").write_text("a file instead of a folder")

    with pytest.raises(DataDirectoryError) as raised:
        restoration.undo(paths)

    assert f"{restoration.staging(paths)}.old" in str(raised.value.hint)


def interrupted(paths: Paths) -> None:
    """Create the files of an exchange that was killed after it had moved the folder of the first service."""
    Path(f"{restoration.staging(paths)}.old").mkdir(mode=0o700)
    Path(paths.service_data("api")).rename(f"{restoration.staging(paths)}.old/api")
    Path(staged(paths), "api").rename(paths.service_data("api"))
    for path in (*Path(staged(paths)).glob("*/state"), *Path(staged(paths)).glob("*")):
        path.unlink() if path.is_file() else path.rmdir()
    Path(staged(paths)).rmdir()
