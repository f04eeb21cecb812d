"""The guardian: the process that stops the services when the supervisor exits unexpectedly.

The guardian reads from a pipe to which only the supervisor writes. A supervisor that stops normally kills the
guardian. If the pipe is closed earlier, the supervisor has exited unexpectedly: the guardian kills all
processes that the supervisor had started, and removes the folder of the sockets, unfinished seeds, the lock
files of the ports and, in tests, the data of the services. It also holds the lock of the data directory, so a
new supervisor starts only after the old processes have exited. Each line in the pipe is a record:

    +PID START\\n   a process was started        -PID\\n   the process has exited
    @ENGINE\\n      the guardian also removes the containers of this engine that have the stack's token
"""

from __future__ import annotations

import os
import signal

from infra_runtime.host import cgroup, disk, processes


def main(pipe: int, token: str, ports: str, *folders: str) -> None:
    """Run the guardian: read the pipe to its end, then kill the recorded processes and remove the files.

    `ports` is the folder with the lock files of the ports; the guardian removes all lock files that no
    process holds. `folders` are the paths of the folders to remove.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    _set_name("infra-guardian")  # so that `pkill python` does not match the guardian
    cgroup.leave(token)  # a guardian that replaces a killed guardian starts in the stack's control group
    roots: dict[int, str] = {}
    engines: set[str] = set()
    incomplete_line = b""
    while block := os.read(pipe, 65536):
        *lines, incomplete_line = (incomplete_line + block).split(b"\n")
        for line in lines:
            if line.startswith(b"+"):
                pid, _, start = line[1:].partition(b" ")
                roots[int(pid)] = start.decode()
            elif line.startswith(b"@"):
                engines.add(os.fsdecode(line[1:]))
            else:
                roots.pop(int(line[1:]), None)
    processes.end(roots, token)
    if engines:
        from infra_runtime.host import containers  # imported here: the module needs memory and is rarely used

        for engine in engines:
            containers.remove(engine, token)
    cgroup.remove(token)
    for folder in folders:
        try:
            disk.remove(folder)
        except OSError:
            continue  # the remaining folders are removed in spite of the error
    from infra_runtime.host import file_lock  # imported here: the module needs memory and is rarely used

    file_lock.remove_free(ports)


def _set_name(name: str) -> None:
    """Set the name of this process that `ps` shows and that `pkill` matches. Source: proc_pid_comm(5)."""
    try:
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write(name)
    except OSError:
        return
