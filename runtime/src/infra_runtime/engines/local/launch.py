"""Start a supervisor for its first client, and create the folder for its sockets and lock files."""

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

#: seconds between two checks whether a new supervisor has written its control file
CONNECT_INTERVAL = 0.001
#: seconds after which a client tries to connect although the control file has not changed. An attempt needs
#: 0.15 ms of processor time, during which the start of the supervisor may have to wait
RECONNECT_INTERVAL = 0.05
#: a function that starts a supervisor. Its arguments are the command line and the descriptor for standard
#: input: a socket that is connected to the client. The function returns the child process, or None if the
#: supervisor is not a child of this process
Launch = Callable[[list[str], int], "subprocess.Popen[bytes] | None"]


def make_home(paths: Paths) -> None:
    """Create the folder for sockets and lock files, or check an existing folder.

    Raises `ConfigurationError` if a path is relative or too long, or if the folder cannot be created or
    another user can change it.
    """
    for name, path in (("INFRA_RUNTIME_DIR", paths.home), ("INFRA_CACHE", paths.cache)):
        if not Path(path).is_absolute():
            hint = "Write a path that begins with a slash: the supervisor has another working directory."
            raise ConfigurationError(f"{path!r} is not an absolute path", where=name, hint=hint)
    if len(os.fsencode(paths.run)) > SOCKET_PATH - SOCKET_IN_RUN:
        raise ConfigurationError(
            f"{paths.home} is too long: the path of a socket may have at most {SOCKET_PATH} bytes",
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

    `request` is the request that the caller will then send; a new supervisor of tests starts services of this
    request during its own start. With `tmpfs`, a new supervisor of tests stores the data of services in RAM
    if possible.

    Raises `DataDirectoryError` if the data directory cannot be used, `ConfigurationError` if the folder of
    the sockets cannot be used or a limit of the logs is invalid, and `SupervisorError` if this machine does
    not meet the requirements or the supervisor does not start.
    """
    client_module.reap()
    with contextlib.suppress(NoStackError):
        return Client.connect(paths, lease=True, deadlines=deadlines)
    requirements.check()
    limits(os.environ)
    make_home(paths)
    make_data_directory(paths, environment)
    # Only in tests: in other environments, services have data and fixed ports, which the supervisor checks
    # first.
    early = request if environment == "test" else None
    copies = memory_folder.new_path(paths) if early is not None and tmpfs else ""
    argv = command(paths, environment, tmpfs=tmpfs, copies=copies)
    launch = launch or launcher(paths)
    tried_version, next_attempt = control_file.version(paths), time.monotonic() + RECONNECT_INTERVAL
    child, client = _launch(argv, launch, paths, early, copies, deadlines or client_module.DEADLINES)
    # True if another supervisor had the lock; if that supervisor has exited, the next iteration starts one.
    is_outrun = False
    boot_seconds = (deadlines or client_module.DEADLINES).boot
    deadline = time.monotonic() + boot_seconds
    while client is None:
        version, current_time = control_file.version(paths), time.monotonic()
        if version != tried_version or is_outrun or current_time >= next_attempt:
            tried_version, next_attempt = version, current_time + RECONNECT_INTERVAL
            with contextlib.suppress(NoStackError):
                client = Client.connect(paths, lease=True, deadlines=deadlines)
                break
        status = child.poll() if child is not None else None
        if is_outrun:
            child, client = _launch(argv, launch, paths, early, copies, deadlines or client_module.DEADLINES)
        is_outrun = status == ALREADY_SUPERVISED and not is_outrun
        if status is not None and status != ALREADY_SUPERVISED:
            if problem := refusal(paths.data):
                raise DataDirectoryError(paths.data, problem)
            reason = f"the supervisor exited with status {status} before it answered"
            last_line = [line for line in tail(paths.own_log, 1) if line]
            raise SupervisorError(": ".join([reason, *last_line]), paths.own_log)
        if time.monotonic() > deadline:
            raise SupervisorError(f"no supervisor answered within {boot_seconds:g} s", paths.own_log)
        time.sleep(CONNECT_INTERVAL)
    client.adopt(child)
    return client


def _launch(
    argv: list[str], launch: Launch, paths: Paths, early: Up | None, copies: str, deadlines: Deadlines
) -> tuple[subprocess.Popen[bytes] | None, Client | None]:
    """Start a supervisor; return its process and a client that is connected to its standard input.

    The client is None if the supervisor exits without an answer. The supervisor reads the client's first
    request, with the request `early`, before it listens on its control socket. If `copies` is not empty, this
    process copies seeds to this folder. Raises `SupervisorError` if the supervisor does not answer within the
    time limit for its start.
    """
    client_socket, supervisor_socket = socket.socketpair()
    with supervisor_socket:
        try:
            child = launch(argv, supervisor_socket.fileno())
        except BaseException:
            client_socket.close()
            raise
    if child is not None:
        client_module.record(child)
    boot_deadlines = replace(deadlines, answer=deadlines.boot)
    client, connected, seed_copies = None, Connection(client_socket), contextlib.ExitStack()
    try:
        if early is not None and copies:
            from infra_runtime.engines.local import seeds_ahead  # imported while the supervisor starts

            seed_copies = seeds_ahead.start(paths, early, copies)
        with contextlib.suppress(NoStackError):
            pid = child.pid if child is not None else 0
            hello = Hello(lease=True, starting=early.to_json() if early is not None else None)
            client = Client.greet(connected, paths, hello, pid=pid, deadlines=boot_deadlines)
            client.deadlines, client.closing = deadlines, seed_copies
    finally:
        if client is None:  # also after Ctrl-C: the connection is a lease
            connected.close()
            seed_copies.close()
    return child, client
