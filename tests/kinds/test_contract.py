"""The contract of all kinds, tested against real servers: `pytest tests/kinds -k valkey` runs one kind."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import infra_runtime as infra
from fakes.engine import spec_of
from fakes.stacks import until
from fakes.suite import free_port
from infra_runtime.engines.local.stack import Stack
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import KINDS
from infra_runtime.spec import Run, Seed, references
from infra_runtime.supervisor import probes
from kinds import contract, resources, user_suite
from kinds.distribution import DISTRIBUTIONS, installed

#: the name of the second instance
SECOND = "second"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each clause for each kind; a clause with an exception must fail.

    Clauses about written data do not run for kinds without state.
    """
    clause = metafunc.function.__name__
    if "kind" not in metafunc.fixturenames:
        return
    marked = []
    for kind in (*KINDS, *DISTRIBUTIONS):
        if kind in contract.STATELESS and clause in contract.ABOUT_DATA:
            continue
        marks = [pytest.mark.real(kind)] if kind in KINDS else []
        if reason := contract.EXCEPTIONS.get(kind, {}).get(clause):
            marks.append(
                pytest.mark.xfail(raises=(AssertionError, ConfigurationError), strict=True, reason=reason)
            )
        marked.append(pytest.param(kind, marks=marks, id=kind))
    for variant, (kind, settings) in contract.VARIANTS.items():
        if clause in contract.OF_VARIANTS:
            marked.append(pytest.param(variant, marks=[pytest.mark.real(kind, **settings)], id=variant))
    metafunc.parametrize("kind", marked, indirect=True, scope="module")


def test_an_exception_names_a_kind_and_a_clause() -> None:
    for kind, clauses in contract.EXCEPTIONS.items():
        assert kind in (*KINDS, *DISTRIBUTIONS)
        assert clauses.keys() <= globals().keys()


def test_a_kind_without_state_and_a_clause_about_data_exist() -> None:
    assert KINDS.keys() >= contract.STATELESS
    assert globals().keys() >= contract.ABOUT_DATA | contract.OF_VARIANTS


# --- functions that several tests use --------------------------------------------------------------


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kind, in an environment without variables of ours; one of another distribution is installed."""
    kind, settings = contract.VARIANTS.get(request.param, (request.param, {}))
    with installed(kind, tmp_path_factory.mktemp("site")), pytest.MonkeyPatch.context() as patch:
        patch.setitem(contract.settings, kind, settings)
        yield kind


@contextmanager
def started(kind: str, folder: Path, environment: str, *further: str) -> Iterator[Stack]:
    """Start instances of the kind; when all are ready, write to each instance, without a second attempt."""
    names = (kind, *further)
    tables = "".join(contract.table(name, kind) for name in names)
    (folder / "infra.toml").write_text(f"use = {list(names)}\n{tables}", encoding="utf-8")
    kinds = {**dict.fromkeys(names, kind), **{name: name for name in spec_of(kind).all_needs()}}
    ports = {name: {port: free_port() for port in spec_of(of).ports} for name, of in kinds.items()}
    with infra.start(
        directory=folder,
        environment=environment,
        data=folder / "data",
        overrides={"services": {name: {"ports": numbers} for name, numbers in ports.items()}},
    ) as stack:
        for name in names:
            contract.write(kind, stack[name], name, "written when ready")
        yield stack


@pytest.fixture(scope="module")
def stack(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the test environment with two instances, which the clauses share."""
    with started(kind, tmp_path_factory.mktemp(kind), "test", SECOND) as stack:
        yield stack


