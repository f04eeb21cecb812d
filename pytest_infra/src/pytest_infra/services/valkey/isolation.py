"""Valkey: a logical database of the test's own, or a key prefix, and a user who may do nothing to others.

Source: Valkey documentation, "ACL" and "Commands".
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.connection import CommandConnection
from pytest_infra.isolation.slots import Slots
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.label import shorten
from pytest_infra.services.valkey.protocol import RespConnection

#: what concerns the whole server is forbidden, and of what is called dangerous the harmless part allowed
RULES = (
    "+@all", "-@admin", "-@dangerous", "-function", "-script|flush", "-script|kill",
    "+info", "+keys", "+sort", "+sort_ro", "+restore", "+role", "+function|list",
)  # fmt: skip
#: keys that one step of a scan looks at
STEP = "1000"
PREFIXES = 256


class Keys(Unit):
    """A database, or the keys below a prefix (empty for a database); `url` bears the user."""

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
        # The server tells the user of every connection, whatever library has made it.
        user = f"{name}/{shorten(label)}"
        place = f"{quote(user, safe='')}:{password}@"
        urls = {"url": f"redis://{place}{server.host}:{server.port}/{database}"}
        if "socket_url" in server:
            urls["socket_url"] = f"unix://{place}{urlsplit(server['socket_url']).path}?db={database}"
        super().__init__(server, name, label, user=user, password=password, database=str(database), **urls)
        self._connection, self._number = connection, database
        self._examples = itertools.count(1)
        #: what every key and channel has to begin with
        self.prefix = prefix

    @contextlib.contextmanager
    def example(self) -> Iterator[Keys]:
        """Without a key: the database is emptied before and after, or a further prefix is the example's."""
        if not self.prefix:
            self.clear()
            yield self
            self.clear()
            return
        inner = Keys.__new__(Keys)
        inner.__dict__ |= self.__dict__
        inner.prefix = f"{self.prefix}{next(self._examples)}:"
        yield inner
        inner.clear()

    def renew(self) -> None:
        """Its user, whom the server knows from memory alone."""
        mine = f"{self.prefix}*"
        further = ("-select", "-move") if self.prefix else ("+flushdb",)
        user = "ACL", "SETUSER", self["user"], "reset", "on", f">{self['password']}"
        self._connection.run(
            lambda connection: connection.call(*user, *RULES, f"~{mine}", f"&{mine}", *further)
        )

    def clear(self) -> None:
        """Remove its keys, and no others."""
        self._connection.run(lambda connection: clear(connection, self._number, self.prefix))


def units(context: KitContext) -> Users:
    """Return the databases or prefixes of an instance."""
    return Users(context.endpoint, context.stack.data, context.variant)


class Users:
    """A user for each unit: made when it is acquired, removed with its connections when released."""

    def __init__(self, server: Endpoint, stack: Path, variant: str) -> None:
        self._server = server
        self._connection = CommandConnection(lambda: RespConnection(server.host, server.port))
        self._by_prefix = variant == "prefix"
        count = int(self._connection.run(lambda connection: connection.call("CONFIG", "GET", "databases"))[1])
        if count < 2 and not self._by_prefix:
            raise ConfigurationError(
                f"{server.name} has a single database",
                where=f"services.{server.name}.databases",
                hint=f"Raise it, or choose `infra_isolation = {server.name}: prefix`.",
            )
        # Number 0 is everybody's.
        numbers = range(1, PREFIXES + 1) if self._by_prefix else range(1, count)
        slots = f"{server.name}.prefix" if self._by_prefix else server.name
        hint = (
            f"Raise `databases` of `[services.{server.name}]`, "
            f"or choose `infra_isolation = {server.name}: prefix`."
        )
        self._slots = Slots(stack, slots, numbers, hint)

    def acquire(self, label: str) -> Unit:
        """No keys, and a user with a password of its own."""
        number = self._slots.take(self._clean)
        database, prefix = self._place(number)
        unit = Keys(self._server, self._connection, self._user(number), label, database, prefix)
        try:
            unit.renew()
        except BaseException:
            self._slots.free(number)
            raise
        return unit

    def release(self, unit: Unit) -> None:
        """Remove the user, whose connections end with it, and its keys."""
        self._slots.release(int(unit.id.rpartition("-")[2]), self._clean, keep=unit.keep)

    def close(self) -> list[str]:
        """Close the connection."""
        self._connection.close()
        return []

    def _clean(self, number: int) -> bool:
        self._connection.run(lambda connection: self._clear(connection, number))
        return True

    def _clear(self, connection: RespConnection, number: int) -> None:
        known = connection.call("ACL", "USERS")
        if users := [it for it in known if it.partition("/")[0] == self._user(number)]:
            connection.call("ACL", "DELUSER", *users)
        clear(connection, *self._place(number))

    def _place(self, number: int) -> tuple[int, str]:
        return (0, f"{self._user(number)}:") if self._by_prefix else (number, "")

    def _user(self, number: int) -> str:
        return f"prefix-{number}" if self._by_prefix else f"database-{number}"


def clear(connection: RespConnection, database: int, prefix: str) -> None:
    """Remove the keys of a database that is a test's own, or those below a prefix: step by step."""
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
