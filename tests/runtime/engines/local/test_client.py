"""The requests and errors of the client, with a fake supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.stacks import until
from fakes.supervisor import GREETING, answering, error, event, result
from infra_runtime.data_directory import control_file
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import PROTOCOL, Paths
from infra_runtime.engines.local import client as client_module
from infra_runtime.engines.local import launch as launch_module
from infra_runtime.engines.local.client import Client, failure, raise_failures
from infra_runtime.engines.local.connection import Connection, Deadlines
from infra_runtime.engines.local.launch import connect_or_launch
from infra_runtime.errors import (
    NoStackError,
    PortTakenError,
    StartError,
    SupervisorError,
    UnknownServiceError,
)
from infra_runtime.host import processes
from infra_runtime.messages import (
    DOWN,
    LIMITS,
    RELEASE,
    SNAPSHOT_RESTORE,
    SNAPSHOT_SAVE,
    STATUS,
    STAY,
    STOP,
    UP,
    WAIT,
    Event,
    Failure,
    Names,
    Nothing,
    Outcome,
    Released,
    Services,
    SnapshotName,
    Stay,
    Up,
    Wait,
)
from infra_runtime.supervisor.argv import ALREADY_SUPERVISED

pytestmark = pytest.mark.process

#: short deadlines, in which a thread of a busy machine still answers
QUICK = Deadlines(answer=1.0, boot=0.1, copy=0.5, margin=0.1)


@pytest.fixture
def paths(tmp_path: Path, short: Path) -> Paths:
    """The paths of a stack whose sockets are in the folder of the test."""
    return Paths(str(tmp_path / "data"), environ={"INFRA_RUNTIME_DIR": str(short)})


class Child:
    """A supervisor's process that has ended with this status, or is running (None)."""

    pid = 0

    def __init__(self, status: int | None) -> None:
        self.status = status

    def poll(self) -> int | None:
        return self.status


def launch(paths: Paths, *statuses: int | None) -> tuple[list[list[str]], Client | Exception]:
    """A fake start of supervisors, which exit with these statuses; it records the arguments of each start."""
    started: list[list[str]] = []

    def start(argv: list[str], _stdin: int) -> Child:
        started.append(argv)
        return Child(statuses[min(len(started), len(statuses)) - 1])

    try:
        return started, connect_or_launch(paths, "test", launch=start)
    except Exception as problem:  # noqa: BLE001 - handed to the test
        return started, problem


def record(paths: Paths) -> None:
    """Write the control file, as a supervisor does, and create the folder of its socket."""
    for folder in (paths.data, paths.run):
        Path(folder).mkdir(mode=0o700)
    control_file.write(paths)


# --- connecting ------------------------------------------------------------------------------------


def test_without_a_listening_supervisor_no_stack_is_found(paths) -> None:
    with pytest.raises(NoStackError, match=f"no stack is running in {paths.data}"):
        Client.connect(paths)


def test_a_socket_without_a_supervisor_is_not_a_stack(paths) -> None:
    record(paths)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(paths.control)

    with pytest.raises(NoStackError):
        Client.connect(paths)


def test_a_file_instead_of_the_socket_is_not_a_stack(paths) -> None:
    record(paths)
    Path(paths.control).touch()

    with pytest.raises(NoStackError):
        Client.connect(paths)


def test_the_greeting_contains_the_request_for_a_lease(paths) -> None:
    with answering(paths) as requests:
        Client.connect(paths, lease=True).close()
        Client.connect(paths).close()

    assert [request["params"]["lease"] for request in requests] == [True, False]


def test_a_supervisor_that_exits_during_its_greeting_is_not_a_stack(paths) -> None:
    with answering(paths, hello=lambda _: None), pytest.raises(NoStackError):
        Client.connect(paths)


def test_a_stack_that_is_ending_gives_no_lease_but_may_be_looked_at(paths) -> None:
    with answering(paths, hello=lambda request: [result(request, **{**GREETING, "ending": True})]):
        with pytest.raises(NoStackError):
            Client.connect(paths, lease=True)

        Client.connect(paths).close()


def test_the_error_about_a_supervisor_of_another_version_contains_both_versions(paths) -> None:
    other = {**GREETING, "protocol": 99}

    with (
        answering(paths, hello=lambda request: [result(request, **other)]),
        pytest.raises(SupervisorError, match=f"uses protocol version 99, this client uses {PROTOCOL}"),
    ):
        Client.connect(paths)


def test_a_supervisor_that_never_sends_its_greeting_is_an_error(paths, monkeypatch) -> None:
    monkeypatch.setattr(client_module, "DEADLINES", QUICK)

    with answering(paths, hello=lambda _: []), pytest.raises(SupervisorError, match="does not answer"):
        Client.connect(paths)


