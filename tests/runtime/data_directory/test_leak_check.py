"""The proof: whatever is left is named, and nothing of a stranger's is."""

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
from infra_runtime.data_directory.leak_check import Proof, last_life, prove
from infra_runtime.data_directory.paths import Places
from infra_runtime.host import processes

#: of this test process alone: others run at the same time
TOKEN = uuid.uuid4().hex


class Clock:
    """A time that passes when it is told to."""

    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "data").mkdir()
    return Places(str(tmp_path / "data"), environ={"INFRA_RUNTIME_DIR": str(tmp_path / "run")})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(places: Places, clock: Clock) -> Iterator[Journal]:
    """The journal of a life that has begun."""
    found = Journal(places.journal, now=clock)
    found.write("up", token=TOKEN)
    yield found
    found.close()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


def spawned(journal: Journal, service: str, pid: int = 0, *ports: int) -> None:
    named = {f"port{number}": port for number, port in enumerate(ports)}
    journal.write("spawned", service, pid=pid, started=processes.started(pid), ports=named)


def test_a_stack_that_left_nothing_is_clean(places, journal, clock) -> None:
    spawned(journal, "db")
    clock.time = 1000.25
    journal.write("ready", "db")

    proof = prove(places)

    assert proof.clean
    assert str(proof) == "1 service, ready in 0.25 s; 0 processes, 0 ports, 0 sockets left"


def test_readiness_is_the_first_one_of_the_last_service(places, journal, clock) -> None:
    for service, seconds in (("db", 0.25), ("web", 0.5), ("db", 60.0)):
        spawned(journal, service)
        clock.time = 1000.0 + seconds
        journal.write("ready", service)

    assert prove(places).ready_seconds == 0.5


def test_a_service_that_is_asked_for_late_has_kept_nobody_waiting_before(places, journal, clock) -> None:
    for service, began, ended in (("db", 0.0, 0.25), ("web", 60.0, 60.5)):
        clock.time = 1000.0 + began
        journal.write("preparing", service)
        clock.time = 1000.0 + ended
        spawned(journal, service)
        journal.write("ready", service)

    assert prove(places).ready_seconds == 0.75


def test_a_copy_of_a_service_is_no_service_more(places, journal, clock, sleeper) -> None:
    spawned(journal, "db")
    journal.write("ready", "db")
    clock.time = 1060.0
    started = processes.started(sleeper.pid)
    journal.write("spawned", "db-1", pid=sleeper.pid, started=started, ports={}, copy_of="db")
    clock.time = 1061.0
    journal.write("ready", "db-1")

    proof = prove(places)

    assert str(proof).startswith("1 service, ready in 0.00 s; 1 process,")


def test_what_was_never_ready_is_told_so(places, journal) -> None:
    spawned(journal, "db")

    assert str(prove(places)).startswith("1 service, never ready; ")


def test_what_was_never_ready_beside_others_is_named(places, journal) -> None:
    for service, outcome in (("db", "ready"), ("migrate", "done"), ("web", "failed")):
        spawned(journal, service)
        journal.write(outcome, service)

    proof = prove(places)

    assert str(proof).startswith("3 services, ready in 0.00 s but for web; 0 processes")
    assert proof.never_ready == ("web",)


def test_a_process_that_is_left_is_named(places, journal, sleeper) -> None:
    spawned(journal, "db", sleeper.pid)

    proof = prove(places)

    assert not proof.clean
    assert proof.processes == (f"process {sleeper.pid}",)
    assert f"1 process, 0 ports, 0 sockets left (process {sleeper.pid})" in str(proof)


def test_a_process_that_forked_away_is_found_by_its_token(places, journal) -> None:
    environ = {**os.environ, processes.TOKEN: TOKEN}
    with subprocess.Popen(["sleep", "60"], start_new_session=True, env=environ) as stray:
        until(lambda: processes.bears(stray.pid, TOKEN))
        proof = prove(places)
        stray.kill()

    assert proof.processes == (f"process {stray.pid}",)


def test_a_pid_that_is_a_strangers_now_is_no_leftover(places, journal, sleeper) -> None:
    journal.write("spawned", "db", pid=sleeper.pid, started="long ago", ports={})

    assert prove(places).clean


def test_a_port_that_is_still_held_is_named_with_its_holder(places, journal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        spawned(journal, "db", 0, port)

        proof = prove(places)

    assert not proof.clean
    assert proof.ports[0].startswith(f"port {port}, held by pid {os.getpid()} (")


def test_a_socket_that_is_left_is_named(places, journal) -> None:
    folder = Path(places.service_run("db"))
    folder.mkdir(parents=True)
    (folder / ".s.PGSQL.5432").touch()

    proof = prove(places)

    assert not proof.clean
    assert proof.sockets == (str(folder), f"{folder}/.s.PGSQL.5432")


def test_only_the_last_life_is_looked_at(places, journal, sleeper) -> None:
    spawned(journal, "old", sleeper.pid)
    journal.write("up", token="of-the-next-life")
    spawned(journal, "db")

    proof = prove(places)

    assert proof.services == 1
    assert proof.processes == ()


@pytest.mark.parametrize(("environment", "left"), [("test", True), ("development", False)])
def test_data_is_left_over_where_it_should_have_gone_with_the_stack(
    places, journal, environment: str, left: bool
) -> None:
    journal.write("up", token=TOKEN, environment=environment)
    Path(places.services, "db").mkdir(parents=True)

    proof = prove(places)

    assert proof.folders == ((places.services,) if left else ())
    assert proof.clean is not left
    assert ("1 folder left" in str(proof)) is left


def test_where_nothing_ever_ran_nothing_is_left(tmp_path) -> None:
    proof = prove(Places(str(tmp_path), environ={"INFRA_RUNTIME_DIR": str(tmp_path / "run")}))

    assert proof.clean
    assert proof.services == 0


def test_a_life_begins_with_its_supervisor() -> None:
    assert last_life([{"event": "ready"}]) == []
    assert last_life([{"event": "up", "n": 1}, {"event": "up", "n": 2}, {"event": "down"}])[0]["n"] == 2


def test_a_proof_is_plain_data_too() -> None:
    proof = Proof(services=1, ready_seconds=None, processes=("process 1",), ports=(), sockets=())

    assert json.loads(json.dumps(proof.to_json()))["clean"] is False
