"""The signals that stop a service: a server behind a shell gets its stop signal and its stop seconds."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from fakes.stacks import alive, server, spawned, until
from infra_runtime.messages import Phase
from infra_runtime.spec import ExecProbe, StopStep

pytestmark = pytest.mark.process
#: writes a line for each SIGTERM and SIGINT that it gets; the first one makes it write `done` after a while
WORKER = """
import os, signal, sys, time
path, seconds = sys.argv[1], float(sys.argv[2])
if "session" in sys.argv:
    os.setsid()
def write(text):
    with open(path, "a") as file:
        file.write(text + "\\n")
stopping = []
def stop(number, _frame):
    write(signal.Signals(number).name)
    stopping.append(number)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, stop)
write("ready")
while not stopping:
    time.sleep(0.005)
time.sleep(seconds)
write("done")
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file with a line for each event of the worker."""
    return tmp_path / "worker.log"


def worker(log: Path, seconds: float, *options: str) -> str:
    """Return the command line of a worker for a shell."""
    code = log.with_name("worker.py")
    code.write_text(WORKER)
    return " ".join([sys.executable, "-I", "-S", str(code), str(log), str(seconds), *options])


def behind_a_shell(log: Path, line: str, *steps: StopStep):
    ready = ExecProbe(command=("grep", "-q", "ready", str(log)))
    return server("web", command=("sh", "-c", line), ready=ready, stop=steps or (StopStep(seconds=60.0),))


#: writes the numbers of the signals that the process ignores, and `ready`
IGNORED = """
import signal, sys
ignored = [number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN]
with open(sys.argv[1], "w") as file:
    print(*sorted(map(int, ignored)), "ready", file=file)
signal.pause()
"""


def test_a_service_starts_without_ignored_signals(stack_of, log) -> None:
    """A program that ignores SIGINT would lose a stop signal that it gets before it sets its handlers."""
    command = (sys.executable, "-I", "-S", "-c", IGNORED, str(log))
    stack_of(server("web", command=command, ready=ExecProbe(command=("grep", "-q", "ready", str(log)))))

    ignored = {signal.Signals(int(word)) for word in log.read_text().split()[:-1]}

    # Python itself ignores these signals.
    assert ignored <= {signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)}


def test_a_server_behind_a_shell_gets_its_stop_signal_and_its_time(stack_of, log) -> None:
    stack = stack_of(behind_a_shell(log, f"{worker(log, 0.3)}; true"))

    stack.stop("web")

    assert log.read_text().split() == ["ready", "SIGTERM", "done"]


def test_a_server_gets_the_configured_signal_once(stack_of, log) -> None:
    """A second SIGINT makes many programs exit at once."""
    step = StopStep(signal=signal.SIGINT, seconds=60.0)
    stack = stack_of(behind_a_shell(log, f"trap 'exit 3' INT; {worker(log, 0.3)} & wait", step))

    stack.stop("web")

    assert log.read_text().split() == ["ready", "SIGINT", "done"]


def test_without_group_only_the_first_process_gets_the_signal(stack_of, log) -> None:
    """The shell outlives the worker, as the first process of PostgreSQL outlives its children."""
    line = f"trap 'echo first >> {log}; kill -INT $$child; wait $$child; exit' TERM; "
    line += f"{worker(log, 0)} & child=$$!; wait"
    stack = stack_of(behind_a_shell(log, line, StopStep(seconds=60.0, group=False)))

    stack.stop("web")

    assert log.read_text().split() == ["ready", "first", "SIGINT", "done"]


def test_without_group_processes_that_remain_get_the_signal_after_the_first_one(stack_of, log) -> None:
    step = StopStep(seconds=60.0, group=False)
    stack = stack_of(behind_a_shell(log, f"{worker(log, 0.3)} & wait", step))

    stack.stop("web")

    assert log.read_text().split() == ["ready", "SIGTERM", "done"]


@pytest.mark.skipif(sys.platform != "linux", reason="subreapers exist only on Linux")
def test_a_remaining_process_in_another_session_gets_the_signal(stack_of, log) -> None:
    stack = stack_of(behind_a_shell(log, f"{worker(log, 0.3, 'session')} & wait"))

    stack.stop("web")

    assert log.read_text().split() == ["ready", "SIGTERM", "done"]


def test_remaining_processes_are_killed_after_the_stop_seconds(stack_of, log, data) -> None:
    stack = stack_of(behind_a_shell(log, f"{worker(log, 600)} & wait", StopStep(seconds=2.0)))

    stack.stop("web")

    assert log.read_text().split() == ["ready", "SIGTERM"]
    assert stack.status().services["web"].phase is Phase.STOPPED
    assert not alive(data)


def test_a_restart_waits_for_the_remaining_processes(stack_of, log) -> None:
    stack = stack_of(behind_a_shell(log, f"{worker(log, 0.3)} & wait"))

    stack.restart("web")

    until(lambda: log.read_text().count("ready") == 2)
    assert log.read_text().split() == ["ready", "SIGTERM", "done", "ready"]


def test_processes_that_a_crash_left_are_killed_at_once(stack_of, log, data) -> None:
    stack_of(behind_a_shell(log, f"{worker(log, 600)} & wait", StopStep(seconds=0.1)))
    [pid] = spawned(data)

    os.kill(pid, signal.SIGKILL)
    until(lambda: len(spawned(data)) == 2)

    assert "SIGTERM" not in log.read_text()
