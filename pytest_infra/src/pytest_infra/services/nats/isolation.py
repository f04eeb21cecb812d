"""NATS: a separate account for each test, with its own subjects, streams, buckets and consumers.

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
    """An isolation unit of NATS: an account with a user of the same name.

    `url` contains the user and the password.
    """

    def __init__(self, server: Endpoint, name: str, label: str, prefix: str = "") -> None:
        url = f"nats://{name}:{server['account_password']}@{server.host}:{server.port}"
        super().__init__(server, name, label, url=url, user=name, password=server["account_password"])
        self._server, self._examples = server, itertools.count(1)
        #: the prefix of every subject in an example of Hypothesis; empty for a test
        self.prefix = prefix

    @contextlib.contextmanager
    def example(self) -> Iterator[Account]:
        """Yield the account for one Hypothesis example, without streams.

        Only this example uses subjects that begin with the account's `prefix`.
        """
        purge(self._server, self.id)
        yield Account(self._server, self.id, self.label, f"example{next(self._examples)}.")
        purge(self._server, self.id)


def units(context: KitContext) -> Accounts:
    """Return the object that provides isolation units (accounts) of a NATS service."""
    return Accounts(context.endpoint, context.stack.data)


class Accounts:
    """The accounts in the configuration of the server; each account is used by one test at a time.

    The number of accounts is fixed: a new account would need a reload of the configuration, and a reload can
    lose an answer that another test is waiting for.
    """

    def __init__(self, server: Endpoint, stack: Path) -> None:
        self._server = server
        count = int(server["accounts"])
        hint = f"Set `accounts` in `[services.{server.name}]` of the stack file to more than {count}."
        self._slots = Slots(stack, server.name, range(1, count + 1), hint)
        self._connection = CommandConnection(
            lambda: NatsConnection(server.host, server.port, "system", server["account_password"])
        )

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: an account without clients and streams that no other test uses."""
        number = self._slots.take(self._clean)
        return Account(self._server, name_of(number), label)

    def release(self, unit: Unit) -> None:
        """Disconnect the clients of an account after its test, and delete its streams, unless it is kept."""
        self._slots.release(int(unit.id.removeprefix(name_of(""))), self._clean, keep=unit.keep)

    def close(self) -> list[str]:
        """Close the connection with which this process cleans accounts.

        Return an empty list, because no units remain.
        """
        self._connection.close()
        return []

    def _clean(self, number: int) -> bool:
        """Disconnect the clients of an account and delete its streams; return False if there were clients.

        If the result is False, the account is not used until a later cleaning finds no client, because such a
        client could connect again and disturb a test.
        """
        name = name_of(number)
        if self._connection.run(lambda connection: _disconnect(connection, name)):
            return False
        if self._connection.run(lambda connection: _has_streams(connection, name)):
            purge(self._server, name)
        return True


def name_of(number: object) -> str:
    """Return the name that the NATS account with this number has in the server's configuration."""
    return f"test{number}"


def purge(server: Endpoint, account: str) -> None:
    """Delete all streams of an account; buckets and object stores are streams."""
    with NatsConnection(server.host, server.port, account, server["account_password"]) as connection:
        while names := connection.request("$JS.API.STREAM.NAMES")["streams"]:
            for name in names:
                connection.request(f"$JS.API.STREAM.DELETE.{name}")


def _disconnect(connection: NatsConnection, account: str) -> int:
    """Disconnect the clients of an account, at most 1024, and return their number."""
    answer = connection.request(f"$SYS.REQ.ACCOUNT.{account}.CONNZ", b'{"limit": 1024}')
    clients = answer["data"]["connections"] or []
    for client in clients:
        kick = f"$SYS.REQ.SERVER.{connection.server['server_id']}.KICK"
        connection.request(kick, json.dumps({"cid": client["cid"]}).encode())
    return len(clients)


def _has_streams(connection: NatsConnection, account: str) -> bool:
    answer = connection.request(f"$SYS.REQ.ACCOUNT.{account}.JSZ", b'{"streams": true}')
    return bool(answer["data"].get("stream_detail"))
