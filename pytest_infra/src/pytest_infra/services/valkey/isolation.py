"""Valkey and Redis: a separate logical database or key prefix for each test, with its own user.

The user has access only to the database or the prefix, and to database 0, which a new connection uses.

Source: Valkey documentation, "ACL" and "Commands".
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.connection import CommandConnection
from pytest_infra.isolation.slots import Slots
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.label import login_name
from pytest_infra.services.valkey.protocol import RespConnection

#: The permissions of a user: commands that affect the whole server are forbidden; the harmless commands of
#: the category `@dangerous` are allowed. A user can select only its own database.
RULES = (
    "+@all", "-@admin", "-@dangerous", "-select", "-move", "-function", "-script|flush", "-script|kill",
    "+info", "+keys", "+sort", "+sort_ro", "+restore", "+role", "+function|list",
)  # fmt: skip
#: The number of keys that one step of a scan reads.
STEP = "1000"
#: The number of prefixes that can be used at the same time.
PREFIXES = 256


class Keys(Unit):
    """An isolation unit of Valkey or Redis: a logical database, or the keys with a prefix.

    `url` contains the user of the unit. For a database, `prefix` is empty.
    """

    def __init__(
        self,
        server: Endpoint,
        connection: CommandConnection[RespConnection],
        name: str,
        label: str,
        database: int,
        prefix: str,
    ) -> None:
        password = secrets.token_hex(16)
        # The output of `CLIENT LIST` and the log contain the user of every connection, whichever client
        # library is used.
        user = f"{name}.{login_name(label)}"
        login = f"{user}:{password}@"
        urls = {"url": f"redis://{login}{server.host}:{server.port}/{database}"}
        if "socket_url" in server:
            urls["socket_url"] = f"unix://{login}{urlsplit(server['socket_url']).path}?db={database}"
        super().__init__(server, name, label, user=user, password=password, database=str(database), **urls)
        self._connection, self._number = connection, database
        #: the password of the default user; this user can read all keys
        self.server_password = server.get("password", "")
        self._examples = itertools.count(1)
        #: the prefix that the name of every key and channel must have
        self.prefix = prefix

    @contextlib.contextmanager
    def example(self) -> Iterator[Keys]:
        """Yield an empty part of this unit for one Hypothesis example.

        The part is the database itself, or a longer prefix that begins with the prefix of this unit.
        """
        if not self.prefix:
            self.clear()
            yield self
            self.clear()
            return
        part = Keys.__new__(Keys)
        part.__dict__ |= self.__dict__
        part.prefix = f"{self.prefix}{next(self._examples)}:"
        yield part
        part.clear()

    def renew(self) -> None:
        """Create the user of the unit, also again after a restart: the server keeps users only in memory."""
        pattern = f"{self.prefix}*"
        extra_rules = () if self.prefix else ("+flushdb", f"+select|{self._number}")
        user = "ACL", "SETUSER", self["user"], "reset", "on", f">{self['password']}"
        self._connection.run(
            lambda connection: connection.call(*user, *RULES, f"~{pattern}", f"&{pattern}", *extra_rules)
        )

    def clear(self) -> None:
        """Remove all keys of this unit (its database or its prefix) from the server."""
        self._connection.run(lambda connection: clear(connection, self._number, self.prefix))


def units(context: KitContext) -> Users:
    """Return the object that provides isolation units (databases or prefixes) of a service."""
    return Users(context.endpoint, context.stack.data, context.variant)


class Users:
    """The isolation units of a service: databases or prefixes, with a user for each unit.

    The user is created with the unit. When the user is removed, the server closes the user's connections.
    """

    def __init__(self, server: Endpoint, stack: Path, variant: str) -> None:
        self._server = server
        self._connection = CommandConnection(lambda: RespConnection(server, server.get("password", "")))
        self._by_prefix = variant == "prefix"
        count = int(self._connection.run(lambda connection: connection.call("CONFIG", "GET", "databases"))[1])
        if count < 2 and not self._by_prefix:
            raise ConfigurationError(
                f"{server.name} has only one database, so tests cannot have separate databases",
                where=f"services.{server.name}.databases",
                hint=f"Increase the number, or choose `infra_isolation = {server.name}: prefix`.",
            )
        # The database with the number 0 is not used, because it is the default database of all clients.
        numbers = range(1, PREFIXES + 1) if self._by_prefix else range(1, count)
        slots = f"{server.name}.prefix" if self._by_prefix else server.name
        hint = (
            f"Increase `databases` in `[services.{server.name}]`, "
            f"or choose `infra_isolation = {server.name}: prefix`."
        )
        self._slots = Slots(stack, slots, numbers, hint)

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a database or a prefix without keys, with a new user."""
        number = self._slots.take(self._clean)
        database, prefix = self._database_and_prefix(number)
        unit = Keys(self._server, self._connection, self._user(number), label, database, prefix)
        try:
            unit.renew()
        except BaseException:
            self._slots.free(number)
            raise
        return unit

    def release(self, unit: Unit) -> None:
        """Remove the user and the keys of a unit, unless it is kept; the server closes its connections."""
        self._slots.release(int(unit.id.rpartition("-")[2]), self._clean, keep=unit.keep)

    def close(self) -> list[str]:
        """Close the connection with which this process creates and removes units.

        Return an empty list, because no units remain.
        """
        self._connection.close()
        return []

    def _clean(self, number: int) -> bool:
        self._connection.run(lambda connection: self._clear(connection, number))
        return True

    def _clear(self, connection: RespConnection, number: int) -> None:
        users = connection.call("ACL", "USERS")
        if users_of_unit := [user for user in users if user.partition(".")[0] == self._user(number)]:
            connection.call("ACL", "DELUSER", *users_of_unit)
        clear(connection, *self._database_and_prefix(number))

    def _database_and_prefix(self, number: int) -> tuple[int, str]:
        return (0, f"{self._user(number)}:") if self._by_prefix else (number, "")

    def _user(self, number: int) -> str:
        return f"prefix-{number}" if self._by_prefix else f"database-{number}"


def clear(connection: RespConnection, database: int, prefix: str) -> None:
    """Remove all keys of a database at once; with a prefix, remove the keys with this prefix in steps."""
    select = "SELECT", str(database)
    if not prefix:
        connection.calls(select, ("FLUSHDB", "ASYNC"))
        return
    connection.call(*select)
    cursor = "0"
    while True:
        cursor, keys = connection.call("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", STEP)
        if keys:
            connection.call("UNLINK", *keys)
        if cursor == "0":
            return
