"""Identify and kill the processes of a stack, without sending signals to other processes.

A process is identified by its pid *and* its start time, because the kernel reuses pids. The guardian imports
this module, so the module imports as little as possible.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from infra_runtime.host import cgroup, shared_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

#: the environment variable of all processes that a supervisor starts; its value identifies the supervisor's
#: run
TOKEN = "INFRA_STACK_TOKEN"  # noqa: S105 - the variable's name, not a secret
ZOMBIE = "Z"
#: the states of a process that a signal or a debugger has paused
STOPPED = "Tt"


class Process:
    """A process of this machine, as an entry of the process table."""

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
    if state == ZOMBIE and int(rest[13]) > 1:
        state = "S"  # the first thread has exited, but other threads keep running
    return Process(pid, int(parent), int(session), rest[15], state)


def table() -> dict[int, Process]:
    """Return a mapping from pid to process for all visible processes."""
    if sys.platform != "linux":
        return _ask_ps(["-ax"])
    entries = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in entries if process is not None}


def _ask_ps(selection: list[str]) -> dict[int, Process]:
    processes = {}
    for line in _ps(*selection, *_columns("pid", "ppid", "stat", "lstart")):
        pid, parent, state, *started = line.split()
        try:
            session = os.getsid(int(pid))
        except OSError:
            continue
        processes[int(pid)] = Process(int(pid), int(parent), session, " ".join(started), state[0])
    return processes


def _ps(*arguments: str) -> list[str]:
    import subprocess

    # Environment variables are fixed: the guardian has none, but must read the same text as the supervisor.
    env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    command = ["ps", *arguments]
    output = subprocess.run(command, capture_output=True, check=False, env=env).stdout
    return output.decode(errors="replace").splitlines()


def _columns(*names: str) -> list[str]:
    """Return options of `ps` for these columns without headers; BSD requires an option for each column."""
    return [word for name in names for word in ("-o", f"{name}=")]


def started(pid: int) -> str:
    """Return the start time of a process as a string to compare; empty if the process does not exist."""
    process = look(pid)
    return process.started if process else ""


def has_token(pid: int, token: str) -> bool:
    """Return whether the process was started with this token in its environment.

    The environment of another user's process is readable for root only, so a token proves that the process
    belongs to the stack.
    """
    if sys.platform != "linux":
        return pid in _marked_in_ps((token,))
    mark = f"{TOKEN}={token}".encode()
    # If the first thread has exited, only other threads have the environment.
    threads = (f"/proc/{pid}/task/{thread}/environ" for thread in _listed(f"/proc/{pid}/task"))
    for path in (f"/proc/{pid}/environ", *threads):
        try:
            with open(path, "rb") as file:
                content = file.read()
        except ProcessLookupError:
            continue
        except OSError:
            return False
        if content:
            return mark in content and mark in content.split(b"\0")
    return False


def _listed(folder: str) -> Iterator[str]:
    """Yield the names of the files in a folder; the folder is read when the first name is requested."""
    try:
        yield from os.listdir(folder)
    except OSError:
        return


def _marked_in_ps(tokens: Collection[str]) -> set[int]:
    """Use `ps` to find processes whose environment contains one of these tokens; return their pids."""
    commands = _commands("axww")
    marks = {f"{TOKEN}={token}" for token in tokens}
    marked = set()
    for pid, text in _commands("axeww").items():
        # The environment follows the arguments; the arguments of an unrelated process may contain the token.
        arguments = commands.get(pid)
        if arguments is not None and text.startswith(arguments):
            marked |= {pid} if marks & set(text[len(arguments) :].split(" ")) else set()
    return marked


def _commands(selection: str) -> dict[int, str]:
    pairs = (line.strip().partition(" ") for line in _ps(selection, *_columns("pid", "command")))
    return {int(pid): text.strip() for pid, _, text in pairs if pid.isdigit()}


def family(roots: Mapping[int, str], *tokens: str, grouped: bool = False) -> list[Process]:
    """Return the running processes that belong to a stack, without this process.

    The processes are found by:
    - `roots`: pid → start time of recorded processes. All processes in the session of a recorded process
      belong to the stack. If the recorded process has exited, the other processes of its session belong to
      the stack only if one of them is found in another way;
    - `tokens`: a process keeps the token when it forks into another session. With `grouped`, all processes in
      the control groups (cgroups) whose names contain a token belong to the stack, including a supervisor;
    - the parent: descendants of all these processes.

    Zombies are not returned, because they hold no resources and cannot be killed.
    """
    processes = table()
    ours = {pid for pid, start in roots.items() if pid in processes and processes[pid].started == start}
    sessions = set(ours)
    tokens = tuple(token for token in tokens if token)
    if tokens and sys.platform == "linux":
        ours |= {pid for pid in processes if any(has_token(pid, token) for token in tokens)}
        if grouped:
            ours |= {pid for pid in processes if any(cgroup.contains(token, pid) for token in tokens)}
    elif tokens:
        ours |= _marked_in_ps(tokens) & processes.keys()
    exited = roots.keys() - processes.keys()
    sessions |= {processes[pid].session for pid in ours} & exited
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


def descendants(pid: int) -> list[Process]:
    """Return the children of a process and their descendants, without zombies."""
    processes = table()
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    descendants: list[Process] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), ())
        descendants += below
        queue += [process.pid for process in below]
    return [process for process in descendants if process.state != ZOMBIE]


def ancestors() -> set[int]:
    """Return the pids of this process and of its parents, up to the first process."""
    pids: set[int] = set()
    process = look(os.getpid())
    while process is not None and process.pid not in pids:
        pids.add(process.pid)
        process = look(process.parent) if process.parent else None
    return pids


def send(process: Process, number: int) -> bool:
    """Send a signal to a process, and return whether the signal was sent.

    If another process has the pid now, no signal is sent. If the kernel supports pidfds, the pid cannot be
    reused between the check and the signal.
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


def end(roots: Mapping[int, str], *tokens: str, seconds: float = 5.0) -> list[Process]:
    """Kill all processes that `family` finds until none is left, and remove their shared memory.

    The parents of this process are not killed. Return the processes that still run after `seconds`. The call
    blocks; one round takes 1 to 2 ms. Zombies are ignored, so their parents can read the exit status later.
    """
    return kill(roots, *tokens, seconds=seconds)[1]


def kill(roots: Mapping[int, str], *tokens: str, seconds: float = 5.0) -> tuple[set[int], list[Process]]:
    """Kill processes like `end`; return the pids of the killed processes and the processes that still run."""
    deadline = time.monotonic() + seconds
    signalled = dict(roots)
    killed: set[int] = set()
    files: set[str] = set()
    spared = ancestors()
    while running := [
        process for process in family(signalled, *tokens, grouped=True) if process.pid not in spared
    ]:
        for process in running:
            files |= shared_memory.files_of(process.pid)
            if send(process, signal.SIGKILL):
                killed.add(process.pid)
            signalled[process.pid] = process.started
        if time.monotonic() > deadline:
            return killed, running
        time.sleep(0.002)
    shared_memory.remove_files(files)
    shared_memory.remove({pid: start for pid, start in signalled.items() if started(pid) in {"", start}})
    return killed, []