@pytest.fixture(scope="module")
def development(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the environment `development` with one instance; the last clause kills its supervisor."""
    with started(kind, tmp_path_factory.mktemp(f"{kind}-development"), "development") as stack:
        yield stack


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The result of a suite: its output, and the notes of its two tests."""

    suite: user_suite.Suite
    output: str
    notes: tuple[dict[str, Any], ...]


@pytest.fixture(scope="module")
def failed(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Two workers of xdist whose tests write at the same time and then fail."""
    suite = user_suite.suite_of(kind, tmp_path_factory.mktemp(f"{kind}-failed"), user_suite.FAILING)
    output = suite.run("-n2", "-l", "-rA")
    assert "2 failed" in output, output
    return Finished(suite=suite, output=output, notes=(suite.note(0), suite.note(1)))


# --- ready -----------------------------------------------------------------------------------------


def test_the_first_request_after_ready_succeeds(kind: str, stack: Stack) -> None:
    value = contract.read(kind, stack[kind], kind)

    assert value == "written when ready" or (value is None and kind in contract.STATELESS)


def test_two_instances_have_different_ports_and_data(kind: str, stack: Stack) -> None:
    first, second = stack[kind], stack[SECOND]

    assert not set(first.ports.values()) & set(second.ports.values())
    assert first.data != second.data
    if kind not in contract.STATELESS:
        assert contract.read(kind, second, SECOND) == "written when ready"
    assert (contract.read(kind, first, SECOND), contract.read(kind, second, kind)) == (None, None)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pass


async def _echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)


@pytest.mark.parametrize("behaviour", [_silent, _closing, _echoing], ids=["silent", "closing", "echoing"])
def test_a_program_that_only_opens_the_port_is_not_ready(
    kind: str, behaviour: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PATIENCE", 0.2)
    spec = spec_of(kind)
    assert spec.ready is not None

    async def ask() -> str | None:
        served: list[asyncio.Task[None]] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(asyncio.current_task())
            await behaviour(reader, writer)
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(serve, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            reason = await probes.ask(
                spec.ready, "127.0.0.1", dict.fromkeys(spec.ports, port), _no_command, str(tmp_path)
            )
            await asyncio.gather(*served, return_exceptions=True)
        return reason

    reason = asyncio.run(ask())

    assert reason


async def _no_command(command: tuple[str, ...]) -> int:
    raise AssertionError(f"the probe runs {command}, which says nothing about the port")


# --- the machine -----------------------------------------------------------------------------------


def test_the_service_listens_and_connects_on_loopback_only(kind: str, stack: Stack) -> None:
    contract.write(kind, stack[kind], "loopback", "1")

    connections: list[Any] = []

    def only_tcp() -> bool:
        connections.clear()
        for process in resources.processes(stack.data):
            with suppress(psutil.NoSuchProcess):  # such as the process of a closed connection
                connections.extend(process.net_connections("inet"))
        return all(it.type == socket.SOCK_STREAM for it in connections)

    until(only_tcp)  # Erlang opens a UDP socket for a moment to list the network interfaces

    listening = {it.laddr.port for it in connections if it.status == psutil.CONN_LISTEN}
    assert {port for endpoint in stack.endpoints().values() for port in endpoint.ports.values()} == listening
    assert [
        it for it in connections for end in (it.laddr, it.raddr) if end and not _is_loopback(end.ip)
    ] == []


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback


# --- data ------------------------------------------------------------------------------------------


def test_data_of_development_survives_a_kill(kind: str, development: Stack) -> None:
    service = contract.subject(kind)
    service.write(development[kind], "name", "kept")
    contract.settle(kind, development[kind])

    development.crash(kind, wait=True)

    assert service.read(development[kind], "name") == "kept"


def test_a_snapshot_brings_the_state_back(kind: str, stack: Stack) -> None:
    service = contract.subject(kind)
    service.write(stack[kind], "name", "before")
    stack.snapshot()
    service.write(stack[kind], "name", "after")

    stack.restore()

    assert service.read(stack[kind], "name") == "before"


# --- tests -----------------------------------------------------------------------------------------


def test_two_workers_write_the_same_name_and_read_their_own(failed: Finished) -> None:
    assert {it["worker"] for it in failed.notes} == {"gw0", "gw1"}
    assert [it["before"] for it in failed.notes] == [None, None]
    assert [it["read"] for it in failed.notes] == [user_suite.value(0), user_suite.value(1)]


def test_a_failed_test_has_a_readable_dump_of_its_unit(failed: Finished) -> None:
    for number, note in enumerate(failed.notes):
        (capsule,) = (failed.suite.data / "capsules").glob(f"*test_unit?{number}?")
        dumps = contract.files(capsule / "dumps")
        assert [path for path, text in dumps.items() if user_suite.value(number) in text]
        assert note["read"] == user_suite.value(number)


# --- secrets ---------------------------------------------------------------------------------------


def test_no_command_line_has_a_secret(kind: str, stack: Stack) -> None:
    spec = spec_of(kind)
    steps = [inner for step in spec.prepare for inner in (step.steps if isinstance(step, Seed) else (step,))]
    commands = [spec.command, *(step.command for step in steps if isinstance(step, Run))]
    running = {}
    for process in resources.processes(stack.data):
        with suppress(psutil.NoSuchProcess):
            running[str(process)] = "\0".join(process.cmdline())

    assert contract.disclosures(contract.secrets(stack.data, stack[kind], stack[SECOND]), running) == []
    assert [
        word
        for command in commands
        for word in command
        for it in references(word)
        if it.startswith("secret.")
    ] == []


def test_neither_logs_nor_reports_have_a_secret(failed: Finished) -> None:
    secrets = {secret for note in failed.notes for secret in note["secrets"]}

    texts = {"the output": failed.output, **contract.files(failed.suite.data)}

    assert [path for path in texts if path.endswith("capsule.json")]
    assert contract.disclosures(secrets, texts) == []


# --- nothing is left -------------------------------------------------------------------------------


def _sorts(names: list[str]) -> set[str]:
    return {name.partition(" ")[0] for name in names}


def test_nothing_is_left_when_the_supervisor_is_killed(development: Stack) -> None:
    before = resources.resources(development.data)
    assert _sorts(before.left()) >= {"process", "socket", "folder"}

    os.kill(resources.supervisor(development.data), signal.SIGKILL)
    development.close()

    until(lambda: not before.left(), contract.PATIENCE)


def test_nothing_is_left_when_the_run_is_killed(kind: str, tmp_path: Path) -> None:
    suite = user_suite.suite_of(kind, tmp_path, user_suite.WAITING)
    with suite.running() as run:
        noted = tmp_path / user_suite.NOTE.format(number=0)
        until(lambda: run.poll() is not None or noted.exists(), contract.PATIENCE)
        assert noted.exists(), (tmp_path / "output").read_text(encoding="utf-8")
        before = resources.resources(suite.data)
        assert _sorts(before.left()) >= {"process", "socket", "folder"}

    until(lambda: not before.left(), contract.PATIENCE)
