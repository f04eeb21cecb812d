"""The table of the control socket: every method of the contract has its handler."""

from __future__ import annotations

import asyncio

import pytest

from infra_runtime import messages
from infra_runtime.message import MessageError
from infra_runtime.messages import STOP, Method, Names, Outcome, Services
from infra_runtime.spec import Run, Seed, ServiceSpec
from infra_runtime.supervisor import rpc
from infra_runtime.supervisor.control import Connection
from infra_runtime.supervisor.rpc import Methods, typed


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
