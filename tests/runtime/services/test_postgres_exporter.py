from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from fakes.engine import options, spec_of
from fakes.project import Project


def metrics(endpoint) -> str:
    with urllib.request.urlopen(endpoint["metrics_url"], timeout=60) as answer:
        return answer.read().decode()


def test_the_target_is_in_the_plan_and_is_ready_first(project: Project) -> None:
    project.write("use = ['postgres-exporter']\n")

    assert project.names() == ["postgres", "postgres-exporter"]
    assert project.spec("postgres-exporter").all_needs() == ("postgres",)


def test_another_service_can_be_the_target(project: Project) -> None:
    project.write(
        "use = ['postgres-exporter']\n[services.main]\nkind = 'postgres'\n"
        "[services.postgres-exporter]\ntarget = 'main'\n"
    )

    assert project.names() == ["main", "postgres-exporter"]


def test_a_target_of_another_kind_is_an_error_with_the_missing_export(project: Project) -> None:
    project.write("use = ['postgres-exporter']\n[services.postgres-exporter]\ntarget = 'nats'\n")

    assert "nats does not export 'socket_url'" in project.error()


def test_the_exporter_uses_the_socket_and_its_container_a_password_in_the_environment() -> None:
    spec = spec_of("postgres-exporter", target="main", options={"log.level": "debug", "dumpmaps": ""})

    assert spec.env == {"DATA_SOURCE_NAME": "${main.socket_url}&sslmode=disable"}
    assert options(spec)["log.level"] == "debug"
    assert spec.command[-1] == "--dumpmaps"
    assert spec.container is not None
    assert spec.container.env["DATA_SOURCE_PASS"] == "${main.password}"
    assert not [word for word in (*spec.command, *spec.container.command) if "password" in word]


@pytest.mark.real("postgres-exporter", "postgres")
def test_a_real_exporter_shows_the_databases_of_its_target(project: Project, run) -> None:
    project.write(
        "[services.main]\nkind = 'postgres'\n[services.postgres-exporter]\ntarget = 'main'\n",
    )
    stack = run("postgres-exporter")

    text = metrics(stack["postgres-exporter"])

    assert 'pg_database_size_bytes{datname="postgres"' in text
    assert 'pg_static{server="' in text
    assert "\npg_up 1\n" in text
    (pid,) = [service.pid for service in stack.status().services if service.name == "postgres-exporter"]
    for file in ("cmdline", "environ"):
        assert stack.main.password.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()
