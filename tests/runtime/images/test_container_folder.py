"""The folder of a container; `tests/heavy/test_containers.py` kills a process that runs a container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.stacks import until
from infra_runtime.errors import InfraError
from infra_runtime.host import processes
from infra_runtime.images.container_folder import container_folder, environment, removed

pytestmark = pytest.mark.process

#: runs a client and waits for it; prints the folder
USER = """\
import subprocess, sys
from infra_runtime.images.container_folder import container_folder, environment, removed

with container_folder() as folder, removed(folder, ["touch", sys.argv[1]]):
    client = subprocess.Popen(["sleep", "600"], env=environment(folder), start_new_session=True)
    print(folder, client.pid, flush=True)
    client.wait()
"""


def test_the_folder_is_private_and_removed_after_its_container(tmp_path: Path) -> None:
    with container_folder() as folder:
        mode = folder.stat().st_mode & 0o777
        with removed(folder, ["cp", str(folder / "written"), str(tmp_path)]):
            (folder / "written").write_text("x")
        copied = (tmp_path / "written").exists()

    assert mode == 0o700
    assert copied
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_user_leaves_no_container_and_no_client(tmp_path: Path, number: signal.Signals) -> None:
    mark = tmp_path / "removed"
    user = subprocess.Popen([sys.executable, "-c", USER, str(mark)], stdout=subprocess.PIPE, text=True)
    assert user.stdout is not None
    folder, client = user.stdout.readline().split()

    user.send_signal(number)
    user.wait()
    user.stdout.close()

    until(lambda: not Path(folder).exists())
    assert mark.exists()
    left = processes.look(int(client))
    assert left is None or left.state == processes.ZOMBIE


def test_processes_of_other_containers_continue() -> None:
    with container_folder() as folder:
        with container_folder():
            client = subprocess.Popen(["sleep", "600"], env={**os.environ, **environment(folder)})
        running = client.poll() is None

    assert running
    assert client.wait() == -signal.SIGKILL


def test_a_folder_that_cannot_be_created_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")

    with pytest.raises(InfraError, match="cannot be created"), container_folder():
        pass
