"""Processes identified by pid and start time; foreign processes never get a signal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fakes.stacks import until
from infra_runtime.host import processes
from infra_runtime.host.processes import TOKEN, ZOMBIE, Process, end, family, look, send, started

pytestmark = pytest.mark.process

Start = Callable[..., subprocess.Popen[bytes]]
#: starts a child, prints its pid, and waits for it
PARENT = "import os, subprocess, sys; c = subprocess.Popen(['sleep', '60'], start_new_session={}); "
PARENT += "print(c.pid, flush=True); c.wait()"


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts programs, which are killed after the test."""
    children: list[subprocess.Popen[bytes]] = []

    def run(*command: str, **options: object) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, **options)
        children.append(child)
        return child

    yield run
    for child in children:
        for grandchild in psutil.Process(child.pid).children() if child.poll() is None else ():
            grandchild.kill()
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.fixture
def token() -> str:
    """Return a token that no other test uses; other tests run at the same time."""
    return uuid.uuid4().hex


def parent(start: Start, *, child_session: bool = False, **options: object) -> tuple[int, int]:
    """Start a process with a child, and return both pids."""
    child = start(sys.executable, "-I", "-S", "-c", PARENT.format(child_session), **options)
    return child.pid, int(child.stdout.readline())


def is_running(pid: int) -> bool:
    process = look(pid)
    return process is not None and process.state != ZOMBIE


def pids(listed: list[Process]) -> set[int]:
    return {process.pid for process in listed}


# --- reading the process table
# ---------------------------------------------------------------------------------------


def test_a_process_has_parent_session_and_start_time(start) -> None:
    child = start("sleep", "600")

    process = look(child.pid)

    assert process is not None
    assert (process.pid, process.parent, process.session) == (child.pid, os.getpid(), child.pid)
    assert process.started == started(child.pid) != ""


def test_a_pid_of_an_exited_process_is_not_found(start) -> None:
    child = start("true")
    child.wait()

    assert look(child.pid) is None
    assert started(child.pid) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the names of processes are parsed only on Linux")
def test_a_process_name_may_contain_text_that_resembles_fields(start, tmp_path) -> None:
    odd = tmp_path / "a) Z 1 (b c"
    shutil.copy(shutil.which("sleep"), odd)
    child = start(str(odd), "60")
    until(lambda: b"a) Z" in Path(f"/proc/{child.pid}/stat").read_bytes())

    assert look(child.pid).parent == os.getpid()
    assert look(child.pid).state != ZOMBIE


def test_the_table_contains_all_processes(start) -> None:
    child = start("sleep", "600")

    assert {os.getpid(), child.pid} <= processes.table().keys()


# --- the processes of a stack
# --------------------------------------------------------------------------------------


def test_a_family_is_the_root_and_its_descendants_in_all_sessions(start) -> None:
    root, child = parent(start, child_session=True)

    assert pids(family({root: started(root)})) == {root, child}


def test_a_root_with_a_reused_pid_has_no_family(start) -> None:
    root, _ = parent(start)

    assert family({root: "another time"}) == []


def test_processes_with_the_token_belong_to_the_family(start, token) -> None:
    root, child = parent(start, env={**os.environ, TOKEN: token})

    assert pids(family({}, token)) == {root, child}


def test_a_token_with_the_same_beginning_is_different(start, token) -> None:
    parent(start, env={**os.environ, TOKEN: f"{token}-and-more"})

    assert family({}, token) == []


def test_a_session_of_an_exited_root_belongs_to_the_family_when_a_member_has_the_token(start, token) -> None:
    code = "import subprocess, sys; a = subprocess.Popen(['sleep', '60'], env={}); "
    code += "b = subprocess.Popen(['sleep', '60']); print(a.pid, b.pid, flush=True)"
    root = start(sys.executable, "-I", "-S", "-c", code, env={**os.environ, TOKEN: token})
    members = {int(word) for word in root.stdout.readline().split()}
    began = started(root.pid)
    root.wait()

    # The environment of a process can be read a moment after its start.
    until(lambda: pids(family({root.pid: began}, token)) == members)
    without_token = family({root.pid: began})
    for pid in members:
        os.kill(pid, signal.SIGKILL)

    assert without_token == []


