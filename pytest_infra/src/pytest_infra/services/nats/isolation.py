"""NATS: an account of the test's own. Subjects, streams, buckets and consumers are then its own too.

Source: NATS documentation, "Accounts", "System Events" and "JetStream wire API Reference".
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandConnection
from pytest_infra.isolation.slots import Slots
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.services.nats.protocol import NatsConnection


class Account(Unit):
    """An account with a user of the same name, whom `url` bears with the password."""

    def __init__(self, server: Endpoint, name: str, label: str, prefix: str = "") -> None:
        url = f"nats://{name}:{server['account_password']}@{server.host}:{server.port}"
        super().__init__(server, name, label, url=url, user=name, password=server["account_password"])
        self._server, self._examples = server, itertools.count(1)
        #: before every subject of an example; empty for a test
        self.prefix = prefix

    @contextlib.contextmanager
    def example(self) -> Iterator[Account]:
        """No streams, and subjects of its own if they begin with `prefix`; its streams go with it."""
        purge(self._server, self.id)
        yield Account(self._server, self.id, self.label, f"example{next(self._examples)}.")
        purge(self._server, self.id)


def units(context: KitContext) -> Accounts:
    """Return the accounts of an instance."""
    return Accounts(context.endpoint, context.stack.data)


class Accounts:
    """The accounts that the server's configuration names; each is one test's at a time.

    To reload the configuration with an account more can lose the answer that another test waits for:
    so there is a fixed number of them.
    """

    def __init__(self, server: Endpoint, stack: Path) -> None:
        self._server = server
        count = int(server["accounts"])
        hint = (
            f"Give the server more than {count}: `accounts` of `[services.{server.name}]` in the stack file."
        )
        self._slots = Slots(stack, server.name, range(1, count + 1), hint)
        self._connection = CommandConnection(
            lambda: NatsConnection(server.host, server.port, "system", server["account_password"])
        )

    def acquire(self, label: str) -> Unit:
        """An account that nobody is connected to, and that has nothing in it."""
        number = self._slots.take(self._clean)
        return Account(self._server, name_of(number), label)

    def release(self, unit: Unit) -> None:
        """Disconnect whoever is left, and delete the account's streams."""
        self._slots.release(int(unit.id.removeprefix(name_of(""))), self._clean, keep=unit.keep)

    def close(self) -> list[str]:
        """Close the connection."""
        self._connection.close()
        return []

    def _clean(self, number: int) -> bool:
        """Whether it is empty now. A client that always comes back has the account for good."""
        name = name_of(number)
        if self._connection.run(lambda connection: _disconnect(connection, name)):
            return False
        if self._connection.run(lambda connection: _has_streams(connection, name)):
            purge(self._server, name)
        return True


def name_of(number: object) -> str:
    """The account's name, which `infra_runtime.services.nats` gives."""
    return f"test{number}"


def purge(server: Endpoint, account: str) -> None:
    """Delete all streams of an account; buckets and object stores are streams."""
    with NatsConnection(server.host, server.port, account, server["account_password"]) as connection:
        while names := connection.request("$JS.API.STREAM.NAMES")["streams"]:
            for name in names:
                connection.request(f"$JS.API.STREAM.DELETE.{name}")


def _disconnect(connection: NatsConnection, account: str) -> int:
    """Send every client of an account away; returns how many there were."""
    answer = connection.request(f"$SYS.REQ.ACCOUNT.{account}.CONNZ", b'{"limit": 1024}')
    clients = answer["data"]["connections"] or []
    for client in clients:
        kick = f"$SYS.REQ.SERVER.{connection.server['server_id']}.KICK"
        connection.request(kick, json.dumps({"cid": client["cid"]}).encode())
    return len(clients)


def _has_streams(connection: NatsConnection, account: str) -> bool:
    answer = connection.request(f"$SYS.REQ.ACCOUNT.{account}.JSZ", b'{"streams": true}')
    return bool(answer["data"].get("stream_detail"))
