"""Roles: references become values of the image, or variables that are set when the image runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra_runtime.errors import ConfigurationError, UnknownServiceError
from infra_runtime.images.roles import own_services, role_of
from infra_runtime.plan import Plan, make_plan
from infra_runtime.services.user_service import UserServiceSettings, user_service
from infra_runtime.spec import ServiceSpec

PYTHON = "/usr/bin/python3.11"


def service(name: str = "api", **keys: Any) -> ServiceSpec:
    return replace(user_service(UserServiceSettings(**keys)), name=name)


def test_the_command_gets_the_values_of_the_image() -> None:
    spec = service(
        command=["${bin.python}", "-m", "shop", "--bind", "${host}:${port.http}", "--files", "${data}/files"],
        ports={"http": 8000},
        ready={"http": "/health"},
        cwd="src",
        start_timeout=7,
        stop={"signal": "SIGINT"},
    )
    role = role_of(spec, PYTHON)

    assert role.command == (PYTHON, "-m", "shop", "--bind", "0.0.0.0:8000", "--files", "/data/files")
    assert role.folder == "/app/src"
    assert (role.ports, role.has_data, role.stop_signal, role.start_timeout) == ((8000,), True, "SIGINT", 7)
    assert role.health[:2] == (PYTHON, "-c")
    assert "http://127.0.0.1:8000/health" in role.health[2]


def test_a_variable_of_the_stack_or_the_environment_is_listed_by_name() -> None:
    env = {
        "PORT": "${port.http}",
        "COLOUR": "green",
        "DATABASE_URL": "${postgres.url}",
        "TOKEN": "${env.TOKEN}",
        "STAGE": "${stack.environment}",
    }
    role = role_of(service(command=["shop"], ports={"http": 8000}, env=env), PYTHON)

    assert role.env == {"COLOUR": "green", "PORT": "8000"}
    assert role.variables == ("DATABASE_URL", "STAGE", "TOKEN")


def test_a_command_with_a_value_of_the_stack_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"`command` contains \$\{postgres\.url\}") as error:
        role_of(service(command=["shop", "${postgres.url}"]), PYTHON)
    assert "Put the value into a variable" in error.value.hint
    assert error.value.where == "services.api.command"


def test_a_task_has_no_health_check() -> None:
    role = role_of(service(command=["shop", "migrate"], task=True), PYTHON)

    assert (role.task, role.health) == (True, ())


def plan(*specs: ServiceSpec) -> Plan:
    return make_plan(specs, environment="production", root="/project")


def test_services_with_an_image_or_a_dockerfile_are_left_out() -> None:
    stack = plan(
        service("api", command=["shop"]),
        service("web", command=["web"], container={"image": "web:1", "health": ["true"]}),
        service("old", command=["old"], container={"build": "old"}),
    )

    assert [spec.name for spec in own_services(stack)] == ["api"]
    with pytest.raises(ConfigurationError, match="web already has the image web:1"):
        own_services(stack, ("web",))
    with pytest.raises(ConfigurationError, match="old has the Dockerfile Dockerfile"):
        own_services(stack, ("old",))
    with pytest.raises(UnknownServiceError):
        own_services(stack, ("apu",))
