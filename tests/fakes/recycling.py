"""Random acts in databases that are reset and used again; reset databases are compared with new clones."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fakes.database_acts import OTHERS, ROWS, SCHEMA
from fakes.database_image import Image, differences, image
from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.services.postgres import template
from pytest_infra.services.postgres.factory import DatabaseFactory
from pytest_infra.services.postgres.statements import name_sessions, url_of

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")

#: the server allows prepared transactions and replication slots
OPTIONS = '{ max_prepared_transactions = "10", wal_level = "logical", max_replication_slots = "10" }'
TEMPLATE = "infra_template_recycling"
_numbers = itertools.count(1)


@dataclass
class Tally:
    """The results of the rounds: numbers of rounds and resets, differences, and rejected acts."""

    rounds: int = 0
    resets: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    #: acts of `ROWS` alone after which the database could not be used again
    refused: Counter[str] = field(default_factory=Counter)
    #: acts with a statement that the server rejected → its message
    rejected: dict[str, str] = field(default_factory=dict)
    #: `ACTS: PARTS` for each reset database that differed
    differences: list[str] = field(default_factory=list)


class Recycling:
    """A factory of databases, and a new clone with which reset databases are compared."""

    def __init__(self, server: Endpoint, folder: Path, *, pg_dump: str = "") -> None:
        self.server, self._pg_dump = server, pg_dump
        self.tally = Tally()
        strategy = template.ensure(server, TEMPLATE, self._migrate)
        self.factory = DatabaseFactory(server, Owner(folder, ""), TEMPLATE, strategy)
        # The second clone is the one that the factory reads as its model.
        self.factory.remove(self.factory.make())
        self._name = self.factory.make()
        self._model = self._image(self._name, dump=True)
        self._label(self._name)

    def _migrate(self, name: str) -> None:
        with psycopg.connect(url_of(self.server, name), autocommit=True) as connection:
            connection.execute(SCHEMA)

    def renew(self) -> None:
        """Take a new database after a restart of the server, as a pool does."""
        with contextlib.suppress(psycopg.Error):
            self.factory.remove(self._name)
        self.factory.close()
        self._name = self.factory.make()

    def close(self) -> None:
        """Drop the database."""
        self.factory.remove(self._name)
        self.factory.close()

    def round(
        self,
        acts: list[str],
        *,
        leave: bool = False,
        dump: bool = False,
        between: Callable[[], object] = lambda: None,
    ) -> bool:
        """Run acts, reset the database, and compare it with a new clone; return whether it was reset.

        With `leave`, the session of the acts stays open. `between` is called after the acts.
        """
        tally = self.tally
        tally.rounds += 1
        tally.kinds.update(acts)
        session = self._act(acts)
        if not leave:
            session.close()
        between()
        old = self._name
        try:
            name = self.factory.reset(old)
        except psycopg.Error:
            self.factory.close()
            name = None
        reset = name is not None
        if name is None:
            self.factory.remove(old)
            name = self.factory.make()
            if set(acts) <= ROWS.keys():
                tally.refused.update(acts)
        session.close()
        self._name = name
        tally.resets += reset
        differing = differences(self._image(name, dump=dump), self._model)
        if not dump:
            differing = [part for part in differing if part != "pg_dump"]
        if differing:
            tally.differences.append(
                f"{' + '.join(acts)} ({'reset' if reset else 'new'}): {', '.join(differing)}"
            )
        self._label(name)
        return reset

    def _act(self, acts: list[str]) -> Any:
        # An act can wait for a lock of a transaction that an earlier act has prepared: then it is rejected.
        options = "-c lock_timeout=2s"
        session = psycopg.connect(url_of(self.server, self._name), autocommit=True, options=options)
        for act in acts:
            if session.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                session.execute("rollback")  # an earlier act left it open
            text = (ROWS | OTHERS)[act]
            number = next(_numbers)
            # A block is one statement; each other statement is sent alone, because some need that.
            statements = [text] if "$$" in text else text.split("; ")
            for statement in statements:
                try:
                    session.execute(statement.replace("NUMBER", str(number)).encode())
                except psycopg.Error as error:
                    self.tally.rejected.setdefault(act, str(error))
                    if session.closed:
                        return session
                    with contextlib.suppress(psycopg.Error):
                        session.execute("rollback")
        return session

    def _label(self, name: str) -> None:
        with psycopg.connect(url_of(self.server), autocommit=True) as connection:
            name_sessions(connection, name, f"test-{next(_numbers)}")

    def _image(self, name: str, *, dump: bool) -> Image:
        url = url_of(self.server, name)
        with psycopg.connect(url_of(self.server), autocommit=True) as connection:
            # The label is set when a test gets the database.
            connection.execute(f'alter database "{name}" reset application_name'.encode())
        with psycopg.connect(url, autocommit=True) as connection:
            return image(connection, pg_dump=self._pg_dump if dump else "", url=url)


def random_acts(numbers: random.Random) -> list[str]:
    """Return one to three acts, mostly of rows only, so that a database is reset many times."""
    kinds = [*ROWS] if numbers.random() < 0.8 else [*ROWS, *OTHERS]
    return numbers.sample(kinds, numbers.choice([1, 1, 1, 2, 3]))
