"""How Python code, the command line and the plugin speak to a supervisor: a connection is a lease."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import select
import socket
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from infra_runtime.data_directory.logs import tail
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import (
    PROTOCOL,
    SOCKET_IN_RUN,
    SOCKET_PATH,
    Paths,
    private_folder,
    refusal,
)
from infra_runtime.errors import (
    ConfigurationError,
    DataDirectoryError,
    InfraError,
    NoStackError,
    PortTakenError,
    StartError,
    SupervisorError,
    from_json,
)
from infra_runtime.message import MessageError, decode
from infra_runtime.messages import (
    HELLO,
    SUBSCRIBE,
    Answer,
    Event,
    Failure,
    Hello,
    Method,
    Nothing,
    Params,
)
from infra_runtime.supervisor.argv import ALREADY_SUPERVISED, command

#: seconds until a new supervisor answers; it may have to wait for an old one that stops its services
BOOT_PATIENCE = 60.0
#: seconds between two knocks at a supervisor that boots
KNOCK = 0.001
#: seconds for a supervisor to greet; it does in milliseconds
HELLO_PATIENCE = 10.0
#: of one who subscribes and then only calls, the last ones
KEPT_EVENTS = 1000


class Client:
    """One connection to a supervisor. Calls may come from several threads; they go one after another."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader = connection.makefile("rb")
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._subscribed = False
        #: events that came before the answer to a call
        self._early: deque[Event] = deque(maxlen=KEPT_EVENTS)
        #: the supervisor's process, when this process is its parent and so must reap it
        self.child: subprocess.Popen[bytes] | None = None
        #: the supervisor's pid, and the version of its protocol; 0 before its greeting
        self.supervisor = self.protocol = 0
        _clients.add(self)

    @classmethod
    def connect(cls, paths: Paths, *, lease: bool = False) -> Self:
        """Connect to the supervisor of a data directory. Raises `NoStackError` when there is none."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(paths.control)
        except OSError:
            connection.close()
            raise NoStackError(paths.data) from None
        client = cls(connection)
        connection.settimeout(HELLO_PATIENCE)
        try:
            greeting = client.call(HELLO, Hello(lease=lease))
        except SupervisorError as error:
            client.close()
            if isinstance(error.__cause__, MessageError):
                raise
            if isinstance(error.__cause__, TimeoutError):
                raise SupervisorError(
                    f"the supervisor of {paths.data} does not answer; is it stopped, or this machine busy?",
                    paths.own_log,
                ) from None
            raise NoStackError(paths.data) from None  # it was just about to die
        connection.settimeout(None)
        client.supervisor, client.protocol = greeting.pid, greeting.protocol
        if lease and greeting.ending:
            client.close()
            raise NoStackError(paths.data)
        if greeting.protocol != PROTOCOL:
            client.close()
            raise SupervisorError(f"the supervisor of {paths.data} {_versions(greeting.protocol)}")
        return client

    def adopt(self, child: subprocess.Popen[bytes] | None) -> None:
        """Look after a supervisor that this process started; one that came too late ends by itself."""
        if child is not None and child.pid == self.supervisor:
            self.child = child
        elif child is not None:
            _outliving.append(child)

    def call(
        self,
        method: Method[Params, Answer],
        params: Params,
        *,
        on_event: Callable[[Event], None] | None = None,
    ) -> Answer:
        """Call a method and return its answer; events that come before go to `on_event`, or to `events`.

        Raises the `InfraError` that the supervisor answers with, and `SupervisorError` when it dies, refuses
        the request or sends an answer of another shape.
        """
        result = self._exchange(method.name, params.to_json(), on_event or self._early.append)
        try:
            return decode(method.answer, result)
        except MessageError as error:
            # Before its greeting is decoded, the version is known only if the answer has it.
            protocol = self.protocol or (result.get("protocol") if isinstance(result, dict) else None)
            message = f"the supervisor's answer to {method.name} has another shape ({error}): it "
            raise SupervisorError(message + _versions(protocol)) from error

    def _exchange(
        self, method: str, params: Mapping[str, object], on_event: Callable[[Event], None]
    ) -> object:
        with self._lock:
            if self._socket.fileno() < 0:
                raise SupervisorError(
                    "this lease was given back, by `close`, `finish` or `down`, or it belongs to the parent"
                    " of a forked process"
                )
            number = next(self._numbers)
            request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            try:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
                while (message := self._receive()).get("id") != number:
                    if (event := _event(message)) is not None:
                        on_event(event)
            except OSError as error:
                raise SupervisorError(f"the supervisor is gone: {error.strerror or error}") from error
        if (problem := message.get("error")) is not None:
            if isinstance(problem.get("data"), dict):
                raise from_json(problem["data"])
            raise SupervisorError(f"{method}: {problem.get('message')}")
        return message.get("result")

    def subscribe(self) -> None:
        """Receive every event from now on over this connection."""
        if not self._subscribed:
            self.call(SUBSCRIBE, Nothing())
            self._subscribed = True

    def events(self) -> Iterator[Event]:
        """Yield every event since `subscribe`, or from now on, until the supervisor exits. Blocks."""
        self.subscribe()
        while self._early:
            yield self._early.popleft()
        with contextlib.suppress(OSError, SupervisorError):
            while True:
                if (event := _event(self._receive())) is not None:
                    yield event

    def _receive(self) -> dict[str, Any]:
        line = self._reader.readline()
        if not line:
            raise SupervisorError("the supervisor closed the connection")
        message = json.loads(line)
        return message if isinstance(message, dict) else {}

    def await_end(self, seconds: float) -> bool:
        """Wait until the supervisor has ended; false when it takes longer."""
        self._socket.settimeout(seconds)
        try:
            while self._reader.readline():
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        try:
            if self.child is not None:
                self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def connected(self) -> bool:
        """Return whether the supervisor has not closed the connection; this sends no request."""
        try:
            readable, _, _ = select.select([self._socket], [], [], 0)
            return not readable or self._socket.recv(1, socket.MSG_PEEK) != b""
        except (OSError, ValueError):  # it is closed
            return False

    def abandon(self) -> None:
        """Close the connection in a forked child; that of the parent stays open, with its lease."""
        self._lock = threading.Lock()  # another thread of the parent may have held it
        descriptor = self._socket.detach()
        if descriptor >= 0:
            os.close(descriptor)
        self.child = None

    def close(self) -> None:
        """End the connection, and the lease that it was."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._socket.close()
        if self.child is not None:
            _outliving.append(self.child)
            self.child = None


