"""The table of the control socket: every method of the contract has its handler."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra_runtime import messages
from infra_runtime.errors import PlanChangedError, SupervisorError
from infra_runtime.message import MessageError
from infra_runtime.messages import STOP, Method, Names, Outcome, Services, Up
from infra_runtime.spec import Run, Seed, ServiceSpec
from infra_runtime.supervisor import rpc
from infra_runtime.supervisor.control import Connection
from infra_runtime.supervisor.rpc import Methods, typed
from infra_runtime.supervisor.state import RESTING, Phase


def test_every_method_of_the_contract_has_a_handler() -> None:
    names = {value.name for value in vars(messages).values() if isinstance(value, Method)}

    async def table() -> set[str]:
        return set(Methods(supervisor=None, launcher=0).table())  # type: ignore[arg-type]  # no handler is called

    assert asyncio.run(table()) == names


def test_a_handler_gets_typed_parameters_and_its_answer_becomes_json() -> None:
    received = []

    async def stop(_connection: Connection, params: Names) -> Outcome:
        received.append(params)
        return Outcome(services=Services())

    answer = asyncio.run(typed(STOP, stop)(None, {"services": ["web"]}))

    assert received == [Names(services=("web",))]
    assert answer == {"services": [], "failures": []}


def test_parameters_of_another_shape_never_reach_the_handler() -> None:
    async def stop(_connection: Connection, _params: Names) -> Outcome:
        raise AssertionError

    with pytest.raises(MessageError, match="services: must be a list, not 'web'"):
        asyncio.run(typed(STOP, stop)(None, {"services": "web"}))


def test_the_services_with_the_longest_preparation_start_first() -> None:
    build = Run(command=("build",))
    specs = [
        ServiceSpec(name="plain", command=("serve",)),
        ServiceSpec(name="copied", command=("serve",), prepare=(Seed(into="${data}", steps=(build,)),)),
        ServiceSpec(name="built", command=("serve",), prepare=(Seed(into="${data}", steps=(build,)), build)),
    ]

    assert [spec.name for spec in sorted(specs, key=rpc._preparation)] == ["built", "plain", "copied"]


class FakeSupervisor:
    """A supervisor with one service; it records which services are added."""

    environment, token = "test", ""
    paths = SimpleNamespace(logs="logs", data="data")

    def __init__(self, spec: ServiceSpec, phase: Phase) -> None:
        self.machine = SimpleNamespace(services={spec.name: SimpleNamespace(spec=spec, phase=phase)})
        self.added = list[ServiceSpec]()

    def check_files(self, _services: object) -> None: ...

    def add(self, spec: ServiceSpec, _scope: object) -> None:
        self.added.append(spec)


SERVE = ServiceSpec(name="web", command=("serve",))
CHANGED = ServiceSpec(name="web", command=("serve", "--quickly"))


def added(monkeypatch: pytest.MonkeyPatch, phase: Phase, *services: ServiceSpec) -> list[str]:
    """Request these services while `web` has the phase; return the added commands."""

    async def start(_methods: Methods, _wanted: object, *, wait: bool) -> Outcome:
        return Outcome(services=Services())

    async def request() -> list[str]:
        supervisor: Any = FakeSupervisor(SERVE, phase)
        up = Up(services=services, root="", binaries={}, variables={})
        await Methods(supervisor, launcher=0).up(cast("Connection", None), up)
        return [" ".join(spec.command) for spec in supervisor.added]

    monkeypatch.setattr(Methods, "_start", start)
    return asyncio.run(request())


@pytest.mark.parametrize("phase", Phase)
def test_a_service_with_an_unchanged_spec_is_kept_in_every_phase(
    monkeypatch: pytest.MonkeyPatch, phase: Phase
) -> None:
    assert added(monkeypatch, phase, SERVE) == []


@pytest.mark.parametrize("phase", Phase)
def test_the_spec_of_a_service_can_change_while_it_does_not_run(
    monkeypatch: pytest.MonkeyPatch, phase: Phase
) -> None:
    if phase in RESTING:
        assert added(monkeypatch, phase, CHANGED) == ["serve --quickly"]
    else:
        with pytest.raises(PlanChangedError, match="changed: command"):
            added(monkeypatch, phase, CHANGED)


def test_a_new_service_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    assert added(monkeypatch, Phase.READY, SERVE, ServiceSpec(name="job", command=("run",))) == ["run"]


def test_a_start_during_which_the_stack_is_stopped_is_an_error() -> None:
    async def request() -> list[list[str]]:
        settled = list[list[str]]()

        async def settle(names: list[str]) -> None:
            settled.append(names)
            methods._down = asyncio.create_task(asyncio.sleep(0, []))  # the request of another client

        supervisor: Any = SimpleNamespace(settle=settle)
        methods = Methods(supervisor, launcher=0)
        with pytest.raises(SupervisorError, match="the stack is stopping"):
            await methods._settle(["web"])
        return settled

    assert asyncio.run(request()) == [["web"]]
