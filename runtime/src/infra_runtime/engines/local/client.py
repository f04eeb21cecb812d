"""The client of a supervisor, for Python code, the command line and the plugin.

If the connection of a client is a lease, the stack runs at least until the connection closes.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import math
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from infra_runtime.data_directory.paths import PROTOCOL, Paths
from infra_runtime.engines.local import connection
from infra_runtime.engines.local.connection import Connection, Deadlines, unresponsive
from infra_runtime.errors import (
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
    LIMITS,
    SUBSCRIBE,
    Answer,
    Event,
    Failure,
    Hello,
    Limits,
    Method,
    Nothing,
    Params,
    Wait,
)

#: the default deadlines of a client
DEADLINES = Deadlines()
#: the greatest number of events that a client stores until the iterator of `events` reads them; if more
#: events arrive, the oldest events are removed
EVENT_LIMIT = 1000


class Client:
    """One connection to a supervisor. If several threads use `call`, the calls run one after another."""

    def __init__(
        self, connected: Connection, paths: Paths, pid: int = 0, deadlines: Deadlines | None = None
    ) -> None:
        self._connection = connected
        self._paths = paths
        self.deadlines = deadlines or DEADLINES
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._subscribed = False
        #: the error of the last call if the supervisor did not answer this call
        self._silence: SupervisorError | None = None
        #: events that arrived before the answer to a call
        self._early: deque[Event] = deque(maxlen=EVENT_LIMIT)
        #: the supervisor's process, if this process is its parent and must read its exit status
        self.child: subprocess.Popen[bytes] | None = None
        #: the resources that are closed together with this client
        self.closing = contextlib.ExitStack()
        #: the supervisor's pid
        self.supervisor = pid
        #: the version of the supervisor's protocol; 0 before its greeting
        self.protocol = 0

    @classmethod
    def connect(cls, paths: Paths, *, lease: bool = False, deadlines: Deadlines | None = None) -> Self:
        """Connect to the supervisor of a data directory.

        Raises `NoStackError` if no supervisor is running, or, with `lease`, if the stack is stopping;
        `DataDirectoryError` if the data directory belongs to another user or its control file is damaged; and
        `SupervisorError` if the socket belongs to another user, or if the supervisor does not answer or has
        another protocol version.
        """
        connected, pid = connection.connect(paths, (deadlines or DEADLINES).answer)
        return cls.greet(connected, paths, Hello(lease=lease), pid=pid, deadlines=deadlines)

    @classmethod
    def greet(
        cls,
        connected: Connection,
        paths: Paths,
        hello: Hello,
        *,
        pid: int = 0,
        deadlines: Deadlines | None = None,
    ) -> Self:
        """Send the first request over a new connection, and return the client.

        `pid` is the pid of the supervisor for error messages. Raises the same errors as `connect`.
        """
        client = cls(connected, paths, pid, deadlines)
        try:
            greeting = client.call(HELLO, hello)
        except BaseException as error:  # also Ctrl-C: the connection is a lease
            client.close()
            if isinstance(error.__cause__, EOFError | OSError):  # the supervisor exited
                raise NoStackError(paths.data) from None
            raise
        client.supervisor, client.protocol = greeting.pid, greeting.protocol
        if hello.lease and greeting.ending:
            client.close()
            raise NoStackError(paths.data)
        if greeting.protocol != PROTOCOL:
            client.close()
            raise SupervisorError(f"the supervisor of {paths.data} {_versions(greeting.protocol)}")
        return client

    def adopt(self, child: subprocess.Popen[bytes] | None) -> None:
        """Store the supervisor's process if it is a child process: `await_end` reads its exit status."""
        if child is not None and child.pid == self.supervisor:
            self.child = child

    def call(
        self,
        method: Method[Params, Answer],
        params: Params,
        *,
        on_event: Callable[[Event], None] | None = None,
    ) -> Answer:
        """Send a request and return the answer; pass events that arrive before the answer to `on_event`.

        Without `on_event`, the events are stored for `events`. Raises the `InfraError` in the supervisor's
        answer, and `SupervisorError` if the supervisor exits, does not answer in time, rejects the request or
        sends an answer of another type.
        """
        result = self._exchange(method, params, on_event or self._early.append)
        try:
            return decode(method.answer, result)
        except MessageError as error:
            # If the greeting cannot be decoded, the answer may still contain the version.
            protocol = self.protocol or (result.get("protocol") if isinstance(result, dict) else None)
            message = f"the supervisor's answer to {method.name} has another type ({error}): the supervisor "
            raise SupervisorError(message + _versions(protocol)) from error

    def _exchange(
        self, method: Method[Params, Answer], params: Params, on_event: Callable[[Event], None]
    ) -> object:
        # Checked before the lock, which a thread of the parent of a fork may hold.
        if self._connection.closed:
            raise SupervisorError(
                "the connection to the stack was closed by `close`, `finish` or `down` or because the"
                " supervisor did not read a request, or belongs to the parent of this forked process"
            )
        with self._lock:
            if self._silence and not self._connection.has_data():
                raise self._silence  # the supervisor has not answered since the last call
            self._silence = None
            try:
                message = self._answer(method, params, on_event)
            except EOFError as error:
                raise SupervisorError("the supervisor closed the connection") from error
            except OSError as error:
                raise SupervisorError(f"the supervisor has exited: {error.strerror or error}") from error
        if (problem := message.get("error")) is not None:
            if isinstance(problem.get("data"), dict):
                raise from_json(problem["data"])
            raise SupervisorError(f"{method.name}: {problem.get('message')}")
        return message.get("result")

    def _answer(
        self, method: Method[Params, Answer], params: Params, on_event: Callable[[Event], None]
    ) -> dict[str, Any]:
        """Send a request, and return the answer if it arrives before the deadline of the call.

        A call may take as long as the start or stop of services may take. During this time, the client sends
        requests `limits`, which the supervisor must answer, so that a paused supervisor is detected within
        `Deadlines.answer`.
        """
        start, interval = time.monotonic(), self.deadlines.answer / 2
        request_number, check_number, check_deadline, limit = (
            self._send(method, params),
            0,
            start + interval,
            math.inf,
        )
        while True:
            message = self._connection.receive(min(check_deadline, start + limit))
            if message is not None and message.get("id") == request_number:
                return message
            if message is not None and check_number and message.get("id") == check_number:
                check_number, check_deadline = 0, time.monotonic() + interval
                limit = self._limit(method, params, message.get("result"))
            elif message is not None and (event := _event(message)) is not None:
                on_event(event)
            current_time = time.monotonic()
            if current_time >= start + limit:
                raise unresponsive(
                    self._paths, self.supervisor, f"`{method.name}` was not finished within {limit:g} s"
                )
            if current_time >= check_deadline and check_number:
                raise self._silent(f"`{method.name}` was not answered within {current_time - start:.3g} s")
            if current_time >= check_deadline:
                check_number, check_deadline = self._send(LIMITS, Nothing()), current_time + interval

    def _send(self, method: Method[Params, Answer], params: Params) -> int:
        number = next(self._numbers)
        request = {"jsonrpc": "2.0", "id": number, "method": method.name, "params": params.to_json()}
        try:
            self._connection.send(request, self.deadlines.answer)
        except TimeoutError:
            self._connection.close()  # a part of the request may have been sent
            problem = f"`{method.name}` was not read within {self.deadlines.answer:g} s"
            raise self._silent(problem) from None
        return number

    def _limit(self, method: Method[Params, Answer], params: Params, answer: object) -> float:
        """Return the seconds that a call may take.

        `answer` is the supervisor's answer to the request `limits`.
        """
        try:
            limits = decode(Limits, answer)
        except MessageError:  # an older supervisor
            limits = Limits(start=0.0, stop=0.0)
        timeout = params.timeout if isinstance(params, Wait) else 0.0
        seconds = {
            "start": limits.start, "stop": limits.stop, "copy": self.deadlines.copy, "timeout": timeout,
        }  # fmt: skip
        return self.deadlines.margin + sum(seconds[wait] for wait in method.waits)

    def _silent(self, problem: str) -> SupervisorError:
        self._silence = unresponsive(self._paths, self.supervisor, problem)
        return self._silence

    def subscribe(self) -> None:
        """Request every new event of the stack; the supervisor sends the events over this connection."""
        if not self._subscribed:
            self.call(SUBSCRIBE, Nothing())
            self._subscribed = True

    def events(self) -> Iterator[Event]:
        """Yield the events until the supervisor exits.

        The first event is the next event after the call of `subscribe`; without this call, after the start of
        the iteration. Events that a call passes to its `on_event` are omitted. Of the events that arrive
        during other calls, at most `EVENT_LIMIT` are stored.
        """
        self.subscribe()
        while self._early:
            yield self._early.popleft()
        with contextlib.suppress(OSError, EOFError):
            while True:
                if (event := _event(self._connection.receive() or {})) is not None:
                    yield event

    def await_end(self, seconds: float) -> None:
        """Wait until the supervisor has exited; before its exit, it may stop services.

        Raises `SupervisorError` if the supervisor is still running after `seconds` and the margin of the
        deadlines.
        """
        seconds += self.deadlines.margin
        if not self._ends(time.monotonic() + seconds):
            raise unresponsive(
                self._paths, self.supervisor, f"the supervisor did not exit within {seconds:g} s"
            )

    def _ends(self, until: float) -> bool:
        with contextlib.suppress(OSError, EOFError):
            while self._connection.receive(until) is not None:
                pass
            return False
        try:
            if self.child is not None:
                self.child.wait(max(until - time.monotonic(), 0.001))
        except subprocess.TimeoutExpired:
            return False
        return True

    def quiet(self) -> bool:
        """Return whether the connection is open and no data has arrived; send no request."""
        with self._lock:
            return not self._connection.closed and not self._connection.has_data()

    def close(self) -> None:
        """Close the connection to the supervisor; if the connection is a lease, the lease ends."""
        self._connection.close()
        self.closing.close()
        self.child = None


