"""The requirements for this machine: a usable /proc, a loopback interface, and enough open files.

If a requirement is not met, services could start but not be stopped, or every probe would fail.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import sys

from infra_runtime.errors import SupervisorError

#: descriptors of a supervisor without services: log, lock, journal, event loop, guardian, some clients
OWN_FILES = 40
#: descriptors for each service while it starts: pipes, log, probe
FILES_PER_SERVICE = 3


def check(proc: str = "/proc") -> None:
    """Raise `SupervisorError` if this machine lacks a requirement for stacks: /proc, loopback, open files."""
    check_files(0)
    if sys.platform == "linux":
        _check_proc(proc)
    _check_loopback()


def check_files(services: int, ports: int = 0) -> None:
    """Increase the limit of open files of this process to the number that the supervisor will need.

    `services` and `ports` are the numbers of services and ports of the stack.

    Raises `SupervisorError` if the hard limit is lower.
    """
    needed = OWN_FILES + FILES_PER_SERVICE * services + ports
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        problem = (
            f"a process on this machine may open {hard} files, "
            f"but the supervisor of {services} services needs {needed}"
        )
        raise SupervisorError(
            problem, hint=f"Raise the limit, for example with `ulimit -n {max(needed, 1024)}`."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _check_proc(proc: str) -> None:
    """Check that /proc is mounted and shows the processes of this PID namespace. Source: proc(5)."""
    try:
        shown = os.readlink(f"{proc}/self")
        os.stat(f"{proc}/{os.getpid()}/stat")
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if shown == str(os.getpid()):
            return
        reason = "/proc belongs to another PID namespace"
    problem = f"{proc} is not usable ({reason}), so no process of a stack could be identified and stopped"
    raise SupervisorError(problem, hint=f"Mount /proc: `mount -t proc proc {proc}`.")


def _check_loopback() -> None:
    """Check that 127.0.0.1 has a route, by connecting a UDP socket, which sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("127.0.0.1", 9))
        except OSError as error:
            if error.errno not in {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN}:
                raise
            problem = "the loopback interface is down, so no service can be reached at 127.0.0.1"
            raise SupervisorError(problem, hint="Start the interface: `ip link set lo up`.") from None
