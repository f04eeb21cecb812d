from __future__ import annotations

import json
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from fakes.engine import configuration_of, spec_of
from fakes.stacks import until
from fakes.suite import free_port
from infra_runtime.binaries import Binary, locate
from infra_runtime.host.ports import taken
from infra_runtime.spec import substitute


def test_jetstream_keeps_its_streams_in_the_data_directory() -> None:
    assert configuration_of(spec_of("nats"))["jetstream"] == {"store_dir": "${data}/jetstream"}


def test_nats_listens_on_the_address_of_the_engine() -> None:
    configuration = configuration_of(spec_of("nats"))

    assert configuration["listen"] == "${host}:${port.client}"
    assert configuration["http"] == "${host}:${port.monitor}"


def test_nats_is_ready_when_jetstream_is_ready() -> None:
    probe = spec_of("nats").ready

    assert (probe.port, probe.path) == ("monitor", "/${secret.monitor}/healthz?js-enabled-only=true")
    assert spec_of("nats", auth=False).ready.path == "/healthz?js-enabled-only=true"


def test_clients_need_a_password_which_the_url_contains() -> None:
    spec = spec_of("nats")

    assert configuration_of(spec)["authorization"] == {"user": "shared", "password": "${secret.password}"}
    assert spec.exports["url"] == "nats://shared:${secret.password}@${host}:${port.client}"


def test_with_accounts_for_tests_the_shared_account_needs_the_password_too() -> None:
    configuration = configuration_of(spec_of("nats", accounts=2))

    assert "authorization" not in configuration
    assert "no_auth_user" not in configuration
    assert configuration["accounts"]["shared"]["users"] == [
        {"user": "shared", "password": "${secret.password}"}
    ]


@pytest.mark.parametrize("settings", [{"auth": False}, {"options": {"authorization": {"token": "mine"}}}])
def test_the_users_own_authorization_replaces_that_of_the_kit(settings) -> None:
    spec = spec_of("nats", **settings)

    assert spec.exports["url"] == "nats://${host}:${port.client}"
    assert configuration_of(spec).get("authorization") == settings.get("options", {}).get("authorization")


def test_a_container_has_no_password() -> None:
    spec = spec_of("nats")

    assert spec.container.exports["url"] == "nats://${host}:${port.client}"
    assert "secret" not in "".join(spec.container.files.values())


def test_a_container_with_accounts_for_tests_reads_their_password_from_a_variable() -> None:
    container = spec_of("nats", accounts=2).container

    (text,) = container.files.values()
    assert '"user": "test2", "password": $INFRA_ACCOUNTS_PASSWORD ' in " ".join(text.split())
    assert container.env["INFRA_ACCOUNTS_PASSWORD"] == '"${secret.accounts}"'
    assert "secret" not in text


@pytest.mark.real("nats")
@pytest.mark.parametrize("password", ["s3cret", "123456", "1e3"])
def test_a_real_server_has_the_accounts_of_a_container(tmp_path: Path, password: str) -> None:
    """The password can look like a number in the configuration language of NATS."""
    container, port = spec_of("nats", accounts=1).container, free_port()
    values = {"host": "127.0.0.1", "port.client": str(port), "port.monitor": str(free_port())}
    (text,) = container.files.values()
    file = tmp_path / "nats.conf"
    file.write_text(substitute(text, lambda name: values.get(name, str(tmp_path))))
    (program,) = container.entrypoint
    variable = substitute(container.env["INFRA_ACCOUNTS_PASSWORD"], lambda _: password)
    command = [locate(Binary(name=program)), "--config", file]

    with subprocess.Popen(command, env={"INFRA_ACCOUNTS_PASSWORD": variable}) as server:
        try:
            until(lambda: taken(port, name_it=False))
            answers = [
                answer_to(port, user)
                for user in (
                    {"user": "test1", "pass": password},
                    {"user": "system", "pass": password},
                    {"user": "test1", "pass": "wrong"},
                    {},
                )
            ]
        finally:
            server.kill()

    assert answers == ["PONG", "PONG", "-ERR", "PONG"]


def answer_to(port: int, user: dict[str, str]) -> str:
    """Return the first word of the answer of a server to the login of a user."""
    with socket.create_connection(("127.0.0.1", port), 60) as line, line.makefile("rw") as file:
        assert file.readline().startswith("INFO ")
        file.write(f"CONNECT {json.dumps({'verbose': False, **user})}\r\nPING\r\n")
        file.flush()
        return file.readline().split()[0]


@pytest.mark.real("nats")
@pytest.mark.parametrize("environment", ["development", "test"])
def test_a_real_server_refuses_clients_without_the_password(run, environment: str) -> None:
    ports = {"client": free_port(), "monitor": free_port()}
    endpoint = run("nats", environment=environment, ports=ports).nats

    assert answer_to(endpoint.port, {"user": "shared", "pass": endpoint.password}) == "PONG"
    assert answer_to(endpoint.port, {}) == "-ERR"


@pytest.mark.real("nats")
def test_no_web_page_can_read_the_monitor_of_a_real_server(run) -> None:
    """The answers for pages that do not know the path have no header that lets a page read them."""
    endpoint = run("nats").nats

    for path in ("/varz", "/", "/healthz", "/connz?auth=1", "/varz?callback=steal"):
        request = urllib.request.Request(
            f"http://{endpoint.host}:{endpoint.ports['monitor']}{path}",
            headers={"Origin": "http://evil.test"},
        )
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(request, timeout=60)
        with caught.value as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


def test_options_are_merged_into_the_configuration() -> None:
    configuration = configuration_of(
        spec_of("nats", options={"max_payload": 1000, "jetstream": {"max_mem": "64MB"}})
    )

    assert configuration["max_payload"] == 1000
    assert configuration["jetstream"] == {"store_dir": "${data}/jetstream", "max_mem": "64MB"}


def test_ports_are_the_documented_ones_unless_they_are_set() -> None:
    assert spec_of("nats").ports == {"client": 4222, "monitor": 8222}
    assert spec_of("nats", port=4333).ports == {"client": 4333, "monitor": 8222}
    assert spec_of("nats", ports={"monitor": 8333}).ports == {"client": 4222, "monitor": 8333}


@pytest.mark.real("nats")
def test_a_real_server_uses_its_options(run) -> None:
    stack = run("nats", options={"max_payload": 4096})

    with urllib.request.urlopen(f"{stack.nats.monitor_url}/varz", timeout=60) as answer:
        state = json.load(answer)

    assert state["max_payload"] == 4096
    assert state["host"] == "127.0.0.1"
