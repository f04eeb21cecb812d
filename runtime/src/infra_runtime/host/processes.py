"""The processes of a stack: how to identify them, and how to kill them without signalling foreign processes.

A process is identified by its pid *and* its start time: a pid is reused, the pair is not. The guardian
imports this module, so the module imports as little as possible.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from infra_runtime.host import shared_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: the environment variable of all processes that a supervisor starts; its value identifies the supervisor's
#: run
TOKEN = "INFRA_STACK_TOKEN"  # noqa: S105 - the variable's name, not a secret
ZOMBIE = "Z"
#: the states of a process that a signal or a debugger has stopped
STOPPED = "Tt"


class Process:
    """One entry of the process table."""

    __slots__ = ("parent", "pid", "session", "started", "state")

    def __init__(self, pid: int, parent: int, session: int, started: str, state: str) -> None:
        self.pid, self.parent, self.session, self.started, self.state = pid, parent, session, started, state


def look(pid: int) -> Process | None:
    """Return the process with this pid, or None when it does not exist. Source: proc_pid_stat(5)."""
    if sys.platform != "linux":
        return _ask_ps(["-p", str(pid)]).get(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    # The program's name is in parentheses, and may itself contain spaces and parentheses.
    state, parent, _group, session, *rest = text[text.rindex(")") + 2 :].split()
    return Process(pid, int(parent), int(session), rest[15], state)


def table() -> dict[int, Process]:
    """Return pid → process for all visible processes."""
    if sys.platform != "linux":
        return _ask_ps(["-ax"])
    entries = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in entries if process is not None}


def _ask_ps(selection: list[str]) -> dict[int, Process]:
    import subprocess

    command = ["ps", *selection, "-o", "pid=,ppid=,sess=,stat=,lstart="]
    # The guardian has no environment variables, but must read the same start time as the supervisor.
    env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    output = subprocess.run(command, capture_output=True, text=True, check=False, env=env).stdout
    processes = {}
    for line in output.splitlines():
        pid, parent, _session, state, *started = line.split()
        try:
            session = os.getsid(int(pid))
        except OSError:
            continue
        processes[int(pid)] = Process(int(pid), int(parent), session, " ".join(started), state[0])
    return processes


def started(pid: int) -> str:
    """Return the start time of a process as an opaque text; empty when the process does not exist."""
    process = look(pid)
    return process.started if process else ""


def has_token(pid: int, token: str) -> bool:
    """Return whether the process was started with this token in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{TOKEN}={token}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def family(roots: Mapping[int, str], token: str = "") -> list[Process]:
    """Return the running processes that belong to these roots (pid → start time), without this process.

    They are the roots themselves, their descendants, the sessions of running roots, and the processes with
    the token, which a process keeps when it forks into another session. Zombies are left out: they hold no
    resources, and cannot be killed.
    """
    processes = table()
    sessions = {pid for pid, start in roots.items() if pid in processes and processes[pid].started == start}
    ours = set(sessions)
    if token:
        ours |= {pid for pid in processes if has_token(pid, token)}
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
        if process.session in sessions:
            ours.add(process.pid)
    queue = list(ours)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in ours:
                ours.add(child)
                queue.append(child)
    ours.discard(os.getpid())
    return [processes[pid] for pid in sorted(ours) if processes[pid].state != ZOMBIE]


def send(process: Process, number: int) -> bool:
    """Send a signal to this process; return whether it was sent. A reused pid gets no signal.

    Where the kernel has pidfds, the pid cannot be reused between the check and the signal.
    """
    try:
        if hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
            handle = os.pidfd_open(process.pid)
            try:
                if started(process.pid) != process.started:
                    return False
                signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)
        elif started(process.pid) == process.started:
            os.kill(process.pid, number)
        else:
            return False
    except OSError:
        return False
    return True


def end(roots: Mapping[int, str], token: str = "", seconds: float = 5.0) -> list[Process]:
    """Kill all processes of `family` until none is left, and remove the shared memory that they leave.

    Return the processes that still run after `seconds`. The call blocks; one round takes 1 to 2 ms. Zombies
    do not count, so their parents may reap them later.
    """
    deadline = time.monotonic() + seconds
    signalled = dict(roots)
    files: set[str] = set()
    while running := family(signalled, token):
        for process in running:
            files |= shared_memory.files_of(process.pid)
            send(process, signal.SIGKILL)
            signalled[process.pid] = process.started
        if time.monotonic() > deadline:
            return running
        time.sleep(0.002)
    shared_memory.remove_files(files)
    shared_memory.remove({pid: start for pid, start in signalled.items() if started(pid) in {"", start}})
    return []