@pytest.mark.skipif(sys.platform != "linux", reason="the threads of a process are known only on Linux")
def test_a_process_whose_first_thread_has_exited_is_not_a_zombie(start, token) -> None:
    code = "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); "
    code += "print(flush=True); ctypes.CDLL(None).pthread_exit(None)"
    child = start(sys.executable, "-I", "-S", "-c", code, env={**os.environ, TOKEN: token})
    child.stdout.readline()
    until(lambda: b") Z" in Path(f"/proc/{child.pid}/stat").read_bytes())

    assert pids(family({}, token)) == {child.pid}
    assert end({}, token) == []
    assert child.wait(300) == -signal.SIGKILL


def test_zombies_are_left_out(start) -> None:
    child = start("true")
    until(lambda: look(child.pid).state == ZOMBIE)

    assert family({child.pid: started(child.pid)}) == []


def test_the_calling_process_is_left_out() -> None:
    assert os.getpid() not in pids(family({os.getpid(): started(os.getpid())}))


# --- signals ---------------------------------------------------------------------------------------


def test_a_signal_reaches_exactly_its_process(start) -> None:
    child = start("sleep", "600")

    assert send(look(child.pid), signal.SIGTERM)
    assert child.wait(300) == -signal.SIGTERM


def test_a_reused_pid_gets_no_signal(start) -> None:
    """The start time shows that the pid belongs to another process."""
    foreign = start("sleep", "600")
    once = Process(foreign.pid, os.getpid(), foreign.pid, "before", "S")

    assert not send(once, signal.SIGKILL)
    assert is_running(foreign.pid)


def test_the_start_time_is_also_compared_without_pidfds(start, monkeypatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    foreign, child = start("sleep", "600"), start("sleep", "600")

    assert not send(Process(foreign.pid, 1, 1, "before", "S"), signal.SIGKILL)
    assert send(look(child.pid), signal.SIGTERM)
    assert child.wait(300) == -signal.SIGTERM


def test_an_exited_process_gets_no_signal(start) -> None:
    child = start("sleep", "600")
    process = look(child.pid)
    child.kill()
    child.wait()

    assert not send(process, signal.SIGTERM)


# --- killing ---------------------------------------------------------------------------------------


def test_all_processes_of_a_family_are_killed_and_no_others(start) -> None:
    foreign = start("sleep", "600")
    root, child = parent(start, child_session=True)

    assert end({root: started(root)}) == []

    assert not is_running(root)
    assert not is_running(child)
    assert is_running(foreign.pid)


def test_a_root_with_a_reused_pid_is_not_killed(start) -> None:
    foreign = start("sleep", "600")

    assert end({foreign.pid: "another time"}) == []
    assert is_running(foreign.pid)


def test_processes_that_do_not_exit_are_returned(start, monkeypatch) -> None:
    """This happens in uninterruptible sleep; the test discards the signals instead."""
    monkeypatch.setattr(processes, "send", lambda _process, _number: True)
    child = start("sleep", "600")

    left = end({child.pid: started(child.pid)}, seconds=0.01)

    assert pids(left) == {child.pid}


def test_killing_no_processes_returns_at_once() -> None:
    assert end({}) == []


# --- where there is no /proc -----------------------------------------------------------------------


@pytest.fixture
def no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the code path of macOS; `ps` on this machine has the same keywords."""
    if shutil.which("ps", path=os.defpath) is None:
        pytest.skip("the command ps is missing")
    monkeypatch.setattr(sys, "platform", "darwin")


def test_a_process_is_read_from_ps(no_proc, start) -> None:
    child = start("sleep", "600")
    until(lambda: (process := look(child.pid)) and process.session == child.pid)

    process = processes.table()[child.pid]

    assert (process.pid, process.parent, process.session) == (child.pid, os.getpid(), child.pid)
    assert process.started == started(child.pid)
    assert look(1 << 30) is None


def test_a_token_in_the_environment_is_read_from_ps(no_proc, start, token) -> None:
    ours = start("sleep", "600", env={**os.environ, TOKEN: token})
    until(lambda: processes.has_token(ours.pid, token))

    assert pids(family({}, token)) == {ours.pid}


def test_a_token_in_the_arguments_of_a_foreign_process_is_ignored(no_proc, start, token) -> None:
    foreign = start("sh", "-c", "echo; sleep 600; true", f"{TOKEN}={token}")
    foreign.stdout.readline()

    assert not processes.has_token(foreign.pid, token)
    assert family({}, token) == []


@pytest.mark.parametrize(
    "variables", [{"TZ": "Asia/Tokyo"}, {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}]
)
def test_the_start_time_from_ps_does_not_depend_on_time_zone_and_language(
    no_proc, monkeypatch, variables
) -> None:
    """The supervisor has the variables of its user, and the guardian has none."""
    here = started(os.getpid())
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert started(os.getpid()) == here != ""
