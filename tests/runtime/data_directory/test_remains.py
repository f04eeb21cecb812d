"""The processes that are left when supervisor and guardian are killed at the same time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.command_line import CommandLine
from fakes.stacks import alive, is_running, journal_events, kill_both, resolved, server, spawned, until
from infra_runtime.data_directory import remains, wipe
from infra_runtime.data_directory.journal import Journal
from infra_runtime.data_directory.leak_check import check_leaks
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.engines.local.stack import Stack
from infra_runtime.host import file_lock, ownership, processes
from infra_runtime.spec import ServiceSpec

pytestmark = pytest.mark.process

#: daemonises with a double fork, changes itself as its arguments state, and writes its pid to a file
STRAY = """
import os, signal, sys, threading, time
path, kind = sys.argv[1:]
if os.fork():
    sys.exit()
os.setsid()
if os.fork():
    sys.exit()
for number in (0, 1, 2):
    os.close(number)
os.chdir("/")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if kind == "cleared":
    code = "import sys, time; open(sys.argv[1] + '.new', 'w').write(sys.argv[2]); "
    code += "import os; os.rename(sys.argv[1] + '.new', sys.argv[1]); time.sleep(600)"
    os.execve(sys.executable, ["renamed", "-I", "-S", "-c", code, path, str(os.getpid())], {})
if kind == "renamed":
    open("/proc/self/comm", "w").write("kworker/0:0")
with open(path + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(path + ".new", path)
if kind == "stopped":
    os.kill(os.getpid(), signal.SIGSTOP)
if kind == "thread":
    import ctypes
    threading.Thread(target=time.sleep, args=(600,)).start()
    ctypes.CDLL(None).pthread_exit(None)
time.sleep(600)
"""
KINDS = ["plain", "cleared", "renamed", "stopped", "thread"]


def without_group(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
    """Start a supervisor as on a machine without a writable control group."""
    code = argv[4].replace(
        "from infra_runtime.supervisor",
        "import infra_runtime.host.cgroup as c; c.planned = lambda _: ''; from infra_runtime.supervisor",
        1,
    )
    return subprocess.Popen([*argv[:4], code, *argv[5:]], stdin=stdin, start_new_session=True)


@pytest.fixture
def pid_files(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A file for each kind of stray, to which it writes its pid; the strays are killed after the test."""
    paths = {kind: tmp_path / f"{kind}.pid" for kind in KINDS}
    yield paths
    for path in paths.values():
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(int(path.read_text()), signal.SIGKILL)


@pytest.fixture
def pid_file(pid_files: dict[str, Path]) -> Path:
    """A file to which a stray writes its pid; the stray is killed after the test."""
    return pid_files["cleared"]


def with_stray(pid_file: Path, kind: str, name: str = "web") -> ServiceSpec:
    stray = [sys.executable, "-I", "-S", "-c", STRAY, str(pid_file), kind]
    command = server(name).command
    # The server waits for the stray, which is therefore running when the service is ready.
    script = '"$1" "$2" "$3" "$4" "$5" "$6" "$7"; '
    script += f'while ! [ -e {pid_file} ]; do sleep 0.01; done; shift 7; exec "$@"'
    return server(name, command=("sh", "-c", script, "sh", *stray, *command))


@pytest.fixture(params=[None, without_group], ids=["with-group", "without-group"])
def start(request: pytest.FixtureRequest, data: Path) -> Iterator[Callable[..., Stack]]:
    """Start a stack whose supervisor has a control group where possible, and one that has none."""
    stacks = []

    def run(*specs: ServiceSpec, folder: Path = data) -> Stack:
        stack_plan = resolved(folder, specs)
        stacks.append(LocalEngine(launch=request.param).open(stack_plan, starting=True))
        raise_failures(stacks[-1].up(stack_plan).failures)
        return stacks[-1]

    yield run
    for stack in stacks:
        stack.close()


@pytest.mark.skipif(sys.platform != "linux", reason="an environment that was cleared is found only on Linux")
def test_a_daemonised_process_is_killed_by_the_next_start(start, data, pid_file) -> None:
    stack = start(with_stray(pid_file, "cleared"))
    stray, [first] = int(pid_file.read_text()), spawned(data)
    kill_both(data, stack.status().pid)
    assert is_running(stray)
    assert f"process {stray}" in check_leaks(Paths(str(data))).processes

    start(server("web"))

    assert not is_running(stray)
    [cleaned] = [event for event in journal_events(data) if event.event == "reconciled"]
    assert {stray, first} <= set(cleaned.pids)


@pytest.mark.skipif(sys.platform != "linux", reason="an environment that was cleared is found only on Linux")
def test_daemonised_processes_are_killed_when_their_services_have_exited_too(start, data, pid_files) -> None:
    stack = start(*(with_stray(file, kind, name=kind) for kind, file in pid_files.items()))
    strays = {int(file.read_text()) for file in pid_files.values()}
    services = spawned(data)
    kill_both(data, stack.status().pid)
    for pid in services:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(is_running, services)))

    cleaned = remains.end_unsupervised(Paths(str(data)))

    assert set(cleaned.pids) == strays
    assert [pid for pid in strays if is_running(pid)] == []
    assert check_leaks(Paths(str(data))).clean


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can switch the user")
def test_a_daemonised_process_of_another_user_is_killed(start, data, pid_file) -> None:
    stack = start(server("web"))
    [first] = spawned(data)
    environ = dict(
        line.split("=", 1) for line in Path(f"/proc/{first}/environ").read_text().split("\0") if "=" in line
    )
    other = subprocess.Popen(["sleep", "600"], user=65534, group=65534, env=environ, start_new_session=True)
    until(lambda: processes.has_token(other.pid, environ[processes.TOKEN]))
    kill_both(data, stack.status().pid)

    cleaned = remains.end_unsupervised(Paths(str(data)))

    assert other.pid in cleaned.pids
    assert other.wait(300) == -signal.SIGKILL


