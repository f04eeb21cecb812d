"""The supervisor's children: their sessions, their ends, and the orphans that come home.

One place reaps everything, so a child's exit status is never lost to somebody else's wait.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from infra_runtime.data_directory import lock
from infra_runtime.data_directory.journal import Journal
from infra_runtime.host import processes, shared_memory
from infra_runtime.supervisor.binding import Bound
from infra_runtime.supervisor.spawn import spawn

SERVICE = "INFRA_SERVICE"
#: a process in the middle of a slow write to a disk stops when that is done
FREEZE_SECONDS = 2.0
#: a service's first process ended: its name, pid and status, and whether others of it had stayed behind
Ended = Callable[[str, int, int, bool], None]


class Guardian:
    """The supervisor's end of the guardian's pipe; starts it again if somebody kills it."""

    def __init__(self, token: str, descriptor: int, folders: Sequence[str]) -> None:
        self._token = token
        #: the lock of the data directory
        self._lock = descriptor
        #: what it removes in the end
        self._folders = folders
        self._records: dict[int, str] = {}
        self._pipe = -1
        self.pid = 0
        self.start()

    def start(self) -> None:
        """Start it, and tell it of everything that lives."""
        if self._pipe != -1:
            os.close(self._pipe)
        theirs, self._pipe = os.pipe()
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        code = f"import sys; sys.path.insert(0, {root!r}); import infra_runtime.supervisor.guardian as g; "
        code += "g.main(int(sys.argv[1]), *sys.argv[2:])"
        arguments = [str(theirs), self._token, *self._folders]
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code, *arguments],
            stdin=subprocess.DEVNULL,
            # Not a session of its own: when a session's process dies, the kernel wakes the stopped ones of
            # the groups that it leaves orphaned. Source: setpgid(2), orphaned process groups.
            process_group=0,
            pass_fds=(theirs, self._lock),
            env={},
        )
        child.returncode = 0  # the supervisor reaps it with everything else
        self.pid = child.pid
        lock.name_holder(self._lock, self.pid)
        os.close(theirs)
        for pid, start in self._records.items():
            self._send(f"+{pid} {start}\n")
        os.set_blocking(self._pipe, False)

    def watch(self, pid: int, start: str) -> None:
        """A process began."""
        self._records[pid] = start
        self._send(f"+{pid} {start}\n")

    def forget(self, pid: int) -> None:
        """A process ended."""
        if self._records.pop(pid, None) is not None:
            self._send(f"-{pid}\n")

    def dismiss(self) -> None:
        """Nothing is left to do for it. SIGKILL, because somebody may have stopped it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.close()

    def close(self) -> None:
        """Leave the rest to it."""
        os.close(self._pipe)
        self._pipe = -1

    def _send(self, text: str) -> None:
        # A broken pipe: it was killed. SIGCHLD is under way, and then it is started anew with all records.
        # A full one: it reads no more, and must not hold us up. The same happens to it.
        try:
            os.write(self._pipe, text.encode())
        except BlockingIOError:
            os.kill(self.pid, signal.SIGKILL)
        except BrokenPipeError:
            pass


