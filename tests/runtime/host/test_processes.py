"""Whose a process is, by pid and start time; a stranger's is never touched."""

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
#: starts a child of its own, tells its pid, and waits
PARENT = "import os, subprocess, sys; c = subprocess.Popen(['sleep', '60'], start_new_session={}); "
PARENT += "print(c.pid, flush=True); c.wait()"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start programs that end with the test."""
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
    """A token of this test's alone: other tests run at the same time."""
    return uuid.uuid4().hex


def parent(start: Start, *, child_session: bool = False, **options: object) -> tuple[int, int]:
    """The pids of a process and of its child."""
    child = start(sys.executable, "-I", "-S", "-c", PARENT.format(child_session), **options)
    return child.pid, int(child.stdout.readline())


def lives(pid: int) -> bool:
    process = look(pid)
    return process is not None and process.state != ZOMBIE


def pids(found: list[Process]) -> set[int]:
    return {process.pid for process in found}


# --- looking ---------------------------------------------------------------------------------------


def test_a_process_is_seen_with_parent_session_and_start(start) -> None:
    child = start("sleep", "600")

    process = look(child.pid)

    assert process is not None
    assert (process.pid, process.parent, process.session) == (child.pid, os.getpid(), child.pid)
    assert process.started == started(child.pid) != ""


def test_a_pid_of_nobody_is_nobody(start) -> None:
    child = start("true")
    child.wait()

    assert look(child.pid) is None
    assert started(child.pid) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the names of processes are parsed on Linux alone")
def test_a_name_that_looks_like_fields_deceives_nobody(start, tmp_path) -> None:
    odd = tmp_path / "a) Z 1 (b c"
    shutil.copy(shutil.which("sleep"), odd)
    child = start(str(odd), "60")
    until(lambda: b"a) Z" in Path(f"/proc/{child.pid}/stat").read_bytes())

    assert look(child.pid).parent == os.getpid()
    assert look(child.pid).state != ZOMBIE


def test_the_table_has_everybody(start) -> None:
    child = start("sleep", "600")

    assert {os.getpid(), child.pid} <= processes.table().keys()


# --- families --------------------------------------------------------------------------------------


def test_a_family_is_the_root_and_its_descendants_in_whatever_session(start) -> None:
    root, child = parent(start, child_session=True)

    assert pids(family({root: started(root)})) == {root, child}


def test_a_root_whose_pid_is_a_strangers_now_has_no_family(start) -> None:
    root, _ = parent(start)

    assert family({root: "another time"}) == []


def test_who_bears_the_token_belongs_to_us_wherever_it_went(start, token) -> None:
    root, child = parent(start, env={**os.environ, TOKEN: token})

    assert pids(family({}, token)) == {root, child}


def test_a_token_that_only_begins_alike_is_another(start, token) -> None:
    parent(start, env={**os.environ, TOKEN: f"{token}-and-more"})

    assert family({}, token) == []


def test_zombies_are_nobody(start) -> None:
    child = start("true")
    until(lambda: look(child.pid).state == ZOMBIE)

    assert family({child.pid: started(child.pid)}) == []


def test_we_are_not_of_our_own_family() -> None:
    assert os.getpid() not in pids(family({os.getpid(): started(os.getpid())}))


# --- signals ---------------------------------------------------------------------------------------


def test_a_signal_reaches_exactly_its_process(start) -> None:
    child = start("sleep", "600")

    assert send(look(child.pid), signal.SIGTERM)
    assert child.wait(60) == -signal.SIGTERM


def test_a_pid_that_was_used_again_is_never_signalled(start) -> None:
    """The pid is the stranger's now; the start time tells."""
    stranger = start("sleep", "600")
    once = Process(stranger.pid, os.getpid(), stranger.pid, "before the stranger was born", "S")

    assert not send(once, signal.SIGKILL)
    assert lives(stranger.pid)


def test_without_pidfds_the_start_time_is_asked_all_the_same(start, monkeypatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    stranger, child = start("sleep", "600"), start("sleep", "600")

    assert not send(Process(stranger.pid, 1, 1, "before", "S"), signal.SIGKILL)
    assert send(look(child.pid), signal.SIGTERM)
    assert child.wait(60) == -signal.SIGTERM


def test_who_is_gone_already_cannot_be_signalled(start) -> None:
    child = start("sleep", "600")
    process = look(child.pid)
    child.kill()
    child.wait()

    assert not send(process, signal.SIGTERM)


# --- ending ----------------------------------------------------------------------------------------


def test_the_end_of_a_family_spares_nobody_in_it_and_everybody_else(start) -> None:
    stranger = start("sleep", "600")
    root, child = parent(start, child_session=True)

    assert end({root: started(root)}) == []

    assert not lives(root)
    assert not lives(child)
    assert lives(stranger.pid)


def test_a_root_that_is_a_strangers_now_is_spared(start) -> None:
    stranger = start("sleep", "600")

    assert end({stranger.pid: "another time"}) == []
    assert lives(stranger.pid)


def test_who_will_not_go_is_named(start, monkeypatch) -> None:
    """A process in uninterruptible sleep stays whatever one does; here its signals are lost."""
    monkeypatch.setattr(processes, "send", lambda _process, _number: True)
    child = start("sleep", "600")

    left = end({child.pid: started(child.pid)}, seconds=0.01)

    assert pids(left) == {child.pid}


def test_ending_nobody_is_done_at_once() -> None:
    assert end({}) == []


# --- where there is no /proc -----------------------------------------------------------------------


@pytest.fixture
def no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done on a Mac, with this machine's `ps`, which knows the same keywords."""
    if shutil.which("ps", path=os.defpath) is None:
        pytest.skip("no ps here")
    monkeypatch.setattr(sys, "platform", "darwin")


def test_ps_tells_whose_a_process_is(no_proc, start) -> None:
    child = start("sleep", "600")
    until(lambda: (found := look(child.pid)) and found.session == child.pid)

    found = processes.table()[child.pid]

    assert (found.pid, found.parent, found.session) == (child.pid, os.getpid(), child.pid)
    assert found.started == started(child.pid)
    assert look(1 << 30) is None


@pytest.mark.parametrize("foreign", [{"TZ": "Asia/Tokyo"}, {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}])
def test_ps_tells_the_same_start_time_in_every_zone_and_language(no_proc, monkeypatch, foreign) -> None:
    """The supervisor has its user's, and the guardian none."""
    here = started(os.getpid())
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)

    assert started(os.getpid()) == here != ""
