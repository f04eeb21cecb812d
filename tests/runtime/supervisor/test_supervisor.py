"""The supervisor with real processes: normal operation, faulty services, ports, crashes, and clients."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fakes.stacks import alive, journal_events, kill, resolved, server, services_of, spawned, until
from fakes.suite import free_port
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.engine import LocalEngine, attach
from infra_runtime.errors import (
    ConfigurationError,
    NoStackError,
    PlanChangedError,
    PortTakenError,
    StartError,
    SupervisorError,
    UnknownServiceError,
    WaitTimeoutError,
)
from infra_runtime.host import processes
from infra_runtime.spec import ExecProbe, Run, Secret, Seed, ServiceSpec, StopStep, WriteFile

pytestmark = pytest.mark.process


def connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=60).close()


def supervisor_pid(stack) -> int:
    return stack.status().pid


def guardian_pid(stack) -> int:
    children = processes.table().values()
    pids = [process.pid for process in children if process.parent == supervisor_pid(stack)]
    return next(pid for pid in pids if pid not in {s.pid for s in stack.status().services})


# --- normal operation ------------------------------------------------------------------------------


def test_a_started_service_answers_at_the_address_of_its_endpoint(stack_of) -> None:
    stack = stack_of(server("web"))

    connect(stack.web.port)
    assert stack.web.url == f"tcp://127.0.0.1:{stack.web.port}"


def test_a_stopped_stack_leaves_nothing(stack_of, data) -> None:
    stack = stack_of(server("web"), server("api"))

    proof = stack.finish()

    assert proof is not None
    assert proof.clean
    assert str(proof).startswith("2 services, ready in ")
    assert not Path(Paths(str(data)).run).exists()
    with pytest.raises(NoStackError):
        attach(data)


def test_a_second_client_shares_the_stack_and_the_last_one_stops_it(stack_of, data) -> None:
    first = stack_of(server("web"))
    second = attach(data)

    assert first.finish() is None
    connect(second.web.port)
    proof = second.finish()
    assert proof is not None
    assert proof.clean


def test_a_warm_stack_runs_without_clients_until_down(stack_of, data) -> None:
    stack = stack_of(server("web"))
    stack.stay()
    port = stack.web.port

    stack.close()

    connect(port)
    attach(data, lease=False).down()
    with pytest.raises(OSError, match="refused"):
        connect(port)


def test_references_to_other_services_are_bound_when_those_are_ready(stack_of) -> None:
    api = server("api", exports={"upstream": "${db.url}", "environment": "${stack.environment}"})

    stack = stack_of(server("db"), api)

    assert stack.api.upstream == stack.db.url
    assert stack.api.environment == "test"


def test_services_that_refer_to_each_other_optionally_have_the_ports_that_both_listen_on(stack_of) -> None:
    url = "tcp://${host}:${port.main}"
    one = server("one", exports={"url": url, "other": "${two.url?}", "port": "${port.main}"})
    two = server("two", exports={"url": url, "other": "${one.url?}", "port": "${port.main}"})

    stack = stack_of(one, two)

    assert stack.one.other == stack.two.url
    assert stack.two.other == stack.one.url
    connect(stack.one.port)
    connect(stack.two.port)


def test_an_optional_reference_to_a_secret_waits_until_the_other_service_is_prepared(stack_of) -> None:
    """The other service is prepared slowly, and need not be ready."""
    database = server(
        "database",
        prepare=(Run(command=("sleep", "0.2")), Secret(path="${data}/password.secret")),
        exports={"url": "db://:${secret.password}@${host}:${port.main}"},
    )
    app = server("app", exports={"database": "${database.url?}"})

    stack = stack_of(app, database)

    assert stack.app.database == stack.database.url


def test_an_optional_reference_to_a_secret_of_a_service_that_never_starts_fails(stack_of) -> None:
    database = server(
        "database",
        prepare=(Run(command=("false",)), Secret(path="${data}/password.secret")),
        exports={"url": "db://:${secret.password}@${host}"},
    )

    with pytest.raises(StartError, match="the secret password of database does not exist"):
        stack_of(server("app", env={"DATABASE": "${database.url?}"}), database)


def test_files_secrets_and_seeds_exist_before_the_first_start(stack_of, data, tmp_path) -> None:
    seed = Seed(
        into="${data}/tree",
        steps=(WriteFile(path="${out}/file", text="text"), Run(command=("touch", "${out}/made"))),
    )
    code = "import sys, time; print(open(sys.argv[1]).read()); time.sleep(600)"
    app = ServiceSpec(
        name="app",
        command=(sys.executable, "-I", "-S", "-c", code, "${data}/app.conf"),
        prepare=(
            seed,
            Secret(path="${data}/key.secret"),
            WriteFile(path="${data}/app.conf", text="key=${secret.key}"),
        ),
        exports={"url": "app://:${secret.key}@${host}"},
    )

    stack = stack_of(app)

    folder = services_of(data) / "app"
    key = (folder / "key.secret").read_text()
    assert (folder / "app.conf").read_text() == f"key={key}"
    assert (folder / "tree" / "made").exists()
    assert (folder / "tree" / "file").stat().st_mode & 0o777 == 0o600
    assert stack.app.url == f"app://:{key}@127.0.0.1"
    assert key not in str(stack.status())
    assert "***" in str(stack.status())


def test_the_environment_is_a_variable_of_every_process(stack_of, data) -> None:
    probe = "import os, sys; sys.exit(os.environ['INFRA_ENV'] != 'test')"
    ready = ExecProbe(command=(sys.executable, "-I", "-S", "-c", probe))

    stack_of(server("web", ready=ready))

    assert [event.event for event in journal_events(data)].count("ready") == 1


def test_a_task_exits_before_its_dependents_start(stack_of, data, tmp_path) -> None:
    marker = tmp_path / "done"
    migrate = ServiceSpec(name="migrate", command=("touch", str(marker)), task=True, cwd="${root}")
    checks = ServiceSpec(
        name="checks",
        command=("test", "-e", str(marker)),
        task=True,
        needs=("migrate",),
        cwd="${root}",
    )

    stack_of(migrate, checks)

    assert marker.exists()


# --- faulty services -------------------------------------------------------------------------------


def test_a_service_that_exits_at_once_fails_with_its_status_and_last_lines(stack_of) -> None:
    code = "import sys; print('cannot read the config'); sys.exit(3)"
    broken = server("broken", command=(sys.executable, "-I", "-S", "-c", code))

    with pytest.raises(StartError, match="exited with status 3 before it was ready") as caught:
        stack_of(broken)

    assert caught.value.log_tail == ["cannot read the config"]


def test_a_service_that_exits_after_a_while_fails_before_its_deadline(stack_of) -> None:
    with pytest.raises(StartError, match="exited with status 7"):
        stack_of(server("slow", "--deaf", "--exit-after", "0.2", "--status", "7"))


def test_a_service_that_never_answers_fails_with_the_probes_last_reason(stack_of) -> None:
    with pytest.raises(StartError, match=r"not ready after 2 s: 127\.0\.0\.1:\d+: .*refused"):
        stack_of(server("deaf", "--deaf", start_timeout=2.0))


def test_a_command_that_cannot_be_executed_is_named_in_the_error(stack_of, tmp_path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("no program")

    with pytest.raises(StartError, match="no-such-program: No such file or directory"):
        stack_of(server("ghost", command=("/no-such-program",)))
    with pytest.raises(StartError, match=r"plain\.txt: Permission denied"):
        stack_of(server("text", command=(str(plain),)))


def test_a_missing_working_directory_is_named_in_the_error(stack_of, tmp_path) -> None:
    with pytest.raises(
        StartError, match=f"cannot use the working directory {tmp_path}/none: No such file or directory"
    ):
        stack_of(server("web", cwd=f"{tmp_path}/none"))


def test_a_service_that_ignores_all_stop_signals_is_killed(stack_of, data) -> None:
    stack = stack_of(
        server("stubborn", "--ignore-term", stop=(StopStep(seconds=0.1), StopStep(signal=2, seconds=0.1)))
    )

    proof = stack.finish()

    assert proof is not None
    assert proof.clean
    assert [event.status for event in journal_events(data) if event.event == "exited"] == [-9]


def test_a_service_that_forks_into_the_background_fails_and_is_killed(stack_of, data) -> None:
    with pytest.raises(
        StartError,
        match="exited with status 0 before it was ready; its child processes keep running",
    ):
        stack_of(server("daemon", "--fork-away", "5"))

    until(lambda: not alive(data))


def test_a_service_stopped_by_sigstop_handles_its_stop_signal(stack_of, data, tmp_path) -> None:
    listening = tmp_path / "listening"
    script = f"trap 'exit 5' TERM; touch {listening}; while :; do sleep 0.01; done"
    ready = ExecProbe(command=("test", "-e", str(listening)))
    stack = stack_of(server("web", command=("sh", "-c", script), ready=ready, stop=(StopStep(seconds=60.0),)))
    [pid] = spawned(data)
    os.kill(pid, signal.SIGSTOP)

    stack.stop("web")

    assert [event.status for event in journal_events(data) if event.event == "exited"] == [5]


def test_a_grandchild_in_another_session_is_killed_with_its_service(stack_of, data, tmp_path) -> None:
    stray = tmp_path / "stray.pid"
    stack = stack_of(server("web", "--stray", str(stray)))
    until(lambda: stray.exists() and stray.read_text())
    pid = int(stray.read_text())
    assert processes.look(pid) is not None

    stack.stop("web")

    process = processes.look(pid)
    assert process is None or process.state == processes.ZOMBIE


@pytest.mark.skipif(sys.platform != "linux", reason="the open files of a process can be read only on Linux")
def test_a_process_with_another_session_and_environment_is_killed_with_its_service(
    stack_of, data, tmp_path
) -> None:
    """PostgreSQL has such processes; a remaining one would prevent the start of the next server."""
    pid_file = tmp_path / "detached.pid"
    detach = "env -i setsid sh -c "
    detach += f"'echo $$$$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 600' &"
    command = server("web").command
    stack_of(server("web", command=("sh", "-c", f'{detach} exec "$@"', "sh", *command)))
    until(pid_file.exists)
    detached, [pid] = int(pid_file.read_text()), spawned(data)

    kill(pid)
    until(lambda: len(spawned(data)) == 2)

    process = processes.look(detached)
    assert process is None or process.state == processes.ZOMBIE


def test_a_killed_service_starts_again_on_the_same_port(stack_of, data) -> None:
    stack = stack_of(server("web"))
    port, [pid] = stack.web.port, spawned(data)

    kill(pid)

    until(lambda: len(spawned(data)) == 2 and stack.status().services[0].phase == "ready")
    connect(port)
    assert stack.status().services[0].restarts == 1


def test_a_crash_loop_fails_the_service(stack_of, data) -> None:
    stack = stack_of(server("web", "--exit-after", "0.15"))

    until(lambda: stack.status().services[0].phase == "failed")

    assert "crash loop: 5 crashes in 10 s" in stack.status().services[0].reason


def test_the_log_of_a_verbose_service_is_bounded_and_the_supervisor_answers(
    stack_of, data, monkeypatch
) -> None:
    monkeypatch.setenv("INFRA_LOG_LIMIT", "1000000")
    stack = stack_of(server("web", command=("yes", "x" * 99), ports={}, ready=None, exports={}))
    path = Path(Paths(str(data)).logs, "web.log")

    until(lambda: stack.status().services["web"].log_dropped > 100_000_000)

    assert path.stat().st_size > 100_000_000
    stack.stop("web")
    until(lambda: path.stat().st_blocks * 512 <= 1_000_000)


def test_a_failed_service_does_not_stop_the_others(stack_of, data) -> None:
    stack = stack_of(server("web"))

    with pytest.raises(StartError, match="broken"):
        stack_of(server("web"), server("broken", command=("false",)))

    connect(stack.web.port)


# --- ports -----------------------------------------------------------------------------------------


def test_a_fixed_port_of_a_foreign_process_is_an_error_and_the_process_keeps_running(stack_of) -> None:
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        port = foreign.getsockname()[1]

        with pytest.raises(PortTakenError, match=rf"port {port} is taken by pid {os.getpid()} \(.*python"):
            stack_of(server("web", ports={"main": port}), environment="development")

        connect(port)


def test_a_fixed_port_of_another_stack_is_named_with_its_directory(stack_of, data, tmp_path) -> None:
    port = free_port()
    other = resolved(tmp_path / "other", [server("a", ports={"main": port})], environment="development")
    with LocalEngine().open(other) as first:
        first.up(other)

        with pytest.raises(
            PortTakenError,
            match=f"port {port} is taken by another stack of this user, "
            f"with the data directory {tmp_path}/other",
        ):
            stack_of(server("web", ports={"main": port}), environment="development")


def test_another_port_replaces_a_leased_port_that_is_taken_during_the_start(stack_of, tmp_path) -> None:
    go = tmp_path / "go"
    taken = []

    def take() -> None:
        port_file = tmp_path / "go.port"
        until(lambda: port_file.exists() and port_file.read_text())
        foreign = socket.create_server(("127.0.0.1", int(port_file.read_text())))
        taken.append(foreign)
        go.touch()

    thread = threading.Thread(target=take)
    thread.start()

    # A TCP probe would succeed with the foreign process, so the probe checks a file of the service.
    ready = ExecProbe(command=("test", "-e", f"{go}.up"))
    stack = stack_of(server("web", "--wait-for", str(go), ready=ready))
    thread.join()

    with taken[0] as foreign:
        assert stack.web.port != foreign.getsockname()[1]
        connect(stack.web.port)


def test_two_stacks_never_lease_the_same_port(stack_of, tmp_path) -> None:
    other = resolved(tmp_path / "other", [server(f"s{n}") for n in range(5)])
    stack = stack_of(*(server(f"s{n}") for n in range(5)))
    with LocalEngine().open(other) as second:
        second.up(other)

        ports = [endpoint.port for it in (stack, second) for endpoint in it.endpoints().values()]

    assert len(set(ports)) == 10


# --- killed supervisors, guardians and clients
# -----------------------------------------------------------------------------------------


def test_all_processes_are_killed_after_the_supervisor(stack_of, data, tmp_path) -> None:
    stray = tmp_path / "stray.pid"
    stack = stack_of(server("web", "--stray", str(stray), "--ignore-term"), server("api"))
    until(lambda: stray.exists() and stray.read_text())

    kill(supervisor_pid(stack))

    until(lambda: not alive(data))
    until(lambda: not Path(Paths(str(data)).run).exists())


def test_a_supervisor_starts_normally_after_a_killed_one(stack_of, data) -> None:
    kill(supervisor_pid(stack_of(server("web"))))

    stack = stack_of(server("web"))

    connect(stack.web.port)
    assert len(alive(data)) >= 1


def test_a_start_removes_the_interrupted_builds_of_other_stacks(stack_of, data, monkeypatch) -> None:
    """A supervisor and its guardian were killed while they built a seed."""
    monkeypatch.setenv("INFRA_CACHE", str(data.parent / "cache"))
    seeds = Path(Paths(str(data)).seeds())
    (seeds / "17.new" / "db-1").mkdir(parents=True)
    (seeds / "17.new" / "lock").touch()
    (seeds / "18.new").mkdir()

    stack_of(server("web"))

    until(lambda: not list(seeds.iterdir()))


def test_a_killed_guardian_is_replaced_by_one_with_all_records(stack_of, data) -> None:
    stack = stack_of(server("web"))
    first = guardian_pid(stack)

    kill(first)
    until(lambda: any(event.event == "guardian-died" for event in journal_events(data)))
    kill(stack.status().pid)  # the supervisor answers when the new guardian has the records

    until(lambda: not alive(data))


def test_a_stopped_guardian_does_not_delay_the_end_of_a_stack(stack_of, data) -> None:
    stack = stack_of(server("web"))
    guardian = guardian_pid(stack)
    os.kill(guardian, signal.SIGSTOP)

    proof = stack.finish()

    assert proof is not None
    assert proof.clean
    assert not processes.started(guardian)


@pytest.mark.skipif(sys.platform != "linux", reason="tested only on Linux")
def test_a_stopped_guardian_continues_when_its_supervisor_is_killed(stack_of, data) -> None:
    stack = stack_of(server("web", "--ignore-term"))
    guardian = guardian_pid(stack)
    os.kill(guardian, signal.SIGSTOP)
    # The kernel wakes only what has stopped already when the supervisor exits.
    until(lambda: processes.look(guardian).state in processes.STOPPED)

    kill(supervisor_pid(stack))

    until(lambda: not alive(data))
    until(lambda: not Path(Paths(str(data)).run).exists())


def test_a_supervisor_kills_the_processes_that_a_killed_supervisor_and_guardian_left(stack_of, data) -> None:
    stack = stack_of(server("web", "--ignore-term"))
    [remaining] = spawned(data)
    supervisor, guardian = supervisor_pid(stack), guardian_pid(stack)
    os.kill(supervisor, signal.SIGSTOP)  # it must not replace its guardian
    kill(guardian)
    kill(supervisor)
    until(lambda: processes.look(supervisor) is None or processes.look(supervisor).state == "Z")
    assert processes.look(remaining) is not None

    stack_of(server("web"))

    assert any(event.event == "reconciled" and event.pids == (remaining,) for event in journal_events(data))
    until(lambda: processes.look(remaining) is None)


def test_a_reused_pid_in_an_old_journal_is_not_killed(stack_of, data, sleeper) -> None:
    stack_of(server("web")).close()
    journal = data / "events.jsonl"
    text = journal.read_text().replace('"down"', '"ignored"')
    for pid in spawned(data):
        text = text.replace(f'"pid":{pid},', f'"pid":{sleeper.pid},').replace('"exited"', '"ignored"')
    journal.write_text(text)

    stack_of(server("web"))

    assert sleeper.poll() is None


def test_a_client_that_is_killed_loses_its_lease(data) -> None:
    code = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[2]); "
        "from fakes.stacks import resolved, server; "
        "from infra_runtime.engines.local.engine import LocalEngine; "
        "found = resolved(Path(sys.argv[1]), [server('web')]); "
        "stack = LocalEngine().open(found); stack.up(found); "
        "print('up', flush=True); time.sleep(600)"
    )
    tests = Path(__file__).parents[2]
    client = subprocess.Popen([sys.executable, "-c", code, str(data), str(tests)], stdout=subprocess.PIPE)
    with client:
        assert client.stdout.readline() == b"up\n"

        client.kill()

    until(lambda: not alive(data))
    until(lambda: journal_events(data)[-1].event == "down" and not journal_events(data)[-1].left)


# --- clients ---------------------------------------------------------------------------------------


def test_two_clients_that_start_at_the_same_moment_get_one_supervisor(data) -> None:
    plan = resolved(data, [server("web")])
    stacks, errors = [], []

    def start() -> None:
        try:
            stack = LocalEngine().open(plan)
            stack.up(plan)
            stacks.append(stack)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert len({stack.status().pid for stack in stacks}) == 1
    assert len({stack.web.port for stack in stacks}) == 1
    for stack in stacks:
        stack.close()


def test_another_spec_for_a_running_service_is_rejected_with_the_changed_fields(stack_of) -> None:
    stack_of(server("web"))

    with pytest.raises(PlanChangedError, match="changed: command"):
        stack_of(server("web", "--ignore-term"))


def test_the_spec_of_a_stopped_service_can_be_replaced(stack_of) -> None:
    stack = stack_of(server("web"))
    stack.stop("web")

    stack_of(server("web", "--ignore-term", stop=(StopStep(seconds=0.05),)))

    connect(stack.web.port)


def test_the_error_for_an_unknown_service_suggests_a_similar_name(stack_of) -> None:
    stack = stack_of(server("web"))

    with pytest.raises(UnknownServiceError, match="this stack has no service 'wbe'; did you mean 'web'"):
        stack.restart("wbe")


def test_a_service_can_be_stopped_and_started(stack_of) -> None:
    stack = stack_of(server("web"))
    port = stack.web.port

    stack.stop("web")
    with pytest.raises(OSError, match="refused"):
        connect(port)

    stack.start("web")
    connect(stack.web.port)


def test_a_service_stays_stopped_after_kill_and_starts_again_on_its_port(stack_of) -> None:
    stack = stack_of(server("web", "--ignore-term"))
    port = stack.web.port

    stack.kill("web")
    with pytest.raises(OSError, match="refused"):
        connect(port)

    stack.start("web")
    connect(stack.web.port)


def test_a_paused_service_can_be_resumed_and_stopped(stack_of, data) -> None:
    stack = stack_of(server("web"))
    [pid] = spawned(data)

    stack.pause("web")
    assert processes.look(pid).state == "T"
    assert stack.status().services[0].phase == "paused"
    stack.resume("web")
    assert processes.look(pid).state != "T"
    connect(stack.web.port)
    stack.pause("web")

    stack.stop("web")
    [end] = [event.status for event in journal_events(data) if event.event == "exited"]
    assert end == -signal.SIGTERM  # the service handled its first stop signal


def test_a_starting_service_is_paused_when_it_is_ready(stack_of, tmp_path) -> None:
    gate = tmp_path / "gate"
    stack = stack_of(server("web"))
    stack.up(resolved(stack.data, [server("late", "--wait-for", str(gate))]), wait=False)
    until(lambda: Path(f"{gate}.port").exists())

    for number, method in enumerate(("pause", "status")):
        request = {"id": f"{number}", "method": method, "params": {"services": ["late"]}}
        stack._client._connection.send(request, 60)
    assert stack._client._connection.receive()["id"] == "1"  # the pause request was read before
    gate.touch()

    assert stack._client._connection.receive()["result"]["services"][0]["phase"] == "paused"
    stack.resume("late")
    connect(stack.late.port)


def test_a_pause_of_a_starting_service_ends_with_its_client(stack_of, tmp_path) -> None:
    gate = tmp_path / "gate"
    stack = stack_of(server("web"))
    stack.up(resolved(stack.data, [server("late", "--wait-for", str(gate))]), wait=False)
    until(lambda: Path(f"{gate}.port").exists())
    with attach(stack.data) as dying:
        request = {"id": "0", "method": "pause", "params": {"services": ["late"]}}
        dying._client._connection.send(request, 60)
        dying.status()  # the pause request was read before
    until(lambda: stack.status().leases == 1)

    gate.touch()
    until(lambda: [it for it in journal_events(stack.data) if it.event == "resumed"])

    connect(stack.late.port)
    assert stack.status().services[1].phase == "ready"


def test_a_crash_of_a_service_that_does_not_run_returns_at_once(stack_of, data) -> None:
    stack = stack_of(server("web"), ServiceSpec(name="task", command=("true",), task=True))
    stack.stop("web")

    stack.crash("task", wait=True)
    with pytest.raises(StartError, match="web: was stopped"):
        stack.crash("web", wait=True)


def test_a_requested_crash_restarts_the_service(stack_of, data) -> None:
    stack = stack_of(server("web"))

    stack.crash("web")

    until(lambda: len(spawned(data)) == 2 and stack.status().services[0].ready)


# --- every request is answered ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "arguments", "options"),
    [
        ("stop", (5,), {}),
        ("stop", (None,), {}),
        ("start", (["web"],), {}),
        ("restart", (b"web",), {}),
        ("kill", ({},), {}),
        ("pause", (True,), {}),
        ("resume", (1.5,), {}),
        ("crash", ("web",), {"signal": "TERM"}),
        ("wait", ("web",), {"timeout": float("nan")}),
        ("wait", ("web",), {"timeout": "long"}),
        ("snapshot", (7,), {}),
        ("restore", (None,), {}),
        ("stay", (), {"seconds": float("nan")}),
    ],
    ids=str,
)  # fmt: skip
def test_an_argument_of_a_wrong_type_is_an_error_that_names_it(stack_of, method, arguments, options) -> None:
    stack = stack_of(server("web"))

    with pytest.raises((SupervisorError, TypeError), match=r"must be|not JSON serializable"):
        getattr(stack, method)(*arguments, **options)

    assert stack.status().services["web"].ready


@pytest.mark.parametrize("number", [0, -1, 4711, 2**70])
def test_a_signal_that_does_not_exist_is_an_error(stack_of, number) -> None:
    stack = stack_of(server("web"))

    with pytest.raises(ConfigurationError, match=f"signal {number} does not exist"):
        stack.crash("web", signal=number, wait=True)


def test_a_crash_by_a_signal_that_the_service_ignores_ends_after_the_time_of_its_stop_steps(
    stack_of,
) -> None:
    stack = stack_of(server("web", stop=(StopStep(signal=signal.SIGTERM, seconds=0.1),)))

    with pytest.raises(
        WaitTimeoutError, match=r"not ready after 5\.1 s: web: its process \d+ did not exit after signal"
    ):
        stack.crash("web", signal=signal.SIGURG, wait=True)

    assert stack.status().services["web"].ready
