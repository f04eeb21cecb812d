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

#: the environment variable of all processes that a supervisor starts; its value, the token, identifies the
#: run of the supervisor
TOKEN = "INFRA_STACK_TOKEN"  # noqa: S105 - the variable's name, not a secret
ZOMBIE = "Z"
#: the states of a process that a signal or a debugger has paused
STOPPED = "Tt"


class Process:
    """A process of this machine, with the data of the process table."""

    __slots__ = ("parent", "pid", "session", "started", "state")

    def __init__(self, pid: int, parent: int, session: int, started: str, state: str) -> None:
        self.pid, self.parent, self.session, self.started, self.state = pid, parent, session, started, state


def look(pid: int) -> Process | None:
    """Return the process with this pid; None if it does not exist. Source: proc_pid_stat(5)."""
    if sys.platform != "linux":
        return _ask_ps(["-p", str(pid)]).get(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    # The program's name is in parentheses, and may itself contain spaces and parentheses.
    state, parent, _group, session, *other_fields = text[text.rindex(")") + 2 :].split()
    if state == ZOMBIE and int(other_fields[13]) > 1:
        state = "S"  # the first thread has exited, but other threads keep running
    return Process(pid, int(parent), int(session), other_fields[15], state)


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

    # The environment is fixed, so that the guardian, which has no variables, gets the same text as the
    # supervisor.
    env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    command = ["ps", *arguments]
    output = subprocess.run(command, capture_output=True, check=False, env=env).stdout
    return output.decode(errors="replace").splitlines()


def _columns(*names: str) -> list[str]:
    """Return the options of `ps` for these columns without headers; BSD requires one option per column."""
    return [word for name in names for word in ("-o", f"{name}=")]


def started(pid: int) -> str:
    """Return the start time of a process as a text for comparisons; empty if the process does not exist."""
    process = look(pid)
    return process.started if process else ""


def has_token(pid: int, token: str) -> bool:
    """Return whether a process was started with this token in its environment.

    Other users cannot read the token, because only root can read the environment of another user's process.
    Therefore, a process with the token belongs to the stack.
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
    """Yield the names of the files in a folder, which is read when the first name is requested."""
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
        # The environment follows the arguments, which are removed: arguments of other processes may contain
        # the token.
        arguments = commands.get(pid)
        if arguments is not None and text.startswith(arguments):
            marked |= {pid} if marks & set(text[len(arguments) :].split(" ")) else set()
    return marked


def _commands(selection: str) -> dict[int, str]:
    pairs = (line.strip().partition(" ") for line in _ps(selection, *_columns("pid", "command")))
    return {int(pid): text.strip() for pid, _, text in pairs if pid.isdigit()}


def family(roots: Mapping[int, str], *tokens: str, grouped: bool = False) -> list[Process]:
    """Return the running processes that belong to a stack, without this process.

    These processes belong to a stack:

    - `roots`: recorded processes (pid → start time) and all processes of their sessions. If the recorded
      process of a session has exited, the session belongs to the stack only if one of its processes belongs
      to the stack for another reason.
    - `tokens`: processes with one of these tokens in their environment, which forked processes inherit. With
      `grouped`, also all processes in the control groups of the tokens, including a supervisor.
    - all descendants of these processes.

    Zombies are not returned, because they hold no resources and cannot be killed.
    """
    processes = table()
    pids = {pid for pid, start in roots.items() if pid in processes and processes[pid].started == start}
    sessions = set(pids)
    tokens = tuple(token for token in tokens if token)
    if tokens and sys.platform == "linux":
        pids |= {pid for pid in processes if any(has_token(pid, token) for token in tokens)}
        if grouped:
            pids |= {pid for pid in processes if any(cgroup.contains(token, pid) for token in tokens)}
    elif tokens:
        pids |= _marked_in_ps(tokens) & processes.keys()
    exited = roots.keys() - processes.keys()
    sessions |= {processes[pid].session for pid in pids} & exited
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
        if process.session in sessions:
            pids.add(process.pid)
    queue = list(pids)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in pids:
                pids.add(child)
                queue.append(child)
    pids.discard(os.getpid())
    return [processes[pid] for pid in sorted(pids) if processes[pid].state != ZOMBIE]


def descendants(pid: int) -> list[Process]:
    """Return the children of a process and their descendants, without zombies."""
    processes = table()
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    descendants: list[Process] = []
    queue = [pid]
    while queue:
        child_processes = children.get(queue.pop(), ())
        descendants += child_processes
        queue += [process.pid for process in child_processes]
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
    """Send a signal to a process; return whether the signal was sent.

    If the process has exited and another process has its pid, no signal is sent. If the kernel supports
    pidfds, the pid cannot be reused between this check and the signal.
    """
    try:
        if hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
            pidfd = os.pidfd_open(process.pid)
            try:
                if started(process.pid) != process.started:
                    return False
                signal.pidfd_send_signal(pidfd, number)
            finally:
                os.close(pidfd)
        elif started(process.pid) == process.started:
            os.kill(process.pid, number)
        else:
            return False
    except OSError:
        return False
    return True


def end(roots: Mapping[int, str], *tokens: str, seconds: float = 5.0) -> list[Process]:
    """Kill all processes that `family` returns until no process remains; then remove their shared memory.

    The parents of this process are not killed. Return the processes that are still running after `seconds`;
    the shared memory then remains.
    The call blocks; one repetition takes 1 to 2 ms. Zombies are ignored, so that their parents can read their
    exit status later.
    """
    return kill(roots, *tokens, seconds=seconds)[1]


def kill(roots: Mapping[int, str], *tokens: str, seconds: float = 5.0) -> tuple[set[int], list[Process]]:
    """Kill processes like `end`; return the pids of the killed processes and the processes that still run."""
    deadline = time.monotonic() + seconds
    signalled = dict(roots)
    killed: set[int] = set()
    files: set[str] = set()
    own_ancestors = ancestors()
    while running := [
        process for process in family(signalled, *tokens, grouped=True) if process.pid not in own_ancestors
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
