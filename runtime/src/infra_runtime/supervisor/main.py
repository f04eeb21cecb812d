"""The main function of the supervisor: lock the data directory, start, and run the event loop."""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import sys
import time

from infra_runtime.data_directory import control_file, lock
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import DataDirectoryError
from infra_runtime.supervisor import boot, code_archive
from infra_runtime.supervisor.argv import ALREADY_SUPERVISED, TMPFS

#: seconds to wait for an earlier supervisor that is still stopping its services
PATIENCE = 60.0


def main() -> int:
    """Run the supervisor of a data directory until its stack has stopped, and return the exit status.

    The function `argv.command` builds the command line.
    """
    data, environment, storage, launcher, copies = sys.argv[1:]
    paths = Paths(data)
    descriptor = take_lock(paths)
    if descriptor is None:
        return ALREADY_SUPERVISED
    # These signals must not end the supervisor: a closed terminal ends the client and its lease, and at
    # Ctrl-C the client requests the stop. The signals have a handler instead of SIG_IGN, because services
    # would inherit SIG_IGN and lose stop signals. The handler also replaces a SIG_IGN that this process has
    # inherited: a background job of a script ignores SIGINT and SIGQUIT.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, _do_nothing)
    try:
        prepared_boot = boot.prepared(
            paths,
            descriptor,
            int(launcher),
            environment,
            tmpfs=storage == TMPFS,
            copies=copies,
            connection=_connection(),
        )
        import asyncio  # imported here, while the guardian and the first services start

        from infra_runtime.supervisor.lifetime import supervise

        code_archive.finish()
        gc.freeze()  # the garbage collector does not examine the modules again
        gc.enable()
        asyncio.run(supervise(prepared_boot))
        code_archive.renew()
    except DataDirectoryError as error:
        print(f"{error}. {error.hint}", file=sys.stderr)
        return 1
    return 0


def _do_nothing(_number: int, _frame: object) -> None:
    """Handle a signal that must not end the supervisor."""


def _connection() -> int:
    """Return a copy of the descriptor 0 (standard input); then open `/dev/null` as the descriptor 0.

    Forked processes inherit the descriptor 0.
    """
    connection = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    return connection


def take_lock(paths: Paths) -> int | None:
    """Lock the data directory; return the descriptor of the lock file, or None if another supervisor runs.

    After a supervisor was killed, its guardian holds the lock; the function waits until this guardian exits.
    The result is also None if the lock is not free after `PATIENCE` seconds.
    """
    deadline = time.monotonic() + PATIENCE
    while (descriptor := lock.take(paths)) is None:
        if _answers(paths) or time.monotonic() > deadline:
            return None
        time.sleep(0.005)
    return descriptor


def _answers(paths: Paths) -> bool:
    """Return whether a process accepts connections on the control socket of a data directory."""
    recorded = control_file.read(paths)
    if recorded is None:
        return False
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)  # EAGAIN: the queue of connections is full, so a process listens
        return client.connect_ex(recorded.socket) in {0, errno.EAGAIN}
