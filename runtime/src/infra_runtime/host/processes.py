"""Which processes are ours, and how to end them without ever touching a stranger's.

A process is named by its pid *and* its start time: pids are used again, the pair is not. The guardian
imports this, so it imports next to nothing itself.
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

#: in the environment of everything that a supervisor starts; its value names the stack
TOKEN = "INFRA_STACK_TOKEN"  # noqa: S105 - the variable's name, not a secret
ZOMBIE = "Z"
#: by a signal, or under a debugger
STOPPED = "Tt"


class Process:
    """One line of the process table."""

    __slots__ = ("parent", "pid", "session", "started", "state")

    def __init__(self, pid: int, parent: int, session: int, started: str, state: str) -> None:
        self.pid, self.parent, self.session, self.started, self.state = pid, parent, session, started, state


def look(pid: int) -> Process | None:
    """The process of this pid, or None when there is none. Source: proc_pid_stat(5)."""
    if sys.platform != "linux":
        return _ask_ps(["-p", str(pid)]).get(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    # The name is in parentheses and may hold anything, also spaces and parentheses.
    state, parent, _group, session, *rest = text[text.rindex(")") + 2 :].split()
    return Process(pid, int(parent), int(session), rest[15], state)


def table() -> dict[int, Process]:
    """All processes that can be seen, by pid."""
    if sys.platform != "linux":
        return _ask_ps(["-ax"])
    found = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def _ask_ps(selection: list[str]) -> dict[int, Process]:
    import subprocess

    command = ["ps", *selection, "-o", "pid=,ppid=,sess=,stat=,lstart="]
    # The guardian, which has no environment, must read the same start time as the supervisor.
    plain = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    output = subprocess.run(command, capture_output=True, text=True, check=False, env=plain).stdout
    found = {}
    for line in output.splitlines():
        pid, parent, _session, state, *started = line.split()
        try:
            session = os.getsid(int(pid))
        except OSError:
            continue
        found[int(pid)] = Process(int(pid), int(parent), session, " ".join(started), state[0])
    return found


def started(pid: int) -> str:
    """When the process began, as an opaque text; empty when it is no more."""
    process = look(pid)
    return process.started if process else ""


def bears(pid: int, token: str) -> bool:
    """Whether the process was started with our token in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{TOKEN}={token}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def family(roots: Mapping[int, str], token: str = "") -> list[Process]:
    """Every living process that is provably of these roots (pid → start time).

    That is: a root itself, its descendants, its session as long as the root lives, and whatever bears
    the token (which a process keeps when it forks away into another session). Zombies are nobody: they
    hold nothing, and can't be killed.
    """
    processes = table()
    sessions = {pid for pid, start in roots.items() if pid in processes and processes[pid].started == start}
    ours = set(sessions)
    if token:
        ours |= {pid for pid in processes if bears(pid, token)}
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
    """Signal exactly this process: a pid that now is somebody else's is left alone.

    Where the kernel has pidfds there is no moment between the look and the signal.
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
    """SIGKILL the whole family, again until nobody new appears, and remove what they leave in the kernel.

    Returns who would not go. Blocks; a round takes a millisecond or two. Whoever is the parent must reap
    meanwhile, but zombies don't count.
    """
    deadline = time.monotonic() + seconds
    proven = dict(roots)
    while left := family(proven, token):
        for process in left:
            send(process, signal.SIGKILL)
            proven[process.pid] = process.started
        if time.monotonic() > deadline:
            return left
        time.sleep(0.002)
    shared_memory.remove({pid: start for pid, start in proven.items() if started(pid) in {"", start}})
    return []
