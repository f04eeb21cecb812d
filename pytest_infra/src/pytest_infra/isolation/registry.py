"""Who has what: the units of this process, by service, from the first test that asks to the last."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra_runtime.errors import InfraError
from pytest_infra.isolation import variants
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit, Units

if TYPE_CHECKING:
    from infra_runtime.engines.local.stack import Endpoint
    from pytest_infra.services.postgres.migrations import Migrations, Source
    from pytest_infra.session import Session


class Allotment:
    """Makes units when they are asked for, keeps account of them, and leaves nothing behind."""

    def __init__(self, session: Session, config: pytest.Config) -> None:
        self._session, self._config = session, config
        self._chosen = variants.variants(config)
        self._owner: Owner | None = None
        self._units: dict[Hashable, Units] = {}
        #: those that somebody has now
        self.live: list[Unit] = []
        #: seconds that each unit was waited for
        self.waits: list[float] = []
        #: what could not be removed
        self.left: list[str] = []

    @contextlib.contextmanager
    def unit(
        self, service: str, label: str, *, migrations: Source = None, shared: bool = False
    ) -> Iterator[Endpoint]:
        """A unit of a service for as long as the block lasts; with isolation off, the service itself."""
        endpoint = self._session.service(service)
        variant = self._chosen.get(service, "")
        if service == "nats" and "account_password" not in endpoint:
            # A stack that a person runs has none, and no test should fail for that.
            self._tell("nats has no accounts for tests (`services.nats.accounts`): all tests share it")
            shared = True
        if shared or variant == variants.OFF:
            yield endpoint
            return
        began = time.perf_counter()
        try:
            units = self._of(endpoint, variant, migrations)
            unit = units.acquire(label)
        except InfraError as error:
            raise self._session.refusal(("unit", service), error) from None
        self.waits.append(time.perf_counter() - began)
        self.live.append(unit)
        try:
            yield unit
        finally:
            self.live.remove(unit)
            units.release(unit)

    def close(self) -> list[str]:
        """Remove everything. Returns what could not be removed."""
        for units in self._units.values():
            self.left += units.close()
        self._units.clear()
        if self._owner is not None:
            self._owner.close()
            self._owner = None
        return self.left

    def _tell(self, what: str) -> None:
        if what not in self._session.told:
            self._session.told.append(what)

    def _of(self, endpoint: Endpoint, variant: str, source: Source) -> Units:
        key: Hashable = endpoint.name
        found = None
        if endpoint.name == "postgres":
            from pytest_infra.services.postgres import migrations

            found = migrations.read(source, self._config.rootpath)
            key = endpoint.name, found.key
        if key not in self._units:
            self._units[key] = self._made(endpoint, variant, found)
        return self._units[key]

    def _made(self, endpoint: Endpoint, variant: str, migrations: Migrations | None) -> Units:
        stack = Path(self._session.data[-1])
        if migrations is not None:
            from pytest_infra.services.postgres.isolation import Databases

            pg_dump = self._session.executables.get("pg_dump", "")
            return Databases(endpoint, self.owner, migrations, pg_dump=pg_dump)
        if endpoint.name == "nats":
            from pytest_infra.services.nats.isolation import Accounts

            return Accounts(endpoint, stack)
        if endpoint.name == "valkey":
            from pytest_infra.services.valkey.isolation import Users

            return Users(endpoint, stack, variant)
        if endpoint.name == "pocketbase":
            from pytest_infra.services.pocketbase.isolation import Copies

            return Copies(endpoint, stack, self._session.resolved(endpoint.name))
        if endpoint.name == "caddy":
            from pytest_infra.services.caddy.isolation import Hosts

            return Hosts(endpoint, self.owner, stack, self._session.resolved(endpoint.name))
        from pytest_infra.isolation.user_services import OwnUnits

        return OwnUnits(endpoint, self.owner, self._config.hook)

    @property
    def owner(self) -> Owner:
        """This process as an owner, in the stack's data directory."""
        if self._owner is None:
            worker = getattr(self._config, "workerinput", {}).get("workerid", "")
            self._owner = Owner(Path(self._session.data[-1]), worker)
            self._session.owners.append(self._owner.token)
        return self._owner