def test_a_run_that_ended_completely_has_no_remains(start, data, sleeper) -> None:
    start(server("web")).close()
    until(lambda: [event.event for event in journal_events(data)][-1:] == ["down"])

    assert remains.find(Paths(str(data))).tokens == ()
    assert remains.end_unsupervised(Paths(str(data))) == remains.Cleaned()
    assert sleeper.poll() is None


def test_a_supervised_stack_is_not_changed(start, data) -> None:
    stack = start(server("web"))

    assert remains.end_unsupervised(Paths(str(data)), patience=0.01) == remains.Cleaned()

    assert stack.status().services["web"].ready
    assert alive(data)


def test_a_process_with_a_reused_pid_is_not_killed(tmp_path, sleeper) -> None:
    paths = Paths(str(tmp_path))
    record = Journal(paths.journal)
    record.write("up", token="a token of no process", boot=remains.journal.boot())
    record.write("spawned", "web", pid=sleeper.pid, started="another time")
    record.close()
    remains.write_descendants(paths.descendants, {sleeper.pid: "another time"})

    cleaned = remains.end_unsupervised(paths)

    assert cleaned == remains.Cleaned()
    assert sleeper.poll() is None


def test_descendants_that_were_recorded_before_a_reboot_are_ignored(tmp_path) -> None:
    path = tmp_path / "descendants"
    path.write_text("another boot\n17 4711\n")

    assert remains.read_descendants(str(path)) == {}


def test_an_incomplete_record_of_the_descendants_is_ignored(tmp_path) -> None:
    path = tmp_path / "descendants"
    remains.write_descendants(str(path), {17: "4711", 18: "4712"})

    path.write_text(path.read_text()[:-7])

    assert remains.read_descendants(str(path)) == {17: "4711"}


def test_this_process_and_its_parents_are_never_killed(tmp_path) -> None:
    """A shell that is a process of the stack may run `infra runtime down`."""
    code = "import sys; from infra_runtime.host import processes; print(processes.kill({}, sys.argv[1])[0])"
    environ = {**os.environ, processes.TOKEN: f"token {tmp_path}"}
    command = [sys.executable, "-c", code, environ[processes.TOKEN]]
    shell = ["sh", "-c", 'sleep 600 & "$@"; echo alive', "sh", *command]

    result = subprocess.run(shell, env=environ, capture_output=True, text=True, check=True, timeout=300)

    killed, alive_line = result.stdout.splitlines()
    assert killed.strip("{}").isdigit()  # the process `sleep` alone
    assert alive_line == "alive"


