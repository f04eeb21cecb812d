"""Faults of programs, sockets, signals and clients: each is reported, and no process remains."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.stacks import alive, journal_events, kill, resolved, server, spawned, until
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local import client
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.connection import Deadlines
from infra_runtime.engines.local.engine import LocalEngine, attach
from infra_runtime.errors import (
    NoStackError,
    PlanChangedError,
    StartError,
    SupervisorError,
)
from infra_runtime.host import processes
from infra_runtime.messages import UP
from infra_runtime.spec import Run, StopStep
from infra_runtime.supervisor.argv import command

TESTS = Path(__file__).parents[2]


def connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=60).close()


def python(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """Start another Python process of the user, which can import the fakes."""
    prelude = f"import sys; sys.path.insert(0, {str(TESTS)!r}); from pathlib import Path; "
    prelude += "from fakes.stacks import *; from infra_runtime.engines.local.engine import *; "
    prelude += "data = Path(sys.argv[1])\n"
    command = [sys.executable, "-c", prelude + code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def events(data: Path) -> list[str]:
    return [event.event for event in journal_events(data)]


# --- executables -----------------------------------------------------------------------------------


def test_an_executable_removed_after_planning_is_named_in_the_error(stack_of, data, tmp_path) -> None:
    tool = tmp_path / "tool"
    plan = resolved(data, [server("web", command=("${bin.tool}",))])
    changed = replace(plan, binaries={"tool": str(tool)})

    with (
        LocalEngine().open(changed) as stack,
        pytest.raises(StartError, match=f"cannot start {tool}: No such file"),
    ):
        raise_failures(stack.up(changed).failures)


def test_a_program_for_another_processor_is_named_in_the_error(stack_of, tmp_path) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"\x7fELF nonsense")
    foreign.chmod(0o755)

    with pytest.raises(StartError, match=f"cannot start {foreign}: Exec format error"):
        stack_of(server("web", command=(str(foreign),)))


@pytest.mark.parametrize("place", ["command", "env", "cwd"])
def test_a_text_with_a_null_byte_fails_with_that_reason(stack_of, place) -> None:
    odd = {"command": ("echo", "a\0b"), "env": {"A": "a\0b"}, "cwd": "/a\0b"}[place]

    with pytest.raises(StartError, match="null byte"):
        stack_of(server("web", **{place: odd}))


# --- remains of earlier stacks -
# -----------------------------------------------------------------------------


def test_a_stack_starts_despite_sockets_of_a_dead_supervisor(stack_of, data) -> None:
    paths = Paths(str(data))
    Path(paths.run).mkdir(parents=True, mode=0o700)
    for name in (paths.control, f"{paths.control}.new"):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(name)
    with pytest.raises(NoStackError):
        attach(data)

    stack = stack_of(server("web"))

    connect(stack.web.port)


def test_a_supervisor_killed_while_its_services_start_leaves_no_process(data) -> None:
    code = "found = resolved(data, [server('web', '--deaf'), server('api')]); "
    code += "LocalEngine().open(found).up(found)"
    with python(code, data, stderr=subprocess.DEVNULL) as other:
        until(lambda: events(data).count("spawned") == 2)
        with attach(data, lease=False) as watcher:
            kill(watcher.status().pid)
        other.wait()

    until(lambda: not alive(data))
    until(lambda: not Path(Paths(str(data)).run).exists())


@pytest.mark.process
def test_a_supervisor_killed_at_any_moment_of_its_boot_leaves_no_files(tmp_path, short, monkeypatch) -> None:
    monkeypatch.setenv("INFRA_RUNTIME_DIR", str(short / "r"))
    for milliseconds in range(20, 120, 4):
        paths = Paths(str(tmp_path / f"data{milliseconds}"))
        make_data_directory(paths, "test")
        booting = subprocess.Popen(command(paths, "test"))
        time.sleep(milliseconds / 1000)
        booting.kill()
        booting.wait()

    until(lambda: not (short / "r").exists() or {it.name for it in (short / "r").iterdir()} <= {"ports"})


def test_the_stack_stops_when_a_client_is_killed_while_it_waits_for_a_start(data) -> None:
    code = "found = resolved(data, [server('web', '--deaf')]); LocalEngine().open(found).up(found)"
    with python(code, data) as other:
        until(lambda: "spawned" in events(data))

        other.kill()

    until(lambda: events(data)[-1:] == ["down"])
    assert not alive(data)


# --- the control socket ----------------------------------------------------------------------------


def test_a_removed_control_socket_is_created_again_within_a_second(stack_of, data) -> None:
    """A program that cleans /tmp must neither stop a stack nor delay an `up`."""
    stack = stack_of(server("web"))
    pid = stack.status().pid
    shutil.rmtree(Paths(str(data)).run)
    with pytest.raises(NoStackError):
        attach(data)

    second = stack_of(server("web"))

    assert second.status().pid == pid


def test_a_supervisor_that_does_not_answer_is_reported(stack_of, data, monkeypatch) -> None:
    pid = stack_of(server("web")).status().pid
    monkeypatch.setattr(client, "DEADLINES", Deadlines(answer=0.2))
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(SupervisorError, match=f"the supervisor of {data} does not answer"):
            attach(data)
        with pytest.raises(SupervisorError, match="does not answer"):
            LocalEngine().open(resolved(data, [server("web")]))
    finally:
        os.kill(pid, signal.SIGCONT)


def test_garbage_from_one_client_does_not_disturb_the_others(stack_of, data) -> None:
    stack = stack_of(server("web"))
    for garbage in (b"\x00" * 5000, b"GET / HTTP/1.1\r\n\r\n", b"[" * 50_000 + b"\n", b'{"method": "up"}\n'):
        with socket.socket(socket.AF_UNIX) as sender:
            sender.connect(Paths(str(data)).control)
            sender.sendall(garbage)

    connect(stack.web.port)
    assert stack.status().leases == 1


class Raw:
    """Parameters that are not checked before they are sent."""

    def __init__(self, params: dict[str, object]) -> None:
        self.params = params

    def to_json(self) -> dict[str, object]:
        return self.params


PLAN: dict[str, object] = {"services": [], "root": "/", "binaries": {}, "variables": {}}


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "services: is missing"),
        ({**PLAN, "services": 7}, "services: must be a list, not 7"),
        ({**PLAN, "binaries": {"x": 1}}, "binaries.x: must be a string"),
        ({**PLAN, "services": [{"$type": "Ghost"}]}, r"services\[0\]: "),
        ({**PLAN, "services": [{"$type": "ServiceSpec"}]}, r"services\[0\]: "),
    ],
)
def test_a_plan_of_another_shape_is_refused_with_its_field_and_nothing_starts(
    stack_of, data, params, field
) -> None:
    stack = stack_of(server("web"))

    with pytest.raises(SupervisorError, match=f"^up: {field}"):
        stack._client.call(UP, Raw(params))

    assert len(spawned(data)) == 1


# --- stops during a start - ------------------------------------------------------------------------


def test_a_down_while_services_start_stops_them_and_fails_the_start(data) -> None:
    plan = resolved(data, [server("web", "--deaf"), server("api", needs=("web",))])
    stack, errors = LocalEngine().open(plan), []

    def up() -> None:
        try:
            raise_failures(stack.up(plan).failures)
        except SupervisorError as error:
            errors.append(str(error))

    starting = threading.Thread(target=up)
    starting.start()
    until(lambda: "spawned" in events(data))

    attach(data, lease=False).down()
    starting.join(60)

    assert errors == ["the stack is stopping"]
    assert not alive(data)
    stack.close()


def test_a_service_that_another_client_stops_during_its_start_fails_to_start(stack_of, data) -> None:
    plan = resolved(data, [server("web", "--deaf")])
    with LocalEngine().open(plan) as stack:
        other = attach(data)
        stopping = threading.Thread(
            target=lambda: (until(lambda: "spawned" in events(data)), other.stop("web"))
        )
        stopping.start()

        with pytest.raises(StartError, match="web: was stopped"):
            raise_failures(stack.up(plan).failures)

        stopping.join()
        other.close()


def test_the_spec_of_a_service_cannot_be_replaced_while_it_is_prepared(data, tmp_path) -> None:
    slow = server("web", prepare=(Run(command=("sleep", "600")),))
    plan = resolved(data, [slow])
    with LocalEngine().open(plan) as stack:
        stack.up(plan, wait=False)
        until(lambda: "preparing" in events(data))

        with pytest.raises(PlanChangedError):
            stack.up(resolved(data, [server("web")]))


def test_sigterm_stops_the_services_in_order(stack_of, data) -> None:
    stack = stack_of(server("web"), server("api", needs=("web",)))

    os.kill(stack.status().pid, signal.SIGTERM)
    until(lambda: events(data)[-1:] == ["down"])

    stopped = [event.service for event in journal_events(data) if event.event == "stopped"]
    assert stopped == ["api", "web"]
    assert journal_events(data)[-1].left == ()
    until(lambda: not Path(Paths(str(data)).run).exists())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_sigint_and_sighup_do_not_stop_the_supervisor(stack_of, number) -> None:
    stack = stack_of(server("web"))

    os.kill(stack.status().pid, number)

    connect(stack.web.port)
    assert stack.status().services[0].phase == "ready"


# --- large numbers -
# -----------------------------------------------------------------------------------------


def test_fifty_services_start_and_stop_at_the_same_time(data) -> None:
    plan = resolved(data, [server(f"s{number}") for number in range(50)])
    stack = LocalEngine().open(plan)

    raise_failures(stack.up(plan).failures)

    assert {service.phase for service in stack.status().services} == {"ready"}
    assert len({endpoint.port for endpoint in stack.endpoints().values()}) == 50
    proof = stack.finish()
    assert proof is not None
    assert proof.clean, proof
    assert proof.services == 50


def test_many_restarts_keep_the_port_and_leave_nothing_behind(stack_of, data) -> None:
    stack = stack_of(server("web"))
    port = stack.web.port

    for _ in range(10):
        stack.restart("web")
        connect(port)

    assert len(spawned(data)) == 11
    proof = stack.finish()
    assert proof is not None
    assert proof.clean, proof


def test_clients_that_connect_and_disconnect_concurrently_always_get_a_stack(data) -> None:
    """A client that connects while the last lease ends gets a new supervisor, not an error."""
    plan = resolved(data, [server("web", stop=(StopStep(signal=signal.SIGKILL),))])
    errors: list[Exception] = []

    def connect_repeatedly() -> None:
        try:
            for _ in range(4):
                with LocalEngine().open(plan) as stack:
                    raise_failures(stack.up(plan).failures)
                    connect(stack.web.port)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=connect_repeatedly) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert not alive(data)


# --- machines --------------------------------------------------------------------------------------


@pytest.fixture
def not_reaping() -> str:
    """Return code that makes a process the parent of its orphaned descendants without reaping them."""
    if sys.platform != "linux":
        pytest.skip("subreapers exist only on Linux")
    return "import ctypes; assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0\n"


def zombies(parent: int) -> list[int]:
    table = processes.table().values()
    return [
        process.pid for process in table if process.parent == parent and process.state == processes.ZOMBIE
    ]


def test_no_zombie_of_a_stack_remains_where_the_init_process_does_not_reap(
    data, tmp_path, not_reaping
) -> None:
    """This is the case in a container whose first process is not an init."""
    code = not_reaping + (
        "found = resolved(data, [server('web', '--stray', sys.argv[2])])\n"
        "with LocalEngine().open(found) as stack:\n"
        "    stack.up(found); until(lambda: Path(sys.argv[2]).exists()); stack.restart('web')\n"
        "print('down', flush=True); sys.stdin.read()\n"
    )
    with python(code, data, tmp_path / "stray", stdin=subprocess.PIPE) as first:
        assert first.stdout.readline() == "down\n"

        assert zombies(first.pid) == []
        first.stdin.close()


def test_a_stack_starts_without_home_terminal_and_locale(data) -> None:
    code = "found = resolved(data, [server('web')])\n"
    code += "with LocalEngine().open(found) as stack: print(list(stack.up(found).failures))"
    bare = {name: value for name, value in os.environ.items() if name == "INFRA_TEST_SUITE"}

    with python(code, data, env={"PATH": os.defpath, **bare}) as other:
        assert other.stdout.read() == "[]\n"


FIVE = ("nats", "postgres", "valkey", "caddy", "pocketbase")


@pytest.mark.real("nats", "postgres", "valkey", "caddy", "pocketbase")
def test_all_five_kinds_start_in_a_folder_whose_path_is_too_long_for_a_socket(
    tmp_path,
) -> None:
    folder = tmp_path / ("a very long checkout " * 6) / "größe 'n' \"data\" $HOME 数据"
    folder.mkdir(parents=True)
    code = (
        "from infra_runtime import start\n"
        "with start(*sys.argv[2:], environment='test', data=data, directory=data.parent) as stack:\n"
        "    print(*sorted(stack.endpoints()))\n"
    )
    bare = {name: value for name, value in os.environ.items() if name == "INFRA_TEST_SUITE"}

    with python(code, folder / "data", *FIVE, env={"PATH": os.environ["PATH"], **bare}) as other:
        assert other.stdout.read().split() == sorted(FIVE)


def test_an_unexpected_error_while_the_stack_stops_ends_the_supervisor_and_all_processes(
    data, monkeypatch
) -> None:
    """The guardian kills the services; clients get an error and do not wait."""
    broken = "from infra_runtime.supervisor import supervisor; "
    broken += "supervisor.stop_order = lambda *_: 1 / 0; "

    def launch(argv: list[str], stdin: int) -> subprocess.Popen[bytes]:
        code = argv[argv.index("-c") + 1]
        marker = "from infra_runtime.supervisor.main"
        argv[argv.index(code)] = code.replace(marker, broken + marker)
        return subprocess.Popen(argv, stdin=stdin)

    plan = resolved(data, [server("web")])
    stack = LocalEngine(launch=launch).open(plan)
    raise_failures(stack.up(plan).failures)
    monkeypatch.setattr(client, "DEADLINES", Deadlines(margin=1.0))

    with pytest.raises(SupervisorError, match="closed the connection"):
        stack.down()

    stack.close()
    until(lambda: not alive(data))