class Children:
    """Every process that the supervisor started, by service."""

    def __init__(
        self, guardian: Guardian, journal: Journal, *, environment: str, token: str, ended: Ended
    ) -> None:
        self._guardian, self._journal = guardian, journal
        self._environment, self._token, self._ended = environment, token, ended
        #: service → its first process
        self._first: dict[str, int] = {}
        #: pid → the service that it belongs to, and who waits for its end when it is only a step
        self._known: dict[int, tuple[str, asyncio.Future[int] | None]] = {}
        self._starts: dict[int, str] = {}
        #: service → its log, which stands open in whatever belongs to it
        self._logs: dict[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGCHLD, self._reap)

    def start(self, bound: Bound, log: str) -> tuple[int, str]:
        """Start a service's first process; returns its pid and start time.

        Raises `OSError` or `subprocess.SubprocessError` when it cannot be executed.
        """
        name, identity = bound.spec.name, bound.spec.refuses_root
        pid = self._spawn(name, bound.command, bound.env, bound.cwd, log, refuses_root=identity)
        self._known[pid] = name, None
        self._first[name] = pid
        return pid, self._starts[pid]

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
        """Run a command for a service to its end; killed with its children when nobody waits any more."""
        pid = self._spawn(service, command, env or {}, cwd, log, refuses_root=refuses_root)
        future: asyncio.Future[int] = self._loop.create_future()
        self._known[pid] = service, future
        try:
            return await future
        finally:
            if not future.done() or future.cancelled():
                processes.end({pid: self._starts.get(pid, "")})

    def pid(self, service: str) -> int:
        """The pid of a service's first process; 0 when there is none."""
        return self._first.get(service, 0)

    def signal(self, service: str, number: int) -> None:
        """Signal a service's first process."""
        process = processes.look(self.pid(service)) if self.pid(service) else None
        if process is not None and process.started == self._starts.get(process.pid):
            processes.send(process, number)
            processes.send(process, signal.SIGCONT)  # who was stopped by somebody else would not hear it

    def signal_all(self, service: str, number: int) -> None:
        """Signal everything that belongs to a service."""
        for process in processes.family(self._roots(service)):
            processes.send(process, number)

    async def freeze(self, services: Iterable[str]) -> None:
        """Have everything of the services stand still, also what they fork meanwhile."""
        roots = {pid: start for service in services for pid, start in self._roots(service).items()}
        deadline = self._loop.time() + FREEZE_SECONDS
        while moving := [it for it in processes.family(roots) if it.state not in processes.STOPPED]:
            if self._loop.time() > deadline:
                return
            for process in moving:
                processes.send(process, signal.SIGSTOP)
            await asyncio.sleep(0.001)

    def commend(self) -> None:
        """Tell the guardian of the orphans: of one that forgot its environment it could not know."""
        for pid in self._orphans():
            if pid not in self._starts and (start := processes.started(pid)):
                self._starts[pid] = start
                self._guardian.watch(pid, start)

    def sweep(self, service: str) -> bool:
        """SIGKILL whatever is left of a service; false when something would not go."""
        roots = self._roots(service)
        return not (roots and processes.end(roots))

    def sweep_strays(self) -> list[str]:
        """SIGKILL the orphans of all services; returns those who would not go, named."""
        strays = {pid: processes.started(pid) for pid in self._orphans()}
        return [f"process {process.pid}" for process in processes.end(strays)] if strays else []

    def close(self) -> None:
        """Reap no more; the loop is about to end."""
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
    ) -> int:
        own = {"INFRA_ENV": self._environment, SERVICE: service, processes.TOKEN: self._token}
        child = spawn(command, env={**os.environ, **own, **env}, cwd=cwd, log=log, refuses_root=refuses_root)
        child.returncode = 0  # never waited for by itself: `_reap` reaps all
        self._logs[service] = log
        self._starts[child.pid] = processes.started(child.pid)
        self._guardian.watch(child.pid, self._starts[child.pid])
        return child.pid

    def _reap(self) -> None:
        while True:
            try:
                pid, raw = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._reaped(pid, os.waitstatus_to_exitcode(raw))

    def _reaped(self, pid: int, status: int) -> None:
        if pid == self._guardian.pid:
            self._journal.write("guardian-died", pid=pid)
            self._guardian.start()
            return
        self._guardian.forget(pid)
        start = self._starts.pop(pid, "")
        name, future = self._known.pop(pid, ("", None))
        if future is not None:
            if not future.done():
                future.set_result(status)
        elif name:
            self._first.pop(name, None)
            strays = self._orphans_of(name, pid)
            if strays:
                processes.end(strays)
            shared_memory.remove({pid: start})
            self._ended(name, pid, status, bool(strays))

    def _roots(self, service: str) -> dict[int, str]:
        roots = {pid: self._starts[pid] for pid, (owner, _) in self._known.items() if owner == service}
        return roots | self._orphans_of(service)

    def _orphans(self) -> list[int]:
        """Descendants whose parents are gone: they became our children, where there are subreapers."""
        if sys.platform != "linux":
            return []
        return [
            pid for pid in _children_of(os.getpid()) if pid not in self._known and pid != self._guardian.pid
        ]

    def _orphans_of(self, service: str, leader: int = 0) -> dict[int, str]:
        if sys.platform != "linux":
            # No other process gets this number as long as anybody of its session lives.
            left = processes.table().values() if leader else ()
            return {process.pid: process.started for process in left if process.session == leader}
        mark, log = f"{SERVICE}={service}".encode(), self._logs.get(service, "")
        found = {}
        for pid in self._orphans():
            process = processes.look(pid)
            if process and (process.session == leader or _has_variable(pid, mark) or _writes(pid, log)):
                found[pid] = process.started
        return found


def _children_of(pid: int) -> list[int]:
    """The direct children. Source: proc_pid_task_children(5)."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return [process.pid for process in processes.table().values() if process.parent == pid]


def _writes(pid: int, log: str) -> bool:
    """Whether its output goes there. PostgreSQL's processes erase their environment for a title."""
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