def _event(message: Mapping[str, object]) -> Event | None:
    """The event of a notification; None for any other message, and for an event of an unknown shape."""
    with contextlib.suppress(MessageError):
        return Event.parse(message.get("params")) if message.get("method") == "event" else None
    return None


def _versions(protocol: object) -> str:
    """The supervisor's version of the protocol, and this kit's, for the end of an error's sentence."""
    return f"speaks protocol {protocol or 'unknown'}, this kit {PROTOCOL}"


#: the clients of this process
_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _abandon_all() -> None:
    for client in tuple(_clients):
        client.abandon()


os.register_at_fork(after_in_child=_abandon_all)

#: supervisors of ours that live on for others: kept, so that they are reaped when they end
_outliving: list[subprocess.Popen[bytes]] = []


def _reap() -> None:
    # One by one: another thread may add to it meanwhile.
    for child in tuple(_outliving):
        if child.poll() is not None:
            with contextlib.suppress(ValueError):
                _outliving.remove(child)


@atexit.register
def _let_go() -> None:
    for child in _outliving:
        if child.poll() is None:
            child.returncode = 0  # it outlives us on purpose: no warning about it


#: starts a supervisor; returns the child process, or None when another process is its parent
Launch = Callable[[list[str]], "subprocess.Popen[bytes] | None"]


def connect_or_launch(paths: Paths, environment: str, *, launch: Launch | None = None) -> Client:
    """A lease on the supervisor of a data directory, which is started if there is none.

    Raises `DataDirectoryError` for a directory that cannot serve, `ConfigurationError` for a folder of
    sockets that cannot, `SupervisorError` when none comes up.
    """
    _reap()
    with contextlib.suppress(NoStackError):
        return Client.connect(paths, lease=True)
    _make_home(paths)
    make_data_directory(paths, environment)
    argv = command(paths, environment)
    launch = launch or _launcher(paths)
    child = launch(argv)
    #: another one came first; should that one be gone already, it is our turn again
    second = False
    deadline = time.monotonic() + BOOT_PATIENCE
    while True:
        with contextlib.suppress(NoStackError):
            client = Client.connect(paths, lease=True)
            client.adopt(child)
            return client
        status = child.poll() if child is not None else None
        if second:
            child = launch(argv)
        second = status == ALREADY_SUPERVISED and not second
        if status is not None and status != ALREADY_SUPERVISED:
            if refused := refusal(paths.data):
                raise DataDirectoryError(paths.data, refused)
            reason = f"the supervisor ended with status {status} before it answered"
            last = [line for line in tail(paths.own_log, 1) if line]
            raise SupervisorError(": ".join([reason, *last]), paths.own_log)
        if time.monotonic() > deadline:
            raise SupervisorError(f"no supervisor answered within {BOOT_PATIENCE:g} s", paths.own_log)
        time.sleep(KNOCK)


def _make_home(paths: Paths) -> None:
    """Make the folder for sockets and locks, or make sure of it. Raises `ConfigurationError`."""
    for name, path in (("INFRA_RUNTIME_DIR", paths.home), ("INFRA_CACHE", paths.cache)):
        if not Path(path).is_absolute():
            hint = "The supervisor runs elsewhere: begin it with a slash."
            raise ConfigurationError(f"{path!r} is not an absolute path", where=name, hint=hint)
    if len(os.fsencode(paths.run)) > SOCKET_PATH - SOCKET_IN_RUN:
        raise ConfigurationError(
            f"{paths.home} is too long for the paths of sockets, which may have {SOCKET_PATH} bytes",
            where="INFRA_RUNTIME_DIR",
            hint="Name a shorter one, or unset it: the default is short.",
        )
    try:
        private_folder(paths.home)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename}: {error.strerror}",
            where="INFRA_RUNTIME_DIR",
            hint="It names the folder for sockets and locks: set it to one that is yours.",
        ) from error


def _launcher(paths: Paths) -> Launch:
    def launch(argv: list[str]) -> subprocess.Popen[bytes]:
        log = os.open(paths.own_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        finally:
            os.close(log)

    return launch


def failure(failed: Failure) -> InfraError:
    """Return the error for a service that failed."""
    if failed.kind == "port-taken" and failed.port is not None:
        port, process = failed.port
        return PortTakenError(failed.service, port, process)
    return StartError(failed.service, failed.reason, list(failed.log_tail), failed.log)


def raise_failures(failures: Sequence[Failure]) -> None:
    """Raise the first failure; the others are its notes. Failures that follow from others are left out."""
    causes = [failed for failed in failures if failed.kind != "needs"] or failures
    if causes:
        error = failure(causes[0])
        for further in causes[1:]:
            error.add_note(str(failure(further)))
        raise error