def _event(message: Mapping[str, object]) -> Event | None:
    """Return the event in a message of the supervisor; None if the message contains no valid event."""
    with contextlib.suppress(MessageError):
        return Event.parse(message.get("params")) if message.get("method") == "event" else None
    return None


def _versions(protocol: object) -> str:
    """Return the end of an error message: the protocol versions of the supervisor and of this client."""
    return f"uses protocol version {protocol or 'unknown'}, this client uses {PROTOCOL}"


#: the supervisors that are child processes; a supervisor can keep running after this process has exited
_children: list[subprocess.Popen[bytes]] = []


def record(child: subprocess.Popen[bytes]) -> None:
    """Store a child process that is a supervisor, so that a later call of `reap` reads its exit status."""
    _children.append(child)


def reap() -> None:
    """Read the exit statuses of the exited child processes that `record` has stored."""
    # The list is not iterated, because another thread may add a process at the same time.
    for child in tuple(_children):
        if child.poll() is not None:
            with contextlib.suppress(ValueError):
                _children.remove(child)


@atexit.register
def _let_go() -> None:
    for child in _children:
        if child.poll() is None:
            child.returncode = 0  # the process keeps running intentionally, so Popen must not warn about it


def failure(reported_failure: Failure) -> InfraError:
    """Convert a failure in the supervisor's answer to the error for the service."""
    if reported_failure.kind == "port-taken" and reported_failure.port is not None:
        port, process = reported_failure.port
        return PortTakenError(reported_failure.service, port, process)
    return StartError(
        reported_failure.service,
        reported_failure.reason,
        list(reported_failure.log_tail),
        reported_failure.log,
    )


def raise_failures(failures: Sequence[Failure]) -> None:
    """Raise an error for the first failure; further independent failures are notes of the error."""
    causes = [failed_service for failed_service in failures if failed_service.kind != "needs"] or failures
    if causes:
        error = failure(causes[0])
        for other_cause in causes[1:]:
            error.add_note(str(failure(other_cause)))
        raise error
