"""The supervisor's end of the pipe to the guardian, and the start of the guardian's process."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from infra_runtime.data_directory import lock
from infra_runtime.host.fork import fork
from infra_runtime.supervisor import guardian


class Guardian:
    """The process of the guardian, and the supervisor's pipe to this process.

    If the guardian was killed, the supervisor starts a new guardian.
    """

    def __init__(self, token: str, locks: Sequence[int], ports: str, folders: Sequence[str]) -> None:
        self._token = token
        #: the folder with the lock files of the ports; the guardian removes the lock files that no process
        #: holds
        self._ports = ports
        #: the descriptors of the lock files that the guardian also holds; the first is the lock of the data
        #: directory
        self._locks = tuple(locks)
        #: the folders that the guardian removes if the supervisor exits unexpectedly
        self._folders = folders
        #: pid → start time of the running processes
        self._records: dict[int, str] = {}
        #: the container engines that have run services
        self._engines: set[str] = set()
        self._pipe = -1
        self.pid = 0
        self.start()

    def start(self) -> None:
        """Start the guardian, and send to it the pid and start time of every running process."""
        if self._pipe != -1:
            os.close(self._pipe)
        read_end, self._pipe = os.pipe()
        arguments = (self._token, self._ports, *self._folders)

        def run() -> int:
            # The guardian gets a process group in the supervisor's session, not a new session: when the
            # supervisor exits, the group is orphaned, and the kernel continues paused processes of the group.
            # Source: setpgid(2), orphaned process groups.
            os.setpgid(0, 0)
            guardian.main(read_end, *arguments)
            return 0

        self.pid = fork(run, (read_end, *self._locks))
        lock.name_holder(self._locks[0], self.pid)
        os.close(read_end)
        for pid, start in self._records.items():
            self._send(f"+{pid} {start}\n")
        for engine in self._engines:
            self._send(f"@{engine}\n")
        os.set_blocking(self._pipe, False)

    def watch(self, pid: int, start: str) -> None:
        """Send the pid and start time of a new process to the guardian."""
        self._records[pid] = start
        self._send(f"+{pid} {start}\n")

    def watch_engine(self, engine: str) -> None:
        """Send the path of a container engine to the guardian, so that it can remove the containers."""
        if engine not in self._engines:
            self._engines.add(engine)
            self._send(f"@{engine}\n")

    def remove(self, pid: int) -> None:
        """Report to the guardian that a process has exited, so that the guardian does not use its pid."""
        if self._records.pop(pid, None) is not None:
            self._send(f"-{pid}\n")

    def kill(self) -> None:
        """Kill the guardian at a normal stop of the stack. SIGKILL also ends a paused process."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.close()

    def close(self) -> None:
        """Close the pipe; if the guardian still runs, it kills the recorded processes and exits."""
        os.close(self._pipe)
        self._pipe = -1

    def _send(self, text: str) -> None:
        # If the guardian was killed, the pipe is broken: SIGCHLD follows, and `_reaped` starts a new guardian
        # with all records. If the guardian does not read, the pipe is full: the guardian is killed, with the
        # same result.
        try:
            os.write(self._pipe, text.encode())
        except BlockingIOError:
            os.kill(self.pid, signal.SIGKILL)
        except BrokenPipeError:
            pass
