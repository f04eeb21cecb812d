"""Connect to a supervisor's control socket; a file in the data directory contains the socket's path."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra_runtime.data_directory import control_file
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import NoStackError, SupervisorError
from infra_runtime.host import ownership, processes
from infra_runtime.value import frozen

#: seconds between two attempts to connect while the queue of the socket is full
RETRY_INTERVAL = 0.005
#: the longest wait in one system call in seconds. A signal such as Ctrl-C that arrives immediately before the
#: call does not interrupt the call: Python's handler of the signal runs after the call
LONGEST_WAIT = 1.0


@frozen
class Deadlines:
    """The time limits of a client for the answers of its supervisor, in seconds."""

    #: the limit for an answer that does not depend on services; during a longer call, for the answer to
    #: `limits`
    answer: float = 20.0
    #: the limit for the start of a supervisor, which may wait until an earlier supervisor has stopped its
    #: services
    boot: float = 60.0
    #: the limit for copying the files of a snapshot
    copy: float = 3600.0
    #: the time that is added to the limits for the start and the stop of services
    margin: float = 15.0


class Connection:
    """One connection to the control socket; messages are JSON objects, one per line."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._received = bytearray()
        #: the number of bytes at the beginning of `_received` that contain no line end
        self._searched = 0
        _connections.add(self)

    @property
    def closed(self) -> bool:
        """Whether this process has closed the connection with `close` or `abandon`."""
        return self._socket.fileno() < 0

    def send(self, message: Mapping[str, object], seconds: float) -> None:
        """Send a message. Raises `TimeoutError` if the supervisor does not read it within `seconds`."""
        self._socket.settimeout(seconds)
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, until: float = math.inf) -> dict[str, Any] | None:
        """Return the next message; None if no message is complete at `until`, a time of the monotonic clock.

        Raises `EOFError` if the supervisor has closed the connection, `OSError` if the connection fails.
        """
        while (end := self._received.find(b"\n", self._searched)) < 0:
            self._searched = len(self._received)
            # A message that has arrived is read even after the deadline, because this process may have been
            # paused.
            remaining = max(until - time.monotonic(), 0.001)
            self._socket.settimeout(min(remaining, LONGEST_WAIT))
            try:
                block = self._socket.recv(1 << 16)
            except TimeoutError:
                if remaining > LONGEST_WAIT:
                    continue
                return None
            if not block:
                raise EOFError
            self._received += block
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        self._searched = 0
        message = json.loads(line)
        return message if isinstance(message, dict) else {}

    def has_data(self) -> bool:
        """Return whether data have arrived, or the supervisor has closed the connection."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def abandon(self) -> None:
        """Close the connection in a forked child process; the connection of the parent stays open."""
        descriptor = self._socket.detach()
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Close the connection, which also ends its lease; a second call has no effect."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


#: the connections of this process
_connections: weakref.WeakSet[Connection] = weakref.WeakSet()


def _abandon_all() -> None:
    for connection in tuple(_connections):
        connection.abandon()


os.register_at_fork(after_in_child=_abandon_all)


def connect(paths: Paths, seconds: float) -> tuple[Connection, int]:
    """Connect to the supervisor of a data directory; return the connection and the supervisor's pid.

    No request is sent. The socket, every folder above the socket, and the process that listens must belong to
    root or to the owner of the data directory.

    Raises:
        NoStackError: no supervisor listens.
        DataDirectoryError: the data directory or its control file belongs to another user, or the file is
          damaged.
        SupervisorError: the socket, a folder above the socket or the process belongs to another user, or the
          supervisor accepts no connection.
    """
    control = control_file.read(paths)
    if control is None:
        raise NoStackError(paths.data)
    trusted = ownership.trusted_uids(paths.data)
    try:
        ownership.check_socket(control.socket, trusted)
        connected = _open(control.socket, time.monotonic() + seconds)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise NoStackError(paths.data) from None
    except TimeoutError:
        problem = f"the supervisor accepted no connection within {seconds:g} s"
        raise unresponsive(paths, control.pid, problem) from None
    except OSError as error:
        if processes.started(control.pid) != control.started:
            # The supervisor has exited, and another user has created a socket with the same path.
            raise NoStackError(paths.data) from None
        raise _untrusted(paths, f"{error.filename or control.socket}: {error.strerror or error}") from error
    connection = Connection(connected)
    if (listener := ownership.peer_uid(connected)) not in trusted:
        connection.close()
        raise _untrusted(
            paths, f"{control.socket}: a process of {ownership.user_name(listener)} listens on this socket"
        )
    return connection, control.pid


def _open(path: str, deadline: float) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX)
    try:
        while True:
            # Without a timeout, the call would wait while the queue is full. Source: connect(2), EAGAIN
            connected.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connected.connect(path)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError from None
                time.sleep(RETRY_INTERVAL)
            else:
                return connected
    except BaseException:
        connected.close()
        raise


def _untrusted(paths: Paths, problem: str) -> SupervisorError:
    user = ownership.user_name(Path(paths.data).stat().st_uid)
    hint = f"Only {user} and root may run the supervisor of {paths.data}. No request was sent. "
    hint += "Run `infra runtime down` as the user who started the stack, and start the stack again; "
    hint += "INFRA_RUNTIME_DIR sets the folder of new sockets."
    return SupervisorError(f"the control socket is not trusted: {problem}", hint=hint)


def unresponsive(paths: Paths, pid: int, problem: str) -> SupervisorError:
    """Return the error for a supervisor that does not answer: pid, state and hint depend on its process."""
    process = processes.look(pid)
    kill_hint = f"`kill -KILL {pid}` ends the supervisor, and the guardian then stops the services"
    if process is None or process.state == processes.ZOMBIE:
        state, hint = "has exited", "Run the command again."
    elif process.state in processes.STOPPED:
        state, hint = (
            "is stopped by a signal or a debugger",
            f"`kill -CONT {pid}` continues the supervisor; {kill_hint}.",
        )
    else:
        state, hint = "is running", f"If this machine is busy, try again; {kill_hint}."
    reason = f"the supervisor of {paths.data} does not answer: {problem}; its process {pid} {state}"
    return SupervisorError(reason, paths.own_log, f"{hint} The log of the supervisor: {paths.own_log}")
