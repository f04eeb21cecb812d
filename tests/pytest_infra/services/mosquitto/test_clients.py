"""The client of a test that gets no answer to its login. `test_units.py` has the clients of a real server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.mosquitto import clients


class Client:
    """A client of paho-mqtt to which the server never answers."""

    def __init__(self, _version: object) -> None:
        self.calls = list[str]()
        self.on_connect: object = None

    def username_pw_set(self, user: str, _password: str) -> None:
        self.calls.append(f"login of {user}")

    def connect(self, host: str, port: int) -> None:
        self.calls.append(f"connect to {host}:{port}")

    def loop_start(self) -> None:
        self.calls.append("start the thread")

    def loop_stop(self) -> None:
        self.calls.append("stop the thread")

    def disconnect(self) -> None:
        self.calls.append("disconnect")


def test_a_login_without_an_answer_fails_the_test_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clients, "PATIENCE", 0.001)
    created = list[Client]()

    def create(version: object) -> Client:
        created.append(Client(version))
        return created[-1]

    library = SimpleNamespace(Client=create, CallbackAPIVersion=SimpleNamespace(VERSION2=2))
    context: Any = SimpleNamespace(library=lambda _name: library)
    unit = Endpoint("broker", {"user": "test1", "password": "secret"}, {"main": 1883}, "data")

    with pytest.raises(pytest.fail.Exception, match="the service broker has not answered") as raised:
        next(clients.client(context, unit))

    assert not raised.value.pytrace
    assert created[0].calls == [
        "login of test1",
        f"connect to {unit.host}:1883",
        "start the thread",
        "disconnect",
        "stop the thread",
    ]
