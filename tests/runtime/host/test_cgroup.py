"""The control group of a supervisor, on the real file system of the control groups."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from infra_runtime.host import cgroup


@pytest.fixture
def token() -> str:
    return uuid.uuid4().hex


def run(code: str, token: str) -> list[str]:
    """Run code in another process, because a test must not change the group of pytest."""
    prelude = "import os, subprocess, sys; from infra_runtime.host import cgroup; token = sys.argv[1]\n"
    result = subprocess.run(
        [sys.executable, "-c", prelude + code, token],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.stderr == ""
    return result.stdout.splitlines()


@pytest.mark.process
def test_a_process_stays_in_the_group_when_it_changes_session_and_environment(token) -> None:
    code = """
folder = cgroup.planned(token)
cgroup.enter(folder)
child = subprocess.Popen(["sleep", "600"], start_new_session=True, env={})
print(folder, cgroup.contains(token, child.pid), sep="\\n")
child.kill()
child.wait()
cgroup.leave(token)
cgroup.remove(token)
print(os.path.exists(folder), cgroup.contains(token, os.getpid()))
"""

    folder, *output = run(code, token)

    if not folder:
        pytest.skip("this machine has no writable control group without limits")
    assert output == ["True", "False False"]


@pytest.mark.process
def test_a_group_with_a_process_is_not_removed(token) -> None:
    code = """
cgroup.PATIENCE = 0.01
folder = cgroup.planned(token)
cgroup.enter(folder)
cgroup.remove(token, folder)
print(folder, os.path.exists(folder), sep="\\n")
cgroup.leave(token)
cgroup.remove(token, folder)
"""

    folder, exists = run(code, token)

    if not folder:
        pytest.skip("this machine has no writable control group without limits")
    assert exists == "True"


def test_a_folder_with_another_name_is_not_removed(tmp_path) -> None:
    """The folder comes from the journal, which another program may have changed."""
    folder = tmp_path / "system.slice"
    folder.mkdir()

    cgroup.remove("token", str(folder))

    assert folder.exists()


def test_a_group_with_a_limit_is_not_left(tmp_path, monkeypatch) -> None:
    """Programs such as the virtual machine of Java read the limit from their own group only."""
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (tmp_path / "memory.max").write_text("1073741824\n")
    monkeypatch.setattr(cgroup, "current", lambda: str(tmp_path))

    assert cgroup.planned("token") == ""
    assert not (tmp_path / cgroup.name("token")).exists()


def test_a_group_that_cannot_be_entered_is_removed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cgroup, "current", lambda: str(tmp_path))
    monkeypatch.setattr(cgroup, "_move_to", lambda _folder: False)

    cgroup.enter(cgroup.planned("token"))

    assert not list(tmp_path.iterdir())


def test_a_machine_without_control_groups_is_not_an_error(monkeypatch) -> None:
    monkeypatch.setattr(cgroup, "_path", lambda _pid: "")

    assert cgroup.current() == ""
    assert cgroup.planned("token") == ""
    assert not cgroup.contains("token", 1)


def test_only_a_whole_name_in_the_path_is_the_group(monkeypatch) -> None:
    monkeypatch.setattr(cgroup, "_path", lambda _pid: "/user.slice/infra-abc/nested")

    assert cgroup.contains("abc", 1)
    assert not cgroup.contains("ab", 1)
    assert Path(cgroup.name("abc")).name == "infra-abc"