OUTCOME: dict[str, object] = {"services": [], "failures": []}


# --- calling ---------------------------------------------------------------------------------------


def test_events_that_come_before_the_answer_are_handed_on(paths) -> None:
    seen: list[Event] = []
    with answering(
        paths, stop=lambda request: [event("stopping"), event("stopped"), result(request, **OUTCOME)]
    ):
        client = Client.connect(paths)

        answer = client.call(STOP, Names(services=("web",)), on_event=seen.append)
        client.close()

    assert answer == Outcome(services=Services())
    assert [it.event for it in seen] == ["stopping", "stopped"]


def test_the_answer_to_another_request_is_ignored(paths) -> None:
    """Such an answer can belong to a call that was interrupted."""
    late, current = {"leases": 1, "ending": True}, {"leases": 2, "ending": False}
    with answering(paths, release=lambda request: [result({"id": 99}, **late), result(request, **current)]):
        client = Client.connect(paths)

        assert client.call(RELEASE, Nothing()) == Released(leases=2, ending=False)
        client.close()


def test_an_unknown_field_of_a_newer_supervisor_is_ignored(paths) -> None:
    with answering(paths, release=lambda request: [result(request, leases=2, ending=False, mood="good")]):
        client = Client.connect(paths)

        assert client.call(RELEASE, Nothing()) == Released(leases=2, ending=False)
        client.close()


def test_a_missing_field_is_named_with_the_versions_of_both_sides(paths) -> None:
    with answering(paths, release=lambda request: [result(request, leases=2)]):
        client = Client.connect(paths)

        with pytest.raises(SupervisorError) as caught:
            client.call(RELEASE, Nothing())
        client.close()

    assert str(caught.value) == (
        "the supervisor's answer to release has another type (ending: is missing): "
        f"the supervisor uses protocol version {PROTOCOL}, this client uses {PROTOCOL}"
    )


def test_a_greeting_of_another_shape_is_refused_with_both_versions(paths) -> None:
    with (
        answering(paths, hello=lambda request: [result(request, protocol=99)]),
        pytest.raises(
            SupervisorError, match=f"pid: is missing.*uses protocol version 99, this client uses {PROTOCOL}"
        ),
    ):
        Client.connect(paths)


def test_an_infra_error_is_raised_unchanged(paths) -> None:
    unknown = UnknownServiceError("wbe", ["web"])
    with answering(paths, stop=lambda request: [error(request, str(unknown), unknown.to_json())]):
        client = Client.connect(paths)

        with pytest.raises(UnknownServiceError, match="this stack has no service 'wbe'"):
            client.call(STOP, Names(services=("wbe",)))
        client.close()


def test_an_unexpected_error_names_the_method(paths) -> None:
    with answering(paths, stop=lambda request: [error(request, "services: is missing")]):
        client = Client.connect(paths)

        with pytest.raises(SupervisorError, match="stop: services: is missing"):
            client.call(STOP, Names(services=()))
        client.close()


def test_an_exit_of_the_supervisor_during_a_request_is_an_error(paths) -> None:
    with answering(paths, status=lambda _: None):
        client = Client.connect(paths)

        with pytest.raises(SupervisorError, match="closed the connection"):
            client.call(STATUS, Nothing())
        with pytest.raises(SupervisorError):
            client.call(STATUS, Nothing())
        client.close()


