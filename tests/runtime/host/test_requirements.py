"""A machine that cannot run a stack: an error at the start, with the fix."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from infra_runtime.errors import SupervisorError
from infra_runtime.host import requirements

root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can change the mounts and networks of a process"
)
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")

#: starts a stack in the data directory `sys.argv[1]`, or prints the error
OPEN = """
import sys
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.launch import connect_or_launch
from infra_runtime.errors import InfraError
try:
    connect_or_launch(Paths(sys.argv[1]), "test")
except InfraError as error:
    print(error, error.hint)
"""


def run(data: Path, *prefix: str) -> str:
    command = [*prefix, sys.executable, "-c", OPEN, str(data)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if result.returncode != 0 and "unshare" in result.stderr:
        pytest.skip(f"this container has no namespaces: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_this_machine_can_run_a_stack() -> None:
    requirements.check()


@linux
@pytest.mark.parametrize("content", ["missing", "empty", "foreign"])
def test_an_unusable_proc_is_an_error(tmp_path, content) -> None:
    proc = tmp_path / "proc"
    if content != "missing":
        proc.mkdir()
    if content == "foreign":
        (proc / str(os.getpid())).mkdir()
        (proc / str(os.getpid()) / "stat").touch()
        (proc / "self").symlink_to("1")

    with pytest.raises(SupervisorError, match=f"{proc} is not usable") as caught:
        requirements.check(str(proc))

    assert f"mount -t proc proc {proc}" in caught.value.hint


@root
@linux
@pytest.mark.process
def test_without_proc_no_supervisor_is_started(tmp_path) -> None:
    mount = 'mount -t tmpfs none /proc && exec "$@"'

    error = run(tmp_path / "data", "unshare", "--mount", "sh", "-c", mount, "sh")

    assert error.startswith("/proc is not usable (No such file or directory)")
    assert not (tmp_path / "data").exists()


@root
@linux
@pytest.mark.process
def test_without_a_loopback_interface_no_supervisor_is_started(tmp_path) -> None:
    error = run(tmp_path / "data", "unshare", "--net")

    assert error.startswith("the loopback interface is down")
    assert "ip link set lo up" in error
    assert not (tmp_path / "data").exists()


@pytest.mark.process
@pytest.mark.parametrize("limit", [16, 24, 39])
def test_too_few_open_files_for_a_supervisor_are_an_error(tmp_path, limit) -> None:
    error = run(tmp_path / "data", "sh", "-c", f'ulimit -n {limit} && exec "$@"', "sh")

    assert error.startswith(
        f"a process on this machine may open {limit} files, but the supervisor of 0 services needs 40 files"
    )
    assert "ulimit -n 1024" in error


@pytest.mark.parametrize(
    ("limits", "services", "new"),
    [
        ((64, 1024), 2, None),
        ((64, 1024), 10, (75, 1024)),
        ((64, resource.RLIM_INFINITY), 10, (75, resource.RLIM_INFINITY)),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 1000, None),
    ],
    ids=str,
)
def test_the_soft_limit_of_open_files_is_raised_to_what_the_services_need(
    monkeypatch, limits, services, new
) -> None:
    changes = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, values: changes.append(values))

    requirements.check_files(services, ports=5)

    assert changes == ([new] if new else [])


def test_more_services_than_the_hard_limit_allows_are_an_error(monkeypatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (64, 64))

    with pytest.raises(SupervisorError, match="the supervisor of 30 services needs 160"):
        requirements.check_files(30, ports=30)
