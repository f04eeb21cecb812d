"""RabbitMQ: its configuration, and the declared topology in the real server."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import infra_runtime as infra
from fakes.command_line import INFRA
from fakes.engine import spec_of
from infra_runtime.amqp.management import Management, ManagementError
from infra_runtime.engines.local.stack import Stack
from infra_runtime.services.rabbitmq import ENTRY, RabbitmqSettings
from infra_runtime.spec import ServiceSpec, WriteFile

TOPOLOGY = {
    "exchanges": {"notifications": {"type": "topic"}, "events": {"type": "fanout"}},
    "queues": {"email": {"bind": {"notifications": "email.#"}}, "audit.logs": {"bind": "events"}},
}


def files(spec: ServiceSpec) -> dict[str, str]:
    """Return a mapping from path to text of the files that are written at each start."""
    return {
        step.path.removeprefix("${data}/"): step.text for step in spec.prepare if isinstance(step, WriteFile)
    }


def test_the_server_listens_on_the_address_of_the_stack_only() -> None:
    config = files(spec_of("rabbitmq"))["advanced.config"]

    assert '{tcp_listeners, [{"${host}", ${port.amqp}}]}' in config
    assert '{tcp_config, [{ip, "${host}"}, {port, ${port.management}}]}' in config


def test_options_are_lines_of_the_configuration() -> None:
    spec = spec_of("rabbitmq", options={"heartbeat": "30"}, plugins="rabbitmq_stomp")

    assert files(spec)["rabbitmq.conf"] == "heartbeat = 30\n"
    assert spec.command[-3:] == ("rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_stomp")
    assert "rabbitmq.conf" not in files(spec_of("rabbitmq"))


def test_the_metrics_have_their_own_port_and_are_offered() -> None:
    spec = spec_of("rabbitmq")

    (offer,) = ENTRY.contributions(RabbitmqSettings())
    config = files(spec)["advanced.config"]
    assert '{rabbitmq_prometheus, [{tcp_config, [{ip, "${host}"}, {port, ${port.metrics}}]}]}' in config
    assert (offer.value.port, offer.value.subject) == ("metrics", "broker")
    assert spec.exports["metrics_url"] == "http://${host}:${port.metrics}/metrics"


def test_without_metrics_neither_the_plugin_nor_its_port_is_in_the_spec() -> None:
    settings = RabbitmqSettings(metrics=False)

    spec = ENTRY.make(settings, ())

    assert spec.command[-1] == "rabbitmq_management"
    assert spec.ports.keys() == {"amqp", "management"}
    assert "prometheus" not in files(spec)["advanced.config"]
    assert "metrics_url" not in spec.exports
    assert ENTRY.contributions(settings) == []


def test_the_cookie_is_readable_by_its_owner_only() -> None:
    (cookie,) = (
        step
        for step in spec_of("rabbitmq").prepare
        if isinstance(step, WriteFile) and step.path.endswith("/.erlang.cookie")
    )

    assert (cookie.text, cookie.mode) == ("${secret.cookie}", 0o400)


def test_the_topology_is_imported_at_each_start_and_exported_as_json() -> None:
    spec = spec_of("rabbitmq", topology=TOPOLOGY)
    definitions = json.loads(files(spec)["definitions.json"])

    assert {"email", "email.dead", "audit.logs"} <= {queue["name"] for queue in definitions["queues"]}
    assert {queue["vhost"] for queue in definitions["queues"]} == {"/"}
    assert json.loads(spec.exports["topology"])["exchanges"] == TOPOLOGY["exchanges"]


def test_a_container_has_the_same_topology_and_reads_the_password_from_a_secret() -> None:
    spec = spec_of("rabbitmq", topology=TOPOLOGY)
    container = spec.container

    assert container is not None
    definitions = json.loads(container.files["/etc/rabbitmq/definitions.json"])
    assert {queue["name"] for queue in definitions["queues"]} >= {"email", "email.dead"}
    assert not {"users", "permissions"} & definitions.keys()
    lines = container.files["/etc/rabbitmq/conf.d/20-infra.conf"].splitlines()
    assert "default_users.infra.password = $(INFRA_BROKER_PASSWORD)" in lines
    assert container.env["INFRA_BROKER_PASSWORD"] == "${secret.password}"
    assert container.secret_files == {"INFRA_BROKER_PASSWORD_FILE": "password"}
    # Clients in other containers use the account of the local server.
    assert not container.exports


# --- the real server -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("rabbitmq")
    (folder / "infra.toml").write_text(declared(TOPOLOGY))
    with infra.start(directory=folder, environment="test") as stack:
        yield stack


def declared(topology: dict[str, Any]) -> str:
    """Return a stack file that declares a topology."""
    inline = re.sub(r'"([^"]+)": ', r'"\1" = ', json.dumps(topology))
    return f'use = ["rabbitmq"]\n[services.rabbitmq]\ntopology = {inline}\n'


def differences(stack: Stack, topology: dict[str, Any]) -> list[str]:
    """Return the differences that the command `infra runtime plan` prints for a changed stack file."""
    folder = Path(stack.data).parent
    (folder / "infra.toml").write_text(declared(topology))
    command = [INFRA, "runtime", "plan", "-C", folder, "--env", "test"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "rabbitmq_management" in result.stdout
    return [
        line.strip() for line in result.stdout.splitlines() if line.lstrip().startswith(("+ ", "- ", "~ "))
    ]


@pytest.mark.real("rabbitmq")
class TestServer:
    def test_the_declared_topology_exists_when_the_server_is_ready(self, stack: Stack) -> None:
        assert differences(stack, TOPOLOGY) == []

    def test_a_changed_topology_differs_from_the_server(self, stack: Stack) -> None:
        email = {"bind": {"notifications": "email.#"}, "ttl": 60}
        changed = {"exchanges": TOPOLOGY["exchanges"], "queues": {"email": email, "sms": {"retries": []}}}

        lines = differences(stack, changed)

        assert "+ queue sms" in lines
        assert "- queue audit.logs" in lines
        (line,) = (line for line in lines if line.startswith("~"))
        assert line.startswith("~ queue email: arguments {")
        assert "'x-message-ttl': 60000" in line

    def test_a_missing_vhost_is_an_error_with_the_answer_of_the_server(self, stack: Stack) -> None:
        server = stack["rabbitmq"]
        with Management(server.host, server.ports["management"], server.user, server.password) as management:
            management.delete_vhost("missing")
            with pytest.raises(ManagementError, match="status 404"):
                management.queues("missing")