def test_the_next_start_removes_the_sockets_in_another_runtime_folder(
    start, data, short, monkeypatch
) -> None:
    monkeypatch.setenv("INFRA_RUNTIME_DIR", str(short))
    stack = start(server("web"))
    former = Path(Paths(str(data)).run)
    kill_both(data, stack.status().pid)
    assert former.exists()
    monkeypatch.delenv("INFRA_RUNTIME_DIR")

    start(server("web"))

    assert not former.exists()


def test_the_down_command_stops_what_a_killed_supervisor_left(tmp_path, pid_file) -> None:
    project = CommandLine(tmp_path / "project")
    words = '["sh", "-c", "' + f"(setsid sleep 600 & echo $! > {pid_file}) ; exec sleep 600" + '"]'
    project.write(f"use = ['web']\n[services.web]\ncommand = {words}\n")
    assert project("runtime", "up", "--detach").code == 0
    until(lambda: pid_file.exists() and pid_file.read_text())
    stray = int(pid_file.read_text())
    kill_both(project.data, project("runtime", "status", "--json").json["pid"])

    down = project("runtime", "down", "--json")

    assert down.code == 0
    assert down.json["stopped"] is True
    assert stray in down.json["killed"]
    assert down.json["processes"] == []
    assert not is_running(stray)
    assert project("runtime", "down").code == 7


def test_the_group_of_a_token_is_removed_with_its_processes(start, data) -> None:
    stack = start(server("web"))
    folder = journal_events(data)[0].cgroup
    kill_both(data, stack.status().pid)

    remains.end_unsupervised(Paths(str(data)))

    assert not folder or not Path(folder).exists()


def test_what_is_left_after_the_down_event_is_removed(tmp_path, monkeypatch) -> None:
    """A supervisor and its guardian may be killed between the event and their exit."""
    monkeypatch.setenv("INFRA_RUNTIME_DIR", str(tmp_path / "run"))
    paths = Paths(str(tmp_path / "data"))
    group, socket = tmp_path / "infra-one", Path(paths.control)
    for folder in (paths.services, socket.parent, group):
        Path(folder).mkdir(parents=True)
    ownership.make_private_folder(paths.ports)
    lock_file = Path(paths.ports, "20001")
    for file in (socket, lock_file):
        file.touch()
    record = Journal(paths.journal)
    record.write("up", token="one", boot=remains.journal.boot(), cgroup=str(group), environment="test")
    record.write("down", left=[])
    record.close()

    assert remains.end_unsupervised(paths) == remains.Cleaned()

    assert not socket.parent.exists()
    assert not group.exists()
    assert not lock_file.exists()
    assert Path(paths.services).exists()  # the user may have placed files in it since then


@pytest.mark.parametrize("is_running", [False, True])
def test_a_seed_that_a_killed_supervisor_was_building_is_removed(tmp_path, monkeypatch, is_running) -> None:
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    paths = Paths(str(tmp_path / "data"))
    building = Path(paths.seeds(), "4711.new")
    (building / "postgres-1").mkdir(parents=True)
    descriptor = file_lock.acquire(str(building / "lock"))
    if not is_running:
        os.close(descriptor)
    Path(paths.services).mkdir(parents=True)
    record = Journal(paths.journal)
    record.write("up", token="one", boot=remains.journal.boot(), environment="test")
    record.close()

    remains.end_unsupervised(paths)

    assert building.exists() == is_running
    assert [*Path(paths.seeds()).iterdir()] == ([building] if is_running else [])
    if is_running:
        os.close(descriptor)


def test_a_wipe_ends_the_processes_of_a_separate_plan(start, data) -> None:
    outer, inner = Paths(str(data)), Paths(str(data / "plan-4711"))
    make_data_directory(outer, "test")
    stack = start(server("web"), folder=Path(inner.data))
    [first] = spawned(Path(inner.data))
    kill_both(Path(inner.data), stack.status().pid)

    wipe.remove(outer)

    assert not is_running(first)
    assert not Path(outer.data).exists()
    assert not Path(inner.run).exists()
