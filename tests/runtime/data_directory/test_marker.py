"""The marker of a data directory, which prevents the removal of other files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from infra_runtime.data_directory import marker
from infra_runtime.data_directory.journal import Journal
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import FORMAT, Paths
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import file_lock


def test_a_new_directory_is_marked_and_kept_out_of_git(tmp_path: Path) -> None:
    data = tmp_path / "data"

    make_data_directory(Paths(str(data)), "test")

    assert json.loads((data / "infra.json").read_text())["environment"] == "test"
    assert (data / ".gitignore").read_text() == "*\n"


def test_a_data_directory_can_be_created_twice(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path / "data"))

    make_data_directory(paths, "development")
    make_data_directory(paths, "staging")


@pytest.mark.parametrize(("owner", "guest"), [("development", "test"), ("test", "development")])
def test_tests_and_development_never_share_a_data_directory(tmp_path: Path, owner: str, guest: str) -> None:
    paths = Paths(str(tmp_path / "data"))
    make_data_directory(paths, owner)

    with pytest.raises(
        DataDirectoryError,
        match=f"data of the environment {owner}, but this stack has the environment {guest}",
    ):
        make_data_directory(paths, guest)


def test_a_folder_with_other_files_is_rejected_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "mine.txt").write_text("mine")

    with pytest.raises(DataDirectoryError, match="not empty, and pytest-infra did not create it"):
        make_data_directory(Paths(str(tmp_path)), "test")

    assert [path.name for path in tmp_path.rglob("*")] == ["services", "mine.txt"]


def test_an_invalid_marker_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "infra.json").write_text("[]")

    with pytest.raises(DataDirectoryError, match=r"infra\.json that pytest-infra did not write"):
        make_data_directory(Paths(str(tmp_path)), "test")


def test_a_data_directory_of_a_newer_version_is_rejected(tmp_path: Path) -> None:
    content = {"format": FORMAT + 1, "stack": "", "environment": "test"}
    (tmp_path / "infra.json").write_text(json.dumps(content))

    with pytest.raises(
        DataDirectoryError, match=f"newer pytest-infra \\(format {FORMAT + 1}, this version reads {FORMAT}"
    ):
        make_data_directory(Paths(str(tmp_path)), "test")


def test_a_path_that_cannot_be_written_is_an_error_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DataDirectoryError, match="Not a directory"):
        make_data_directory(Paths(str(tmp_path / "file" / "data")), "test")


def test_a_new_data_directory_is_private_and_the_mode_of_an_existing_one_is_not_changed(tmp_path) -> None:
    for name in ("new", "existing"):
        if name == "existing":
            (tmp_path / name).mkdir(mode=0o755)
        make_data_directory(Paths(str(tmp_path / name)), "test")

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "existing").stat().st_mode & 0o777 == 0o755


def test_a_data_directory_that_other_users_can_write_to_is_refused_with_the_fix(tmp_path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)

    with pytest.raises(DataDirectoryError, match=rf"mode 0777.*`chmod go-rwx {data}`"):
        make_data_directory(Paths(str(data)), "test")

    assert [*data.iterdir()] == []
    assert data.stat().st_mode & 0o777 == 0o777


FILES = ("infra.json", "supervisor.lock", "events.jsonl", "control.json", "logs/supervisor.log")


@pytest.mark.parametrize("name", FILES)
def test_a_symbolic_link_in_place_of_a_file_is_refused_and_not_followed(tmp_path, name) -> None:
    paths = Paths(str(tmp_path / "data"))
    make_data_directory(paths, "test")
    target, link = tmp_path / "target", tmp_path / "data" / name
    target.write_text("{}")
    link.unlink(missing_ok=True)
    link.symlink_to(target)

    with pytest.raises(DataDirectoryError, match=f"{link}: is a symbolic link"):
        make_data_directory(paths, "test")

    assert target.read_text() == "{}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can create files of other users")
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_user_is_refused_with_its_owner(tmp_path, name) -> None:
    paths = Paths(str(tmp_path / "data"))
    make_data_directory(paths, "test")
    foreign = tmp_path / "data" / name
    foreign.touch()
    os.chown(foreign, 64321, 64321)

    with pytest.raises(DataDirectoryError, match=f"{foreign}: belongs to uid 64321, .*remove the file"):
        make_data_directory(paths, "test")


def journal_of(paths: Paths, *events: str) -> None:
    """Create the data directory of a test stack, and write these events to its journal."""
    make_data_directory(paths, "test")
    journal = Journal(paths.journal, now=lambda: time.time() - 1)
    for event in events:
        journal.write(event)
    journal.close()


@pytest.mark.parametrize("events", [(), ("up", "down")])
@pytest.mark.parametrize("name", ["web/deep/file", "file"])
def test_a_file_that_was_placed_for_a_service_before_the_start_of_a_test_is_an_error_and_stays(
    tmp_path: Path, name: str, events: tuple[str, ...]
) -> None:
    paths = Paths(str(tmp_path / "data"))
    journal_of(paths, *events)
    placed = Path(paths.services, name)
    placed.parent.mkdir(parents=True, exist_ok=True)
    placed.write_text("content")
    os.utime(placed, (1, 1))

    with pytest.raises(DataDirectoryError, match="was added while no stack was running") as caught:
        make_data_directory(paths, "test")

    assert caught.value.path == str(placed)
    assert placed.read_text() == "content"


def test_files_from_before_the_end_of_a_test_stack_are_accepted_because_it_could_not_remove_them(
    tmp_path: Path,
) -> None:
    paths = Paths(str(tmp_path / "data"))
    Path(paths.data).mkdir()
    journal_of(paths)
    for name in ("web/old", ".units/unit"):
        Path(paths.services, name).parent.mkdir(parents=True, exist_ok=True)
        Path(paths.services, name).touch()
    journal = Journal(paths.journal, now=lambda: time.time() + 60)
    journal.write("down")
    journal.close()

    make_data_directory(paths, "test")


def test_files_of_a_stack_that_runs_or_was_killed_are_accepted(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path / "data"))
    journal_of(paths, "up", "ready")
    Path(paths.service_data("web")).mkdir(parents=True)
    Path(paths.service_data("web"), "file").touch()

    make_data_directory(paths, "test")


def test_files_of_a_stack_that_starts_during_the_check_are_accepted(tmp_path: Path) -> None:
    """A second worker checks the data directory while the supervisor of the first one starts."""
    paths = Paths(str(tmp_path / "data"))
    journal_of(paths, "up", "down")
    Path(paths.service_data("web")).mkdir(parents=True)
    Path(paths.service_data("web"), "file").touch()
    descriptor = file_lock.acquire(paths.lock)
    assert descriptor is not None

    make_data_directory(paths, "test")

    os.close(descriptor)


def test_a_stack_can_remove_the_folder_of_the_services_during_the_check(tmp_path: Path, monkeypatch) -> None:
    paths = Paths(str(tmp_path / "data"))
    journal_of(paths, "up", "down")
    Path(paths.service_data("web")).mkdir(parents=True)
    is_folder = marker.disk.is_folder

    def removed_after_the_check(path: str) -> bool:
        existed = is_folder(path)
        shutil.rmtree(path)
        return existed

    monkeypatch.setattr(marker.disk, "is_folder", removed_after_the_check)

    make_data_directory(paths, "test")


def test_files_that_were_placed_for_a_service_outside_of_tests_are_accepted(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path / "data"))
    make_data_directory(paths, "development")
    Path(paths.service_data("web")).mkdir(parents=True)
    Path(paths.service_data("web"), "file").touch()

    make_data_directory(paths, "development")

    assert Path(paths.service_data("web"), "file").exists()


def test_the_lock_that_a_killed_wipe_left_does_not_prevent_a_start(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path / "data"))
    Path(paths.data).mkdir()
    Path(paths.lock).touch()

    make_data_directory(paths, "test")

    assert Path(paths.marker).exists()


#: creates or checks a data directory as another user, and prints the error
AS_OTHER_USER = """
import os, sys
sys.path[:0] = {path!r}
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import DataDirectoryError
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    make_data_directory(Paths(sys.argv[1], {{}}), "test")
except DataDirectoryError as error:
    print(error.path, error.reason, error.hint, sep="\\n")
"""


@pytest.mark.process
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("case", ["missing", "unreadable", "read-only", "a file", "a folder"])
def test_a_directory_of_another_user_is_an_error_that_names_the_owner_and_the_option(
    case: str,
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="infra-") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "checkout" / ".data-test"
        data.parent.mkdir()
        culprit = data
        if case != "missing":
            make_data_directory(Paths(str(data)), "test")
            data.chmod(0o700 if case == "unreadable" else 0o755)
        if case in {"a file", "a folder"}:  # all but this one belong to the other user
            culprit = data / ("events.jsonl" if case == "a file" else "logs")
            if case == "a file":
                culprit.touch(0o644)
            for path in {data, *data.iterdir()} - {culprit}:
                os.chown(path, 65534, 65534)
        code = AS_OTHER_USER.format(path=[path for path in sys.path if path])
        command = [sys.executable, "-S", "-c", code, str(data)]

        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    path, reason, hint = result.stdout.splitlines()
    assert path == str(culprit)
    assert "belongs to root" in reason
    assert hint == "Select another data directory with `--data DIR` or INFRA_DATA."
