"""Start, signal and reap the child processes of the supervisor and their orphaned descendants.

Only `Children` calls `waitpid` for these processes, so that no other code can take their exit statuses. Other
code waits only for a process that it has forked itself, without returning to the event loop in between.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from infra_runtime.data_directory import remains
from infra_runtime.data_directory.journal import Journal
from infra_runtime.host import cgroup, processes, shared_memory
from infra_runtime.host.ports import SOCKETS
from infra_runtime.supervisor.binding import Bound
from infra_runtime.supervisor.early_starts import EarlyStart
from infra_runtime.supervisor.guardian_process import Guardian
from infra_runtime.supervisor.spawn import SERVICE, environment_of, spawn

#: the longest time in seconds until SIGSTOP has paused a process: a process first completes a write to the
#: disk
FREEZE_SECONDS = 2.0
#: function that is called when the first process of a service has exited. Its arguments are the service, the
#: pid, the exit status, and whether other processes of the service remained. If the service had not received
#: a stop signal, these processes were killed
Ended = Callable[[str, int, int, bool], None]


class Children:
    """All processes that the supervisor has started, with the service to which each process belongs."""

    def __init__(
        self, guardian: Guardian, journal: Journal, *, environment: str, token: str, ended: Ended
    ) -> None:
        self._guardian, self._journal = guardian, journal
        self._environment, self._token, self._ended = environment, token, ended
        #: service → the pid of its first process
        self._main_pids: dict[str, int] = {}
        #: pid → its service and, for the process of a step or probe, the future whose result will be the exit
        #: status
        self._owners: dict[int, tuple[str, asyncio.Future[int] | None]] = {}
        self._start_times: dict[int, str] = {}
        #: service → pid and start time of the processes that have received the current stop signal
        self._signalled: dict[str, set[tuple[int, str]]] = {}
        #: service → pid and start time of the processes that remained when its first process exited
        self._rests: dict[str, dict[int, str]] = {}
        #: service → pid, start time and exit status (a future) of its early process, until `take_over` is
        #: called
        self._early: dict[str, tuple[int, str, asyncio.Future[int]]] = {}
        #: service → the path of its log, which is open in every process of the service
        self._logs: dict[str, str] = {}
        #: pid and start time of each descendant → whether it has the token in its environment
        self._marked: dict[tuple[int, str], bool] = {}
        #: pid → start time of the descendants without the token
        self._unmarked: dict[int, str] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGCHLD, self._reap)

    def start(self, bound: Bound, log: str, sockets: Mapping[str, int]) -> tuple[int, str]:
        """Start the first process of a service; return the pid and the start time of the process.

        `sockets` is a mapping from port name to the descriptor of a listening socket, which the process
        inherits. Raises `OSError` or `subprocess.SubprocessError` if the command cannot be executed.
        """
        name, refuses_root = bound.spec.name, bound.spec.refuses_root
        pid = self._spawn(
            name, bound.command, bound.env, bound.cwd, log, refuses_root=refuses_root, sockets=sockets
        )
        self._owners[pid] = name, None
        self._main_pids[name] = pid
        return pid, self._start_times[pid]

    async def run(
        self,
        service: str,
        command: tuple[str, ...],
        *,
        cwd: str,
        log: str,
        env: Mapping[str, str] | None = None,
        refuses_root: bool = False,
    ) -> int:
        """Run a command for a service and return the exit status of the command.

        If this coroutine is cancelled, all processes of the command are killed.
        """
        pid = self._spawn(service, command, env or {}, cwd, log, refuses_root=refuses_root)
        return await self.finish(pid, self._owned(pid, service))

    def adopt(self, starts: Mapping[str, EarlyStart]) -> None:
        """Add the processes of early starts, which were started before this object was created."""
        for name, early in starts.items():
            self._start_times[early.pid], self._logs[name] = early.started, early.log
            self._early[name] = early.pid, early.started, self._owned(early.pid, name)
        self._reap()  # a process may have exited before the handler of SIGCHLD existed

    def take_over(self, service: str) -> tuple[int, str]:
        """Make the process of an early start the first process of its service; return pid and start time.

        If the process has exited, its exit is reported when the caller has returned to the event loop.
        """
        pid, started, future = self._early.pop(service)
        if future.done():
            self._loop.call_soon(self._first_exited, service, pid, started, future.result())
        else:
            self._owners[pid] = service, None
            self._main_pids[service] = pid
        return pid, started

    async def finish(self, pid: int, future: asyncio.Future[int]) -> int:
        """Wait for a process and return its exit status; if this coroutine is cancelled, kill the process."""
        start = self._start_times.get(pid, "")
        try:
            return await future
        finally:
            if not future.done() or future.cancelled():
                processes.end({pid: self._start_times.get(pid, start)})

    def _owned(self, pid: int, service: str) -> asyncio.Future[int]:
        future: asyncio.Future[int] = self._loop.create_future()
        self._owners[pid] = service, future
        return future

    def pid(self, service: str) -> int:
        """Return the pid of a service's first process (which runs the command); 0 if it is not running."""
        return self._main_pids.get(service, 0)

    def signal(self, service: str, number: int, *, group: bool) -> None:
        """Send a stop signal to a service's first process; with `group`, to all processes of its session.

        If the first process has exited, the signal is sent to all remaining processes of the service.
        """
        pid = self.pid(service)
        if not pid:
            self._signalled[service] = set()
            self.signal_rest(service, number)
            return
        if group:
            family = processes.family({pid: self._start_times[pid]})
            targets = [process for process in family if process.session == pid]
        else:
            process = processes.look(pid)
            targets = [process] if process and process.started == self._start_times.get(pid) else []
        if number != signal.SIGKILL:
            self._signalled[service] = {(process.pid, process.started) for process in targets}
        _stop(targets, number)

    def signal_rest(self, service: str, number: int) -> None:
        """Send the current stop signal to the processes of a service that have not received it yet."""
        signalled = self._signalled.setdefault(service, set())
        targets = [
            process
            for process in processes.family(self._roots(service))
            if (process.pid, process.started) not in signalled
        ]
        signalled |= {(process.pid, process.started) for process in targets}
        _stop(targets, number)

    def has_rest(self, service: str) -> bool:
        """Return whether processes of a service remain after its first process has exited."""
        return bool(processes.family(self._roots(service)))

    def signal_all(self, service: str, number: int) -> None:
        """Send a signal to all processes of a service."""
        for process in processes.family(self._roots(service)):
            processes.send(process, number)

    async def freeze(self, services: Iterable[str]) -> None:
        """Pause all processes of services with SIGSTOP, including processes that start during this call.

        The call ends after `FREEZE_SECONDS`, even if a process is still running then.
        """
        roots = {pid: start for service in services for pid, start in self._roots(service).items()}
        deadline = self._loop.time() + FREEZE_SECONDS
        while True:
            running = [
                process for process in processes.family(roots) if process.state not in processes.STOPPED
            ]
            if not running or self._loop.time() > deadline:
                return
            for process in running:
                processes.send(process, signal.SIGSTOP)
            await asyncio.sleep(0.001)

    def report_orphaned(self) -> None:
        """Send the pid and start time of each orphaned process to the guardian.

        An orphaned process is a descendant whose parent has exited. Without the pid, the guardian could
        identify the process only by the token in the environment of the process, which some programs
        overwrite.
        """
        for pid in self._orphaned():
            if pid not in self._start_times and (start := processes.started(pid)):
                self._start_times[pid] = start
                self._guardian.watch(pid, start)

    def record_descendants(self, path: str) -> None:
        """Write a file with the descendants that a later supervisor cannot identify by token or group.

        Such a process has overwritten its environment, which contained the token. Each process is
        checked only once.
        """
        if cgroup.contains(self._token, os.getpid()):
            return
        marked_before, self._marked = self._marked, {}
        unmarked: dict[int, str] = {}
        for process in processes.descendants(os.getpid()):
            key = process.pid, process.started
            marked = (
                marked_before[key] if key in marked_before else processes.has_token(process.pid, self._token)
            )
            self._marked[key] = marked
            if not marked and process.pid != self._guardian.pid:
                unmarked[process.pid] = process.started
        if unmarked != self._unmarked:
            self._unmarked = unmarked
            remains.write_descendants(path, unmarked)

    def sweep(self, service: str) -> list[str]:
        """Kill all remaining processes of a service.

        Return a list with the string `process PID` for each process that did not exit.
        """
        roots = self._roots(service)
        self._signalled.pop(service, None)
        self._rests.pop(service, None)
        remaining = _kill(roots)
        if remaining:
            self._journal.write("unkillable", service)
        return remaining

    def sweep_orphaned(self) -> list[str]:
        """Kill the orphaned processes of all services; return `process PID` for each that did not exit."""
        return _kill({pid: processes.started(pid) for pid in self._orphaned()})

    def close(self) -> None:
        """Stop reading the exit statuses of child processes, before the event loop ends."""
        self._loop.remove_signal_handler(signal.SIGCHLD)

    def _spawn(
        self,
        service: str,
        command: tuple[str, ...],
        env: Mapping[str, str],
        cwd: str,
        log: str,
        *,
        refuses_root: bool,
        sockets: Mapping[str, int] = MappingProxyType({}),
    ) -> int:
        variables = environment_of(self._environment, service, self._token) | dict(env)
        if sockets:
            variables[SOCKETS] = ",".join(f"{name}={number}" for name, number in sockets.items())
        child = spawn(
            command,
            env=variables,
            cwd=cwd,
            log=log,
            refuses_root=refuses_root,
            descriptors=[*sockets.values()],
        )
        child.returncode = 0  # Popen must not wait for the process: `_reap` reads its exit status
        self._logs[service] = log
        self._start_times[child.pid] = processes.started(child.pid)
        self._guardian.watch(child.pid, self._start_times[child.pid])
        return child.pid

    def _reap(self) -> None:
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._reaped(pid, os.waitstatus_to_exitcode(wait_status))

    def _reaped(self, pid: int, status: int) -> None:
        if pid == self._guardian.pid:
            self._journal.write("guardian-died", pid=pid)
            self._guardian.start()
            return
        self._guardian.remove(pid)
        start = self._start_times.pop(pid, "")
        name, future = self._owners.pop(pid, ("", None))
        if future is not None:
            if not future.done():
                future.set_result(status)
        elif name:
            self._main_pids.pop(name, None)
            self._first_exited(name, pid, start, status)

    def _first_exited(self, name: str, pid: int, start: str, status: int) -> None:
        orphaned = self._orphaned_of(name, pid)
        if name in self._signalled:
            self._rests[name] = orphaned
        elif orphaned:
            processes.end(orphaned)
        shared_memory.remove({pid: start})
        self._ended(name, pid, status, bool(orphaned))

    def _roots(self, service: str) -> dict[int, str]:
        roots = {pid: self._start_times[pid] for pid, (owner, _) in self._owners.items() if owner == service}
        return roots | self._orphaned_of(service) | self._rests.get(service, {})

    def _orphaned(self) -> list[int]:
        """Return the pids of descendants whose parents have exited.

        The list is empty on other systems than Linux.

        On Linux, such a descendant becomes a child of this process, which is a subreaper.
        """
        if sys.platform != "linux":
            return []
        return [
            pid for pid in _children_of(os.getpid()) if pid not in self._owners and pid != self._guardian.pid
        ]

    def _orphaned_of(self, service: str, leader: int = 0) -> dict[int, str]:
        if sys.platform != "linux":
            # The kernel does not reuse the number of a session while a process of the session exists.
            candidates = processes.table().values() if leader else ()
            return {process.pid: process.started for process in candidates if process.session == leader}
        mark, log = f"{SERVICE}={service}".encode(), self._logs.get(service, "")
        orphaned = {}
        for pid in self._orphaned():
            process = processes.look(pid)
            if process and (process.session == leader or _has_variable(pid, mark) or _writes(pid, log)):
                orphaned[pid] = process.started
        return orphaned


def _kill(roots: Mapping[int, str]) -> list[str]:
    """Kill processes; return a list with the string `process PID` for each process that did not exit."""
    return [f"process {process.pid}" for process in processes.end(roots)] if roots else []


def _stop(targets: Iterable[processes.Process], number: int) -> None:
    """Send a stop signal to processes, and then SIGCONT, because a paused process does not handle signals."""
    for process in targets:
        processes.send(process, number)
        processes.send(process, signal.SIGCONT)


def _children_of(pid: int) -> list[int]:
    """Return the pids of a process's direct children. Source: proc_pid_task_children(5)."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return [process.pid for process in processes.table().values() if process.parent == pid]


def _writes(pid: int, log: str) -> bool:
    """Return whether a process has the log file of a service open as its output.

    This identifies the processes of PostgreSQL, which overwrite their environment with the title of the
    process.
    """
    try:
        return log in {os.readlink(f"/proc/{pid}/fd/{number}") for number in (1, 2)}
    except OSError:
        return False


def _has_variable(pid: int, variable: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return variable in file.read().split(b"\0")
    except OSError:
        return False
