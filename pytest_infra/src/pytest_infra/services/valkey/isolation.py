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
from pytest_infra.isolation.slots import Seats
from pytest_infra.isolation.unit import Unit
from pytest_infra.isolation.wire import Desk, RespLine
from pytest_infra.label import shorten

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
        self, server: Endpoint, desk: Desk[RespLine], name: str, label: str, database: int, prefix: str
    ) -> None:
        password = secrets.token_hex(16)
        # The server tells the user of every connection, whatever library has made it.
        user = f"{name}/{shorten(label)}"
        place = f"{quote(user, safe='')}:{password}@"
        urls = {"url": f"redis://{place}{server.host}:{server.port}/{database}"}
        if "socket_url" in server:
            urls["socket_url"] = f"unix://{place}{urlsplit(server['socket_url']).path}?db={database}"
        super().__init__(server, name, label, user=user, password=password, database=str(database), **urls)
        self._desk, self._number = desk, database
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

    def dump(self, folder: Path) -> list[Path]:
        """Its keys with their values."""
        from pytest_infra.isolation import dumps

        path = folder / f"{self.id}.json"
        with RespLine(self.host, self.port) as line:
            dumps.keys(line, self._number, self.prefix, path)
        return [path]

    def renew(self) -> None:
        """Its user, whom the server knows from memory alone."""
        mine = f"{self.prefix}*"
        further = ("-select", "-move") if self.prefix else ("+flushdb",)
        user = "ACL", "SETUSER", self["user"], "reset", "on", f">{self['password']}"
        self._desk.ask(lambda line: line.call(*user, *RULES, f"~{mine}", f"&{mine}", *further))

    def clear(self) -> None:
        """Remove its keys, and no others."""
        self._desk.ask(lambda line: clear(line, self._number, self.prefix))


class Users:
    """A user for each unit: made when it is acquired, removed with its connections when released."""

    def __init__(self, server: Endpoint, stack: Path, variant: str) -> None:
        self._server = server
        self._desk = Desk(lambda: RespLine(server.host, server.port))
        self._by_prefix = variant == "prefix"
        count = int(self._desk.ask(lambda line: line.call("CONFIG", "GET", "databases"))[1])
        if count < 2 and not self._by_prefix:
            raise ConfigurationError(
                "valkey has a single database",
                where="services.valkey.databases",
                hint="Raise it, or choose `infra_isolation = valkey: prefix`.",
            )
        # Number 0 is everybody's.
        numbers = range(1, PREFIXES + 1) if self._by_prefix else range(1, count)
        kind = "valkey-prefix" if self._by_prefix else "valkey"
        hint = "Raise `databases` of `[services.valkey]`, or choose `infra_isolation = valkey: prefix`."
        self._seats = Seats(stack, kind, numbers, hint)

    def acquire(self, label: str) -> Unit:
        """No keys, and a user with a password of its own."""
        number = self._seats.take(self._clean)
        database, prefix = self._place(number)
        unit = Keys(self._server, self._desk, self._user(number), label, database, prefix)
        try:
            unit.renew()
        except BaseException:
            self._seats.leave(number)
            raise
        return unit

    def release(self, unit: Unit) -> None:
        """Remove the user, whose connections end with it, and its keys."""
        self._seats.vacate(int(unit.id.rpartition("-")[2]), self._clean, keep=unit.keep)

    def close(self) -> list[str]:
        """Close the connection."""
        self._desk.close()
        return []

    def _clean(self, number: int) -> bool:
        self._desk.ask(lambda line: self._clear(line, number))
        return True

    def _clear(self, line: RespLine, number: int) -> None:
        known = line.call("ACL", "USERS")
        if users := [it for it in known if it.partition("/")[0] == self._user(number)]:
            line.call("ACL", "DELUSER", *users)
        clear(line, *self._place(number))

    def _place(self, number: int) -> tuple[int, str]:
        return (0, f"{self._user(number)}:") if self._by_prefix else (number, "")

    def _user(self, number: int) -> str:
        return f"prefix-{number}" if self._by_prefix else f"database-{number}"


def clear(line: RespLine, database: int, prefix: str) -> None:
    """Remove the keys of a database that is a test's own, or those below a prefix: step by step."""
    select = "SELECT", str(database)
    if not prefix:
        line.calls(select, ("FLUSHDB", "ASYNC"))
        return
    line.call(*select)
    cursor = "0"
    while True:
        cursor, keys = line.call("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", STEP)
        if keys:
            line.call("UNLINK", *keys)
        if cursor == "0":
            return
