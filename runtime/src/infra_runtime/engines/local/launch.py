"""The start of a supervisor by its first client, and the folder for its sockets and locks."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from infra_runtime.data_directory import control_file, memory_folder
from infra_runtime.data_directory.logs import limits, tail
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import SOCKET_IN_RUN, SOCKET_PATH, Paths, refusal
from infra_runtime.engines.local import client as client_module
from infra_runtime.engines.local.client import Client
from infra_runtime.engines.local.connection import Connection, Deadlines
from infra_runtime.errors import ConfigurationError, DataDirectoryError, NoStackError, SupervisorError
from infra_runtime.host import ownership, requirements
from infra_runtime.messages import Hello, Up
from infra_runtime.supervisor.argv import ALREADY_SUPERVISED, command

#: seconds between two checks whether a supervisor that is starting has written its control file
CONNECT_INTERVAL = 0.001
#: seconds after which a client tries to connect although no supervisor has written the control file; each
#: attempt needs 0.15 ms of processor time, which the supervisor can use for its start
RECONNECT_INTERVAL = 0.05
#: starts a supervisor with a command line and with a socket as its standard input, whose other end is the
#: client's connection; returns the child process, or None when another process is its parent
Launch = Callable[[list[str], int], "subprocess.Popen[bytes] | None"]


def make_home(paths: Paths) -> None:
    """Create or check the folder for sockets and lock files. Raises `ConfigurationError`."""
    for name, path in (("INFRA_RUNTIME_DIR", paths.home), ("INFRA_CACHE", paths.cache)):
        if not Path(path).is_absolute():
            hint = "The supervisor has another working directory, so the path must begin with a slash."
            raise ConfigurationError(f"{path!r} is not an absolute path", where=name, hint=hint)
    if len(os.fsencode(paths.run)) > SOCKET_PATH - SOCKET_IN_RUN:
        raise ConfigurationError(
            f"{paths.home} is too long for the paths of sockets, which may have {SOCKET_PATH} bytes",
            where="INFRA_RUNTIME_DIR",
            hint="Set INFRA_RUNTIME_DIR to a shorter path, or unset it: the default is short.",
        )
    try:
        ownership.make_private_folder(paths.home, shared=True)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename}: {error.strerror}",
            where="INFRA_RUNTIME_DIR",
            hint="Set INFRA_RUNTIME_DIR (for sockets and locks) to a folder that only you can change.",
        ) from error


def launcher(paths: Paths) -> Launch:
    """Return a function that starts the supervisor of a data directory as a child of this process."""

    def launch(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        log = ownership.open_file(paths.own_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            return subprocess.Popen(
                argv, stdin=stdin, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        finally:
            os.close(log)

    return launch


def connect_or_launch(
    paths: Paths,
    environment: str,
    *,
    tmpfs: bool = True,
    request: Up | None = None,
    launch: Launch | None = None,
    deadlines: Deadlines | None = None,
) -> Client:
    """Return a client with a lease on the supervisor of a data directory; start the supervisor if necessary.

    `request` is the request that the caller will send. A new supervisor of tests already starts the services
    of this request while the supervisor itself starts. With `tmpfs`, a new supervisor keeps the data of a
    test's services in RAM if possible.

    Raises `DataDirectoryError` if the data directory cannot be used, `ConfigurationError` if the folder of
    the sockets cannot be used, and `SupervisorError` if the supervisor does not start.
    """
    client_module.reap()
    with contextlib.suppress(NoStackError):
        return Client.connect(paths, lease=True, deadlines=deadlines)
    requirements.check()
    limits(os.environ)
    make_home(paths)
    make_data_directory(paths, environment)
    # The services of other environments have data and fixed ports, which are checked when they start.
    early = request if environment == "test" else None
    copies = memory_folder.new_path(paths) if early is not None and tmpfs else ""
    argv = command(paths, environment, tmpfs=tmpfs, copies=copies)
    launch = launch or launcher(paths)
    tried_version, due = control_file.version(paths), time.monotonic() + RECONNECT_INTERVAL
    child, client = _launch(argv, launch, paths, early, copies, deadlines or client_module.DEADLINES)
    #: another supervisor got the lock first; if it has exited since, the next round starts a supervisor again
    second = False
    boot_seconds = (deadlines or client_module.DEADLINES).boot
    deadline = time.monotonic() + boot_seconds
    while client is None:
        version, now = control_file.version(paths), time.monotonic()
        if version != tried_version or second or now >= due:
            tried_version, due = version, now + RECONNECT_INTERVAL
            with contextlib.suppress(NoStackError):
                client = Client.connect(paths, lease=True, deadlines=deadlines)
                break
        status = child.poll() if child is not None else None
        if second:
            child, client = _launch(argv, launch, paths, early, copies, deadlines or client_module.DEADLINES)
        second = status == ALREADY_SUPERVISED and not second
        if status is not None and status != ALREADY_SUPERVISED:
            if refused := refusal(paths.data):
                raise DataDirectoryError(paths.data, refused)
            reason = f"the supervisor ended with status {status} before it answered"
            last = [line for line in tail(paths.own_log, 1) if line]
            raise SupervisorError(": ".join([reason, *last]), paths.own_log)
        if time.monotonic() > deadline:
            raise SupervisorError(f"no supervisor answered within {boot_seconds:g} s", paths.own_log)
        time.sleep(CONNECT_INTERVAL)
    client.adopt(child)
    return client


def _launch(
    argv: list[str], launch: Launch, paths: Paths, early: Up | None, copies: str, deadlines: Deadlines
) -> tuple[subprocess.Popen[bytes] | None, Client | None]:
    """Start a supervisor whose standard input is a connection of this process; return it with the client.

    The client is None if the supervisor exits without an answer. Over this connection, the supervisor gets
    the first request, with the request `early` if there is one, before it listens on its socket. If `copies`
    is not empty, this process copies seeds to this folder. Raises `SupervisorError` if the supervisor has not
    answered after the time for its start.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            child = launch(argv, theirs.fileno())
        except BaseException:
            ours.close()
            raise
    if child is not None:
        client_module.record(child)
    patient = replace(deadlines, answer=deadlines.boot)
    client, connected, copying = None, Connection(ours), contextlib.ExitStack()
    try:
        if early is not None and copies:
            from infra_runtime.engines.local import seeds_ahead  # imported while the supervisor starts

            copying = seeds_ahead.start(paths, early, copies)
        with contextlib.suppress(NoStackError):
            pid = child.pid if child is not None else 0
            hello = Hello(lease=True, starting=early.to_json() if early is not None else None)
            client = Client.greet(connected, paths, hello, pid=pid, deadlines=patient)
            client.deadlines, client.closing = deadlines, copying
    finally:
        if client is None:  # also after Ctrl-C: the connection is a lease
            connected.close()
            copying.close()
    return child, client
