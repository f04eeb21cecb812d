"""The supervisor's last will: a process that outlives it by some milliseconds.

It reads a pipe that only the supervisor writes, who kills it when nothing is left to do. When the pipe ends
before that, the supervisor is dead, whatever killed it; then everything that it had started is killed, and
the folder of its sockets is removed, and a test's data with it. It holds the lock of the data directory as
well, so that no new supervisor can begin before the old one's processes are gone.

    +PID START\\n   a process was started        -PID\\n   it is gone
"""

from __future__ import annotations

import os
import signal
import sys

from infra_runtime.host import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def main(pipe: int, token: str, *folders: str) -> None:
    """Wait for the end of the pipe, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    _take_name("infra-guardian")  # whoever kills all of a machine's Pythons means another one
    roots: dict[int, str] = {}
    rest = b""
    while block := os.read(pipe, 65536):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if line.startswith(b"+"):
                pid, _, start = line[1:].partition(b" ")
                roots[int(pid)] = start.decode()
            else:
                roots.pop(int(line[1:]), None)
    processes.end(roots, token)
    for folder in folders:
        _remove(folder)


def _take_name(name: str) -> None:
    """Be called so where a process is looked for by name. Source: proc_pid_comm(5)."""
    try:
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write(name)
    except OSError:
        return


def _remove(folder: str) -> None:
    """Remove a folder of ours with what is in it; shutil would double this program's memory."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _remove(entry.path)
        else:
            _try(os.unlink, entry.path)
    _try(os.rmdir, folder)


def _try(act: Callable[[str], None], path: str) -> None:
    """What cannot be removed must not keep it from the rest."""
    try:
        act(path)
    except OSError:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