def test_calls_from_several_threads_get_their_own_answers(paths) -> None:
    def stop(request: dict[str, Any]) -> list[dict[str, Any]]:
        [number] = request["params"]["services"]
        return [result(request, services=[], failures=[{"service": number, "kind": "", "reason": ""}])]

    answers = {}
    with answering(paths, stop=stop):
        client = Client.connect(paths)

        def call(number: str) -> None:
            for _ in range(20):
                answers[number] = client.call(STOP, Names(services=(number,))).failures[0].service

        threads = [threading.Thread(target=call, args=(f"{number}",)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()

    assert answers == {f"{number}": f"{number}" for number in range(5)}


def test_events_arrive_until_the_supervisor_exits(paths) -> None:
    def subscribe(request: dict[str, object]) -> list[dict[str, object]]:
        return [result(request), event("ready"), event("down")]

    with answering(paths, subscribe=subscribe, bye=lambda _: None):
        client = Client.connect(paths)
        client.subscribe()
        client._connection.send({"id": 0, "method": "bye"}, 60)

        assert [it.event for it in client.events()] == ["ready", "down"]
        client.close()


def test_an_event_that_arrives_before_the_answer_of_a_request_is_not_lost(paths) -> None:
    def stop(request: dict[str, object]) -> list[dict[str, object]]:
        return [event("ready"), result(request, **OUTCOME)]

    with answering(paths, subscribe=lambda request: [result(request)], stop=stop):
        client = Client.connect(paths)
        client.subscribe()

        client.call(STOP, Names(services=()))

        assert next(client.events()).event == "ready"
        client.close()


def test_a_supervisor_that_hangs_up_and_does_not_exit_is_an_error_after_the_margin(paths, sleeper) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    client = Client(Connection(ours), paths, sleeper.pid, QUICK)
    client.child = sleeper

    with pytest.raises(
        SupervisorError, match=rf"the supervisor did not exit within 0\.6 s; its process {sleeper.pid} is"
    ):
        client.await_end(0.5)

    client.child = None
    client.close()


def test_a_client_may_be_closed_twice(paths) -> None:
    with answering(paths):
        client = Client.connect(paths)

        client.close()
        client.close()


# --- deadlines -------------------------------------------------------------------------------------


def limits(**seconds: float) -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    return lambda request: [result(request, **{"start": 0.0, "stop": 0.0, **seconds})]


def test_a_socket_with_a_full_queue_is_an_error_after_the_deadline(paths) -> None:
    record(paths)
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as queue:
        listener.bind(paths.control)
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = queue.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(paths.control)

        with pytest.raises(SupervisorError, match=r"accepted no connection within 1 s"):
            Client.connect(paths, deadlines=QUICK)


@pytest.mark.parametrize("method", [STATUS, DOWN, STAY, LIMITS], ids=str)
def test_a_call_without_an_answer_ends_with_process_data_directory_and_log(paths, method) -> None:
    params = Stay(on=True) if method is STAY else Nothing()
    with answering(paths, **{method.name: lambda _: [], "limits": lambda _: []}):
        client = Client.connect(paths, deadlines=QUICK)

        with pytest.raises(SupervisorError) as caught:
            client.call(method, params)
        client.close()

    assert f"the supervisor of {paths.data} does not answer: `{method.name}` was not answered" in str(
        caught.value
    )
    assert "its process 1 is running" in str(caught.value)
    assert "`kill -KILL 1` ends the supervisor" in caught.value.hint
    assert paths.own_log in caught.value.hint


def test_a_stopped_supervisor_is_named_as_stopped(paths, sleeper) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    until(lambda: processes.look(sleeper.pid).state in processes.STOPPED)
    greeting = {**GREETING, "pid": sleeper.pid}
    with answering(paths, hello=lambda request: [result(request, **greeting)], status=lambda _: []):
        client = Client.connect(paths, deadlines=QUICK)

        with pytest.raises(SupervisorError, match="is stopped by a signal or a debugger") as caught:
            client.call(STATUS, Nothing())
        client.close()

    assert f"`kill -CONT {sleeper.pid}` continues the supervisor" in caught.value.hint


def test_a_call_that_waits_for_services_may_last_as_long_as_they_may_take(paths) -> None:
    """It lasts longer than the deadline of an answer, and meanwhile the supervisor answers the checks."""
    checks = []

    def stop(request: dict[str, Any]) -> list[dict[str, Any]]:
        pending.append(request)
        return []

    def check(request: dict[str, Any]) -> list[dict[str, Any]]:
        checks.append(request)
        answers = limits(stop=60.0)(request)
        return answers if len(checks) < 3 else [*answers, result(pending[0], **OUTCOME)]

    pending: list[dict[str, Any]] = []
    with answering(paths, stop=stop, limits=check):
        client = Client.connect(paths, deadlines=QUICK)

        assert client.call(STOP, Names(services=())) == Outcome(services=Services())
        client.close()


@pytest.mark.parametrize(
    ("method", "params", "seconds"),
    [
        (STATUS, Nothing(), 0.1),
        (STOP, Names(services=()), 0.3),
        (DOWN, Nothing(), 0.3),
        (UP, Up(services=(), root="/", binaries={}, variables={}), 0.7),
        (WAIT, Wait(timeout=0.25), 0.35),
        (SNAPSHOT_SAVE, SnapshotName(name="x"), 0.6),
        (SNAPSHOT_RESTORE, SnapshotName(name="x"), 1.2),
    ],
    ids=str,
)
def test_a_call_that_is_never_finished_ends_after_the_limits_of_the_services_and_the_margin(
    paths, method, params, seconds
) -> None:
    with answering(paths, **{method.name: lambda _: [], "limits": limits(start=0.4, stop=0.2)}):
        client = Client.connect(paths, deadlines=QUICK)

        with pytest.raises(SupervisorError, match=f"`{method.name}` was not finished within {seconds:g} s"):
            client.call(method, params)
        client.close()


def test_events_do_not_extend_a_deadline(paths) -> None:
    def flood(request: dict[str, Any]) -> list[dict[str, Any]]:
        return [event("ready")] * 1000 + limits()(request)

    # A busy machine needs some time to send the events.
    deadlines = Deadlines(answer=6.0, boot=0.1, copy=0.5, margin=0.1)
    with (
        answering(paths, stop=lambda _: [], limits=flood),
        contextlib.closing(Client.connect(paths, deadlines=deadlines)) as client,
        pytest.raises(SupervisorError, match=r"`stop` was not finished within 0\.1 s"),
    ):
        client.call(STOP, Names(services=()))


def test_after_a_call_without_an_answer_the_next_one_fails_at_once_until_the_supervisor_answers(
    paths,
) -> None:
    pending: list[dict[str, Any]] = []

    def release(request: dict[str, Any]) -> list[dict[str, Any]]:
        pending.append(request)
        return [result(request, leases=1, ending=False)] if len(pending) > 1 else []

    with answering(paths, release=release, limits=lambda _: []) as requests:
        client = Client.connect(paths, deadlines=QUICK)
        with pytest.raises(SupervisorError, match="`release` was not answered"):
            client.call(RELEASE, Nothing())
        sent = len(requests)

        with pytest.raises(SupervisorError, match="`release` was not answered"):
            client.call(STATUS, Nothing())
        assert len(requests) == sent

        client._connection.send({"id": 0, "method": "release"}, 60)  # the answer to this is late
        until(client._connection.has_data)
        assert client.call(RELEASE, Nothing()).leases == 1
        client.close()


def test_a_request_that_the_supervisor_does_not_read_is_an_error(paths) -> None:
    ours, theirs = socket.socketpair()
    client = Client(Connection(ours), paths, 1, QUICK)

    with theirs, pytest.raises(SupervisorError, match=r"`snapshot_save` was not read within 1 s"):
        client.call(SNAPSHOT_SAVE, SnapshotName(name="x" * 10_000_000))

    client.close()


# --- launching -------------------------------------------------------------------------------------


def test_a_stack_that_runs_is_joined_and_nothing_is_started(paths) -> None:
    with answering(paths):
        started, client = launch(paths, None)
        client.close()

    assert started == []
    assert not Path(paths.marker).exists()


def test_the_error_for_a_supervisor_that_cannot_start_has_its_last_log_line(paths) -> None:
    Path(paths.logs).mkdir(parents=True)
    (Path(paths.data) / "infra.json").write_text('{"format": 1, "environment": "test"}')
    Path(paths.own_log).write_text("Traceback …\nPermissionError: [Errno 13] /run\n")

    started, problem = launch(paths, 1)

    assert len(started) == 1
    assert str(problem) == (
        "the supervisor exited with status 1 before it answered: PermissionError: [Errno 13] /run"
    )
    assert paths.own_log in problem.hint


def test_a_second_client_starts_a_supervisor_when_the_first_one_has_exited(paths, monkeypatch) -> None:
    monkeypatch.setattr(client_module, "DEADLINES", Deadlines(boot=1.0))

    started, problem = launch(paths, ALREADY_SUPERVISED, None)

    assert len(started) == 2
    assert "no supervisor answered within 1 s" in str(problem)


@pytest.fixture
def stopped() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes that `stopping` has started; they are killed after the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for child in started:
        child.kill()
        child.wait()


def stopping(started: list[subprocess.Popen[bytes]]) -> Callable[..., subprocess.Popen[bytes]]:
    """Return a function that starts a process in place of a supervisor; it stops before it answers."""

    def start(_argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        stop = f"import os; os.kill(os.getpid(), {signal.SIGSTOP.value})"
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", stop], stdin=stdin)
        started.append(child)
        until(lambda: processes.look(child.pid).state in processes.STOPPED)
        return child

    return start


def is_reaped(child: subprocess.Popen[bytes]) -> bool:
    """Return whether a later start of a supervisor in this process has read the exit status of a child."""
    client_module.reap()
    return child.returncode is not None


def test_a_new_supervisor_that_does_not_answer_is_named_with_its_process(paths, stopped) -> None:
    with pytest.raises(SupervisorError, match="does not answer") as caught:
        connect_or_launch(paths, "test", launch=stopping(stopped), deadlines=QUICK)

    [child] = stopped
    assert f"its process {child.pid} is stopped by a signal or a debugger" in str(caught.value)
    assert f"`kill -CONT {child.pid}` continues the supervisor" in caught.value.hint
    child.kill()
    until(lambda: is_reaped(child))


def test_an_interrupted_start_closes_the_lease_and_reads_the_exit_status_later(
    paths, stopped, monkeypatch
) -> None:
    """Ctrl-C in an interactive Python, which keeps the traceback with all variables."""

    def interrupted(self: Connection, until: float = 0.0) -> None:
        assert until
        interrupts.append(self)
        raise KeyboardInterrupt

    interrupts: list[Connection] = []
    monkeypatch.setattr(Connection, "receive", interrupted)

    with pytest.raises(KeyboardInterrupt):
        connect_or_launch(paths, "test", launch=stopping(stopped))

    assert [connection.closed for connection in interrupts] == [True]
    [child] = stopped
    child.kill()
    until(lambda: is_reaped(child))


def test_an_interrupted_connection_closes_its_lease(paths, monkeypatch) -> None:
    def interrupted(self: Connection, until: float = 0.0) -> None:
        assert until
        interrupts.append(self)
        raise KeyboardInterrupt

    interrupts: list[Connection] = []
    monkeypatch.setattr(Connection, "receive", interrupted)

    with answering(paths, hello=lambda _: []), pytest.raises(KeyboardInterrupt):
        Client.connect(paths, lease=True)

    assert [connection.closed for connection in interrupts] == [True]


def test_a_supervisor_started_by_another_process_is_awaited(paths) -> None:
    Path(paths.data).parent.mkdir(exist_ok=True)
    started = []

    def by_another_process(argv: list[str], _stdin: int) -> None:
        started.append(argv)
        threading.Thread(target=serve).start()

    is_finished = threading.Event()

    def serve() -> None:
        with answering(paths):
            is_finished.wait(300)

    client = connect_or_launch(paths, "test", launch=by_another_process)
    client.close()
    is_finished.set()

    assert client.child is None
    assert started[0][-5:] == [paths.data, "test", "tmpfs", str(os.getpid()), ""]


def test_a_client_connects_as_soon_as_a_supervisor_has_written_its_control_file(
    paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every attempt to connect needs processor time that the supervisor could use for its start."""
    monkeypatch.setattr(launch_module, "RECONNECT_INTERVAL", 600.0)
    Path(paths.data).parent.mkdir(exist_ok=True)
    is_finished = threading.Event()

    def serve() -> None:
        with answering(paths):
            is_finished.wait(300)

    client = connect_or_launch(paths, "test", launch=lambda *_: threading.Thread(target=serve).start())
    client.close()
    is_finished.set()


def test_a_client_also_connects_without_a_new_control_file(paths) -> None:
    """The supervisor of another client can become usable after this client has found it unusable."""
    make_data_directory(paths, "test")
    ending = iter([True, True])

    def hello(request: dict[str, Any]) -> list[dict[str, Any]]:
        return [result(request, **{**GREETING, "ending": next(ending, False)})]

    with answering(paths, hello=hello):
        client = connect_or_launch(paths, "test", launch=lambda *_: None)
        client.close()


# --- failures --------------------------------------------------------------------------------------


def failed(service: str, kind: str = "start", **more: object) -> Failure:
    return Failure(service=service, kind=kind, reason=f"{service} is broken", log=f"/{service}.log", **more)


def test_without_a_failure_no_error_is_raised() -> None:
    raise_failures(())


def test_a_failed_service_is_an_error_with_its_log() -> None:
    error = failure(failed("db", log_tail=("a line",)))

    assert isinstance(error, StartError)
    assert (error.reason, error.log_tail, error.log) == ("db is broken", ["a line"], "/db.log")


def test_a_taken_port_has_its_own_error() -> None:
    error = failure(failed("db", "port-taken", port=(5432, "pid 1 (init)")))

    assert isinstance(error, PortTakenError)
    assert (error.port, error.holder) == (5432, "pid 1 (init)")


def test_the_cause_is_raised_further_causes_are_notes_and_consequences_are_left_out() -> None:
    failures = (failed("api", "needs"), failed("db"), failed("queue"))

    with pytest.raises(StartError, match="db: db is broken") as caught:
        raise_failures(failures)

    assert caught.value.__notes__ == ["queue: queue is broken"]


def test_a_failed_dependency_is_reported_if_its_cause_is_unknown() -> None:
    """A command of another client can be the cause."""
    with pytest.raises(StartError, match="api: api is broken"):
        raise_failures((failed("api", "needs"),))
