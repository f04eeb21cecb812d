"""The streams of an account are deleted. `tests/kinds` has the accounts of a real server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.nats import isolation


class Server:
    """The answers of JetStream to requests about streams: at most two names in one answer."""

    def __init__(self, *streams: str) -> None:
        self.streams, self.accounts = list(streams), list[str]()

    @contextlib.contextmanager
    def connect(self, _host: str, _port: int, account: str, _password: str) -> Iterator[Server]:
        self.accounts.append(account)
        yield self

    def request(self, subject: str, _payload: bytes = b"") -> dict[str, Any]:
        if subject == "$JS.API.STREAM.NAMES":
            return {"streams": self.streams[:2] or None}
        self.streams.remove(subject.removeprefix("$JS.API.STREAM.DELETE."))
        return {}


@pytest.mark.parametrize("streams", [[], ["a"], ["a", "KV_b", "OBJ_c", "d", "e"]])
def test_all_streams_of_an_account_are_deleted(monkeypatch: pytest.MonkeyPatch, streams: list[str]) -> None:
    server = Server(*streams)
    monkeypatch.setattr(isolation, "NatsConnection", server.connect)
    endpoint = Endpoint("nats", {"account_password": "secret"}, {"main": 4222}, "data")

    isolation.purge(endpoint, "test3")

    assert server.streams == []
    assert server.accounts == ["test3"]
