"""Check the requirements for this machine: a usable /proc, a loopback interface, and enough open files.

Without /proc, services could be started but not stopped; without the loopback interface, every probe would
fail.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import sys

from infra_runtime.errors import SupervisorError

#: the number of descriptors of a supervisor without services: log, lock, journal, event loop, guardian,
#: clients
OWN_FILES = 40
#: the number of descriptors for each service during its start: pipes, log, probe
FILES_PER_SERVICE = 3


def check(proc: str = "/proc") -> None:
    """Raise `SupervisorError` if this machine does not meet the requirements: /proc, loopback, open files."""
    check_files(0)
    if sys.platform == "linux":
        _check_proc(proc)
    _check_loopback()


def check_files(services: int, ports: int = 0) -> None:
    """Increase this process's limit of open files to the number of files that the supervisor will need.

    `services` and `ports` are the numbers of the stack's services and ports. Raises `SupervisorError` if the
    hard limit is lower than this number.
    """
    needed = OWN_FILES + FILES_PER_SERVICE * services + ports
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        problem = (
            f"a process on this machine may open {hard} files, "
            f"but the supervisor of {services} services needs {needed} files"
        )
        raise SupervisorError(
            problem, hint=f"Raise the limit, for example with `ulimit -n {max(needed, 1024)}`."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _check_proc(proc: str) -> None:
    """Check that /proc is mounted and shows the processes of this PID namespace. Source: proc(5)."""
    try:
        self_pid = os.readlink(f"{proc}/self")
        os.stat(f"{proc}/{os.getpid()}/stat")
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if self_pid == str(os.getpid()):
            return
        reason = "/proc belongs to another PID namespace"
    problem = f"{proc} is not usable ({reason}), so no process of a stack could be identified and stopped"
    raise SupervisorError(problem, hint=f"Mount /proc: `mount -t proc proc {proc}`.")


def _check_loopback() -> None:
    """Check that 127.0.0.1 has a route: connect a UDP socket, which sends no packet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("127.0.0.1", 9))
        except OSError as error:
            if error.errno not in {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN}:
                raise
            problem = (
                "the loopback interface is down, so connections to services at 127.0.0.1 are not possible"
            )
            raise SupervisorError(problem, hint="Start the interface: `ip link set lo up`.") from None
