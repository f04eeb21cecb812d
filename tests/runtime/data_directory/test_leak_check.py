"""The leak check reports what a stack has left, and ignores foreign processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.stacks import until
from infra_runtime.data_directory.journal import Journal
from infra_runtime.data_directory.leak_check import LeakCheck, check_leaks
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import processes

#: unique to this test process, because others run at the same time
TOKEN = uuid.uuid4().hex


class Clock:
    """A clock whose time changes only when the test changes it."""

    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "data").mkdir()
    return Paths(str(tmp_path / "data"), environ={"INFRA_RUNTIME_DIR": str(tmp_path / "run")})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(paths: Paths, clock: Clock) -> Iterator[Journal]:
    """Yield the journal of a run that has started."""
    journal = Journal(paths.journal, now=clock)
    journal.write("up", token=TOKEN)
    yield journal
    journal.close()


def spawned(journal: Journal, service: str, pid: int = 0, *ports: int) -> None:
    named = {f"port{number}": port for number, port in enumerate(ports)}
    journal.write("spawned", service, pid=pid, started=processes.started(pid), ports=named)


def test_a_stack_without_remaining_processes_and_files_is_clean(paths, journal, clock) -> None:
    spawned(journal, "db")
    clock.time = 1000.25
    journal.write("ready", "db")

    proof = check_leaks(paths)

    assert proof.clean
    assert str(proof) == "1 service, ready in 0.25 s; 0 processes, 0 ports, 0 sockets left"


def test_the_first_readiness_of_the_last_service_counts(paths, journal, clock) -> None:
    for service, seconds in (("db", 0.25), ("web", 0.5), ("db", 60.0)):
        spawned(journal, service)
        clock.time = 1000.0 + seconds
        journal.write("ready", service)

    assert check_leaks(paths).ready_seconds == 0.5


def test_the_time_between_two_starts_does_not_count(paths, journal, clock) -> None:
    for service, began, ended in (("db", 0.0, 0.25), ("web", 60.0, 60.5)):
        clock.time = 1000.0 + began
        journal.write("preparing", service)
        clock.time = 1000.0 + ended
        spawned(journal, service)
        journal.write("ready", service)

    assert check_leaks(paths).ready_seconds == 0.75


def test_copies_are_not_counted_as_services(paths, journal, clock, sleeper) -> None:
    spawned(journal, "db")
    journal.write("ready", "db")
    clock.time = 1060.0
    started = processes.started(sleeper.pid)
    journal.write("spawned", "db-1", pid=sleeper.pid, started=started, ports={}, copy_of="db")
    clock.time = 1061.0
    journal.write("ready", "db-1")

    proof = check_leaks(paths)

    assert str(proof).startswith("1 service, ready in 0.00 s; 1 process,")


def test_a_service_that_never_got_a_connection_is_counted(paths, journal) -> None:
    """It starts at its first connection, so it is ready without a process."""
    spawned(journal, "db")
    for service in ("db", "telemetry"):
        journal.write("ready", service)

    assert check_leaks(paths).services == 2


def test_a_stack_that_was_never_ready_is_reported(paths, journal) -> None:
    spawned(journal, "db")

    assert str(check_leaks(paths)).startswith("1 service, never ready; ")


def test_services_that_were_never_ready_are_named(paths, journal) -> None:
    for service, outcome in (("db", "ready"), ("migrate", "done"), ("web", "failed")):
        spawned(journal, service)
        journal.write(outcome, service)

    proof = check_leaks(paths)

    assert str(proof).startswith("3 services, ready in 0.00 s except web; 0 processes")
    assert proof.never_ready == ("web",)


def test_a_remaining_process_is_named(paths, journal, sleeper) -> None:
    spawned(journal, "db", sleeper.pid)

    proof = check_leaks(paths)

    assert not proof.clean
    assert proof.processes == (f"process {sleeper.pid}",)
    assert f"1 process, 0 ports, 0 sockets left (process {sleeper.pid})" in str(proof)


def test_a_remaining_process_that_no_service_has_taken_over_is_named(paths, journal, sleeper) -> None:
    started = processes.started(sleeper.pid)
    journal.write("early-start", "db", pid=sleeper.pid, started=started)

    assert check_leaks(paths).processes == (f"process {sleeper.pid}",)


@pytest.mark.process
def test_a_process_in_another_session_is_found_by_its_token(paths, journal) -> None:
    environ = {**os.environ, processes.TOKEN: TOKEN}
    with subprocess.Popen(["sleep", "60"], start_new_session=True, env=environ) as stray:
        until(lambda: processes.has_token(stray.pid, TOKEN))
        proof = check_leaks(paths)
        stray.kill()

    assert proof.processes == (f"process {stray.pid}",)


def test_a_reused_pid_is_not_reported(paths, journal, sleeper) -> None:
    journal.write("spawned", "db", pid=sleeper.pid, started="long ago", ports={})

    assert check_leaks(paths).clean


@pytest.mark.process
def test_a_port_that_is_still_held_is_named_with_its_holder(paths, journal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        spawned(journal, "db", 0, port)

        proof = check_leaks(paths)

    assert not proof.clean
    assert proof.ports[0].startswith(f"port {port}, held by pid {os.getpid()} (")


def test_a_remaining_socket_is_named(paths, journal) -> None:
    folder = Path(paths.service_run("db"))
    folder.mkdir(parents=True)
    (folder / ".s.PGSQL.5432").touch()

    proof = check_leaks(paths)

    assert not proof.clean
    assert proof.sockets == (str(folder), f"{folder}/.s.PGSQL.5432")


def test_only_the_last_run_is_checked(paths, journal, sleeper) -> None:
    spawned(journal, "old", sleeper.pid)
    journal.write("up", token="of-the-next-run")
    spawned(journal, "db")

    proof = check_leaks(paths)

    assert proof.services == 1
    assert proof.processes == ()


def test_a_link_in_place_of_the_folder_of_sockets_is_reported_without_the_files_behind_it(
    paths, journal, tmp_path
) -> None:
    journal.write("up", token=TOKEN)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    Path(paths.run).parent.mkdir(parents=True)
    Path(paths.run).symlink_to(tmp_path / "elsewhere")

    proof = check_leaks(paths)

    assert proof.sockets == (paths.run,)


@pytest.mark.parametrize(("environment", "left"), [("test", True), ("development", False)])
def test_remaining_data_is_reported_in_the_test_environment_only(
    paths, journal, environment: str, left: bool
) -> None:
    journal.write("up", token=TOKEN, environment=environment)
    Path(paths.services, "db").mkdir(parents=True)

    proof = check_leaks(paths)

    assert proof.folders == ((paths.services,) if left else ())
    assert proof.clean is not left
    assert ("1 folder left" in str(proof)) is left


def test_a_directory_without_a_journal_is_clean(tmp_path) -> None:
    proof = check_leaks(Paths(str(tmp_path), environ={"INFRA_RUNTIME_DIR": str(tmp_path / "run")}))

    assert proof.clean
    assert proof.services == 0


def test_the_result_can_be_converted_to_json() -> None:
    proof = LeakCheck(services=1, ready_seconds=None, processes=("process 1",), ports=(), sockets=())

    assert json.loads(json.dumps(proof.to_json()))["clean"] is False
