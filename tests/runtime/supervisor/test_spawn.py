"""Starting a child process: its session, its output, and its user when the supervisor runs as root."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infra_runtime.host import privileges
from infra_runtime.host.privileges import INNER_UID, give_to_other_user, other_user, user_namespaces_work
from infra_runtime.supervisor.spawn import spawn

pytestmark = pytest.mark.process

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root switches to another user")


def output(folder: Path, *command: str, refuses_root: bool = False) -> str:
    """Run a child, and return its output with standard error; it must exit with 0."""
    log = folder / "child.log"
    log.unlink(missing_ok=True)
    child = spawn(command, env=dict(os.environ), cwd=str(folder), log=str(log), refuses_root=refuses_root)
    status, text = child.wait(300), log.read_text().strip()
    assert status == 0, text
    return text


def test_a_child_has_its_own_session(tmp_path) -> None:
    code = "import os; print(os.getsid(0) == os.getpid())"

    assert output(tmp_path, sys.executable, "-c", code) == "True"


def test_output_and_errors_are_appended_to_a_log_with_mode_0600(tmp_path) -> None:
    log = tmp_path / "child.log"
    for word in ("one", "two"):
        command = ("sh", "-c", f"echo {word}; echo not {word} >&2")
        spawn(command, env={}, cwd="/", log=str(log), refuses_root=False).wait(300)

    assert log.read_text().split("\n") == ["one", "not one", "two", "not two", ""]
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_child_has_an_empty_input_and_inherits_only_its_output(tmp_path) -> None:
    code = "import os, sys; found = sorted(os.listdir('/dev/fd')); "
    code += "print(repr(sys.stdin.read()), found[:3], len(found))"
    with (tmp_path / "secret").open("w") as leak:
        os.set_inheritable(leak.fileno(), True)

        text = output(tmp_path, sys.executable, "-c", code)

    assert text == "'' ['0', '1', '2'] 4"  # the fourth descriptor reads the folder itself


def test_a_child_that_cannot_be_executed_leaves_no_descriptor_open(tmp_path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))

    with pytest.raises(FileNotFoundError, match="ghost"):
        spawn(("/ghost",), env={}, cwd="/", log=str(tmp_path / "log"), refuses_root=False)

    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_child_that_accepts_root_keeps_the_supervisors_user(tmp_path) -> None:
    assert output(tmp_path, "id", "-u") == str(os.geteuid())


@root
def test_a_child_that_refuses_root_has_another_uid_in_its_own_namespace(tmp_path) -> None:
    """Outside the namespace its files belong to root."""
    if not user_namespaces_work():
        pytest.skip("the kernel or the container runtime forbids user namespaces")

    assert output(tmp_path, "sh", "-c", "id -u; touch mine", refuses_root=True) == str(INNER_UID)
    assert (tmp_path / "mine").stat().st_uid == 0


@root
def test_without_namespaces_the_child_is_another_user_that_can_enter_private_folders(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(privileges, "user_namespaces_work", lambda: False)
    uid, _ = other_user()
    private = tmp_path / "private"
    mine = private / "mine"
    mine.mkdir(parents=True)
    private.chmod(0o700)

    give_to_other_user([str(mine)])

    assert output(mine, "sh", "-c", "id -u; touch file", refuses_root=True) == str(uid)
    assert mine.stat().st_uid == (mine / "file").stat().st_uid == uid
    assert private.stat().st_uid == 0


@root
def test_the_other_user_has_no_other_capability_of_root(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(privileges, "user_namespaces_work", lambda: False)
    status = "/proc/self/status"
    if not Path(status).exists():
        pytest.skip("the capabilities of a process can be read only on Linux")

    text = output(
        tmp_path,
        "sh",
        "-c",
        f"grep CapEff {status}; id -G; kill -0 {os.getpid()} || echo no",
        refuses_root=True,
    )

    assert f"CapEff:\t{1 << privileges.CAP_DAC_OVERRIDE:016x}" in text
    assert str(other_user()[1]) in text.splitlines()
    assert text.endswith("no")


@root
def test_the_owner_of_folders_stays_unchanged_with_namespaces(tmp_path) -> None:
    if not user_namespaces_work():
        pytest.skip("the kernel or the container runtime forbids user namespaces")

    give_to_other_user([str(tmp_path)])

    assert tmp_path.stat().st_uid == 0


@root
def test_files_of_another_user_belong_to_root_with_namespaces(tmp_path, monkeypatch) -> None:
    """The kernel did not allow namespaces when they were created."""
    data = tmp_path / "data"
    (data / "cluster" / "base").mkdir(parents=True)
    (data / "cluster" / "base" / "1").touch()
    monkeypatch.setattr(privileges, "user_namespaces_work", lambda: False)
    give_to_other_user([str(data)])
    assert (data / "cluster" / "base" / "1").stat().st_uid == other_user()[0]
    monkeypatch.setattr(privileges, "user_namespaces_work", lambda: True)

    give_to_other_user([str(data)])

    assert {path.stat().st_uid for path in (data, *data.rglob("*"))} == {0}
