"""Starting a child: its session, its output, and who it is when the whole run is root."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import seccomp
from infra_runtime.supervisor import spawn as spawn_module
from infra_runtime.supervisor.spawn import INNER_UID, hand_over, other_user, spawn, user_namespaces_work

pytestmark = pytest.mark.process

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


def output(folder: Path, *command: str, refuses_root: bool = False) -> str:
    """What a child said, standard error included; it must end well."""
    log = folder / "child.log"
    log.unlink(missing_ok=True)
    child = spawn(command, env=dict(os.environ), cwd=str(folder), log=str(log), refuses_root=refuses_root)
    status, said = child.wait(60), log.read_text().strip()
    assert status == 0, said
    return said


def test_a_child_has_a_session_of_its_own(tmp_path) -> None:
    code = "import os; print(os.getsid(0) == os.getpid())"

    assert output(tmp_path, sys.executable, "-c", code) == "True"


def test_output_and_complaints_are_appended_to_a_log_that_is_its_owners_alone(tmp_path) -> None:
    log = tmp_path / "child.log"
    for word in ("one", "two"):
        command = ("sh", "-c", f"echo {word}; echo not {word} >&2")
        spawn(command, env={}, cwd="/", log=str(log), refuses_root=False).wait(60)

    assert log.read_text().split("\n") == ["one", "not one", "two", "not two", ""]
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_child_hears_nothing_and_inherits_nothing_but_its_output(tmp_path) -> None:
    code = "import os, sys; found = sorted(os.listdir('/dev/fd')); "
    code += "print(repr(sys.stdin.read()), found[:3], len(found))"
    with (tmp_path / "secret").open("w") as leak:
        os.set_inheritable(leak.fileno(), True)

        said = output(tmp_path, sys.executable, "-c", code)

    assert said == "'' ['0', '1', '2'] 4"  # the fourth reads the folder itself


def test_a_child_that_cannot_be_executed_leaves_no_descriptor_open(tmp_path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))

    with pytest.raises(FileNotFoundError, match="ghost"):
        spawn(("/ghost",), env={}, cwd="/", log=str(tmp_path / "log"), refuses_root=False)

    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_child_that_takes_any_user_stays_who_we_are(tmp_path) -> None:
    assert output(tmp_path, "id", "-u") == str(os.geteuid())


@root
def test_a_child_that_refuses_root_is_an_ordinary_user_in_a_namespace_of_its_own(tmp_path) -> None:
    """Outside it is root all the same: what it writes is root's."""
    if not user_namespaces_work():
        pytest.skip("this kernel, or the container's runtime, forbids user namespaces")

    assert output(tmp_path, "sh", "-c", "id -u; touch mine", refuses_root=True) == str(INNER_UID)
    assert (tmp_path / "mine").stat().st_uid == 0


@root
def test_where_namespaces_are_forbidden_it_is_another_user_who_may_enter_our_folders(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(spawn_module, "user_namespaces_work", lambda: False)
    uid, _ = other_user()
    private = tmp_path / "private"
    mine = private / "mine"
    mine.mkdir(parents=True)
    private.chmod(0o700)

    hand_over([str(mine)])

    assert output(mine, "sh", "-c", "id -u; touch file", refuses_root=True) == str(uid)
    assert mine.stat().st_uid == (mine / "file").stat().st_uid == uid
    assert private.stat().st_uid == 0


@root
def test_another_user_keeps_no_other_right_of_roots(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(spawn_module, "user_namespaces_work", lambda: False)
    status = "/proc/self/status"
    if not Path(status).exists():
        pytest.skip("only Linux tells what a process may do")

    said = output(
        tmp_path,
        "sh",
        "-c",
        f"grep CapEff {status}; id -G; kill -0 {os.getpid()} || echo no",
        refuses_root=True,
    )

    assert f"CapEff:\t{1 << spawn_module.CAP_DAC_OVERRIDE:016x}" in said
    assert str(other_user()[1]) in said.splitlines()
    assert said.endswith("no")


@root
def test_in_a_namespace_nothing_is_handed_over(tmp_path) -> None:
    if not user_namespaces_work():
        pytest.skip("this kernel, or the container's runtime, forbids user namespaces")

    hand_over([str(tmp_path)])

    assert tmp_path.stat().st_uid == 0


@root
@pytest.mark.real("postgres")
def test_a_real_cluster_starts_as_root_where_user_namespaces_are_forbidden(tmp_path) -> None:
    """So it is in most containers: CI as root, and a runtime that filters system calls."""
    closed = [it for it in Path(sys.executable).parents if not it.stat().st_mode & stat.S_IXOTH]
    if closed:
        pytest.skip(f"the programs lie in {closed[0]}, where another user may not go")
    code = (
        "import sys; from infra_runtime import start\n"
        "from infra_runtime.supervisor.spawn import user_namespaces_work\n"
        "with start('postgres', environment='test', data=sys.argv[1], directory=sys.argv[2]) as stack:\n"
        "    print(user_namespaces_work(), stack.status().services[0].phase)\n"
    )
    filtered = [sys.executable, seccomp.__file__, sys.executable, "-c", code]
    done = subprocess.run(
        [*filtered, tmp_path / "data", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "INFRA_CACHE": str(tmp_path / "cache")},
    )

    if done.returncode == seccomp.CANNOT:
        pytest.skip("system calls cannot be filtered here")
    assert (done.stdout.split(), done.stderr) == (["False", "ready"], "")
