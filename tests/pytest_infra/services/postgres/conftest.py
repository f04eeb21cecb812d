"""The fixture `database`, an empty database on a server that the tests of a module share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from infra_runtime.engines.local import engine as stacks
from infra_runtime.engines.local.stack import Endpoint, Stack
from pytest_infra.services.postgres import obstacles
from pytest_infra.services.postgres.database import Database
from pytest_infra.services.postgres.statements import execute, url_of

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack with a server for migrations."""
    folder = tmp_path_factory.mktemp("migrated")
    (folder / "infra.toml").write_text('use = ["postgres"]\n[services.postgres]\n')
    with stacks.start("postgres", directory=folder, environment="test") as stack:
        yield stack


@pytest.fixture
def database(migrated: Stack) -> Iterator[Endpoint]:
    """An empty database, as the function of a migration gets it."""
    psycopg = pytest.importorskip("psycopg")
    server = migrated.postgres
    empty_database = Database(server, f"migrated_{next(_numbers)}", "a test")
    with psycopg.connect(url_of(server), autocommit=True) as connection:
        execute(connection, "create database {}", empty_database.id)
        yield empty_database
        obstacles.drop(connection, server, empty_database.id)
