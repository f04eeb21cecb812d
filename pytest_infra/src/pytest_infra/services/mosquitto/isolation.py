"""Mosquitto: a separate topic prefix for each test, with a user who can use only topics with this prefix.

Source: Mosquitto documentation, "Dynamic Security Plugin".
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandConnection, CommandError
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.label import login_name
from pytest_infra.services.mosquitto.protocol import Message, MqttConnection

ACLS = ("publishClientSend", "publishClientReceive", "subscribePattern")


class Topics(Unit):
    """An isolation unit of Mosquitto: the topics that begin with `prefix`.

    `url` contains a user who has access only to these topics, if the server requires a password.
    """

    def __init__(
        self, server: Endpoint, connection: CommandConnection[MqttConnection], name: str, label: str
    ) -> None:
        exports = {"prefix": f"{name}/"}
        if server.get("password"):
            # The log contains the user of every connection.
            user, password = f"{name}.{login_name(label)}", secrets.token_hex(16)
            url = f"mqtt://{user}:{password}@{server.host}:{server.port}"
            exports |= {"url": url, "user": user, "password": password}
        super().__init__(server, name, label, **exports)
        self._connection, self._has_user = connection, "user" in exports

    @contextlib.contextmanager
    def example(self) -> Iterator[Topics]:
        """Yield this unit without retained messages, for one Hypothesis example."""
        self.clear()
        yield self
        self.clear()

    def renew(self) -> None:
        """Create the user of the unit, and begin to store the messages that are published to its topics.

        A broker without a password has no users. After a restart of the broker, the user can exist already;
        this is not an error.
        """
        self._connection.run(self._create)

    def clear(self) -> None:
        """Remove all retained messages of this unit."""
        self._connection.run(self._clear)

    def remove(self) -> None:
        """Remove the user, and disconnect its clients; remove the retained messages."""
        self._connection.run(self._remove)

    def messages(self) -> tuple[list[Message], list[Message]]:
        """Return the last messages that were published since the test began, and the retained messages.

        There are at most `MESSAGES` published messages, and as many retained ones as the broker sends at
        once.
        """
        return self._connection.run(self._messages)

    def _create(self, connection: MqttConnection) -> None:
        if self._has_user:
            topics = f"{self['prefix']}#", f"$share/+/{self['prefix']}#"
            acls = [
                {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
                for kind in ACLS
                for topic in topics
            ]
            login = {"username": self["user"], "password": self["password"]}
            connection.control(
                {"command": "createRole", "rolename": self.id, "acls": acls},
                {"command": "createClient", **login, "roles": [{"rolename": self.id}]},
                ignored="already exists",
            )
        connection.subscribe(self["prefix"])

    def _clear(self, connection: MqttConnection) -> None:
        # The broker sends only a limited number of messages at once.
        while messages := connection.retained(self["prefix"]):
            for message in messages:
                connection.publish(message.topic, b"", retain=True)

    def _remove(self, connection: MqttConnection) -> None:
        if self._has_user:
            connection.control(
                {"command": "deleteClient", "username": self["user"]},
                {"command": "deleteRole", "rolename": self.id},
                ignored="not found",
            )
        self._clear(connection)
        connection.unsubscribe(self["prefix"])

    def _messages(self, connection: MqttConnection) -> tuple[list[Message], list[Message]]:
        retained = connection.retained(self["prefix"])
        return list(connection.received[self.id]), retained


def units(context: KitContext) -> Prefixes:
    """Return the object that creates isolation units (topic prefixes) of a Mosquitto broker."""
    return Prefixes(context.endpoint, context.owner)


class Prefixes:
    """The topic prefixes of one process, with a user for each prefix if the server requires a password."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner = server, owner
        self._connection = CommandConnection(lambda: MqttConnection(server))

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a prefix that no other test has used, with a new user (see `Topics`)."""
        unit = Topics(self._server, self._connection, self._owner.name(), label)
        unit.renew()
        return unit

    def release(self, unit: Unit) -> None:
        """Remove the user and the retained messages of a prefix after its test, unless the unit is kept."""
        if isinstance(unit, Topics) and not unit.keep:
            with contextlib.suppress(OSError, CommandError):  # a stopped server has no messages
                unit.remove()

    def close(self) -> list[str]:
        """Close the connection that this process uses to create and remove units."""
        self._connection.close()
        return []
