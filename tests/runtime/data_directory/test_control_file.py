"""The control file: clients find the socket by the data directory, and not by their environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from infra_runtime.data_directory import control_file
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import DataDirectoryError
from infra_runtime.host import processes


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "data").mkdir(mode=0o700)
    return Paths(str(tmp_path / "data"), environ={"INFRA_RUNTIME_DIR": "/run/mine"})


def test_the_file_contains_the_socket_and_the_process(paths) -> None:
    control_file.write(paths)

    control = control_file.read(Paths(paths.data, environ={"INFRA_RUNTIME_DIR": "/run/other"}))
    assert control.socket == paths.control
    assert (control.pid, control.started) == (os.getpid(), processes.started(os.getpid()))
    assert Path(paths.control_file).stat().st_mode & 0o777 == 0o600


def test_a_later_supervisor_replaces_the_file(paths) -> None:
    control_file.write(paths)
    other = Paths(paths.data, environ={"INFRA_RUNTIME_DIR": "/run/other"})
    Path(f"{paths.control_file}.new").touch()  # a supervisor was killed while it wrote

    control_file.write(other)

    assert control_file.run_folder(paths) == other.run
    assert not Path(f"{paths.control_file}.new").exists()


def test_a_missing_file_has_no_content(paths, tmp_path) -> None:
    assert control_file.read(paths) is None
    assert control_file.run_folder(paths) == paths.run
    assert control_file.read(Paths(str(tmp_path / "missing"))) is None


@pytest.mark.parametrize("socket", ["/home/ada/.control", "/run/{stack}/other", "{stack}/.control", "/"])
def test_a_path_that_is_not_one_of_a_control_socket_is_an_error(paths, socket: str) -> None:
    """The folder of the socket is removed at the end, so it must be the one that the supervisor made."""
    control_file.write(paths)
    content = json.loads(Path(paths.control_file).read_text())
    content["socket"] = socket.format(stack=paths.stack)
    Path(paths.control_file).write_text(json.dumps(content))

    with pytest.raises(DataDirectoryError, match="was not written by pytest-infra"):
        control_file.run_folder(paths)


def test_the_file_of_a_copied_data_directory_is_that_of_the_original(paths, tmp_path) -> None:
    control_file.write(paths)
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    (copy / "control.json").write_bytes(Path(paths.control_file).read_bytes())

    assert control_file.read(Paths(str(copy))) is None


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "7", "{}", '"text"', "\xff", '{"socket": 7, "pid": 1, "started": "", "data": ""}',
     '{"socket": "/x", "pid": "1", "started": "", "data": ""}',
     '{"socket": "/x", "pid": true, "started": "", "data": ""}'],
)  # fmt: skip
def test_a_file_with_another_content_is_an_error_with_the_fix(paths, text) -> None:
    Path(paths.control_file).write_text(text, encoding="latin-1")

    with pytest.raises(
        DataDirectoryError, match=f"{paths.control_file}: was not written by pytest-infra"
    ) as caught:
        control_file.read(paths)
    assert "remove the file" in caught.value.hint


def test_a_symbolic_link_is_not_read(paths, tmp_path) -> None:
    control_file.write(paths)
    Path(paths.control_file).rename(tmp_path / "elsewhere")
    Path(paths.control_file).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DataDirectoryError, match=f"{paths.control_file}: is a symbolic link"):
        control_file.read(paths)


def test_a_file_in_a_directory_that_other_users_can_write_to_is_not_read(paths) -> None:
    control_file.write(paths)
    Path(paths.data).chmod(0o777)

    with pytest.raises(DataDirectoryError, match=f"{paths.data}: other users can write to this folder"):
        control_file.read(paths)


def test_the_version_changes_when_a_supervisor_writes_the_file(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path))
    versions = [control_file.version(paths)]
    for _ in range(2):
        control_file.write(paths)
        versions.append(control_file.version(paths))

    assert versions[0] is None
    assert len(set(versions)) == 3
