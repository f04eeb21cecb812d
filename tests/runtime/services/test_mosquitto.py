from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from fakes.engine import spec_of
from infra_runtime.catalogue import entry
from infra_runtime.spec import Run, WriteFile


def configuration(**settings: Any) -> list[str]:
    (file,) = (step for step in spec_of("mosquitto", **settings).prepare if isinstance(step, WriteFile))
    return file.text.splitlines()


def test_each_change_is_written_to_the_disk_only_outside_of_tests() -> None:
    assert {"persistence true", "autosave_on_changes true", "autosave_interval 1"} <= set(configuration())
    assert not [line for line in configuration(durable=False) if line.startswith(("persist", "autosave"))]
    assert entry("mosquitto").defaults == {"test": {"durable": False}}


def test_options_replace_directives_and_a_list_has_a_line_for_each_value() -> None:
    lines = configuration(options={"set_tcp_nodelay": "false", "log_type": ("error", "debug")})

    assert [line for line in lines if line.startswith(("set_", "log_type"))] == [
        "set_tcp_nodelay false",
        "log_type error",
        "log_type debug",
    ]


@pytest.mark.parametrize("settings", [{"auth": False}, {"options": {"password_file": "/etc/passwords"}}])
def test_without_the_password_the_url_has_none(settings) -> None:
    spec = spec_of("mosquitto", **settings)

    assert spec.exports["url"] == "mqtt://${host}:${port.client}"
    assert "password" not in spec.exports
    assert not [step for step in spec.prepare if isinstance(step, Run)]


def test_the_container_accepts_clients_without_a_password() -> None:
    container = spec_of("mosquitto").container

    assert container is not None
    ((file, text),) = container.files.items()
    assert container.command[-2:] == ("-c", file)
    assert "allow_anonymous true" in text
    assert "plugin" not in text
    assert container.exports["url"] == "mqtt://${host}:${port.client}"


@pytest.mark.real("mosquitto")
def test_a_real_server_requires_the_password_and_keeps_users_and_messages(run) -> None:
    from paho.mqtt import MQTTException, publish

    from kinds.mosquitto import read
    from pytest_infra.services.mosquitto.protocol import MqttConnection

    stack = run("mosquitto", durable=True)
    server = stack.mosquitto
    login = {"username": server.user, "password": server.password}
    to = {"hostname": server.host, "port": int(server.port)}

    publish.single("devices/1/state", "on", qos=1, retain=True, auth=login, **to)
    with MqttConnection(server) as connection:
        connection.control({"command": "createClient", "username": "device", "password": "a"})
    for wrong in (None, {**login, "password": "wrong"}):
        with pytest.raises(MQTTException, match=r"authori[sz]ed"):
            publish.single("devices/1/state", "off", auth=wrong, **to)
    users = Path(server.data) / "users.json"
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    assert server.password not in users.read_text(encoding="utf-8")

    stack.restart("mosquitto")

    assert read(server, "devices/1/state") == "on"
    names = {client["username"] for client in json.loads(users.read_text(encoding="utf-8"))["clients"]}
    assert names == {"infra", "device"}


@pytest.mark.real("mosquitto")
def test_a_real_server_without_a_password_accepts_all_clients(run) -> None:
    from paho.mqtt import publish

    server = run("mosquitto", auth=False).mosquitto

    publish.single("devices", "on", qos=1, hostname=server.host, port=int(server.port))
