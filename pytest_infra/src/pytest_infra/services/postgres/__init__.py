"""The kit of the kind `postgres`: a database for each test, with the contents of a migrated template."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, Parameter, ServiceKit

_CLIENTS = "pytest_infra.services.postgres.clients"
_LOGIN = "{user}:{password}@{host}:{port}/{database}"

KIT = ServiceKit(
    kind="postgres",
    # In the variant `clone`, no database is used again for another test.
    variants=("database", "clone", "server"),
    units="pytest_infra.services.postgres.isolation:units",
    local_needs={"server": "a server for each test, which is a copy of its folder"},
    dump="pytest_infra.services.postgres.dump:dump",
    leftover="pytest_infra.services.postgres.isolation:unkept",
    unit_name=r"infra_test_(?P<owner>[a-z0-9]+)_\d+",
    install={"psycopg": "pytest-infra[postgres]", "asyncpg": "asyncpg"},
    # Sources: libpq, "Connection URIs"; SQLAlchemy documentation, "PostgreSQL" and its "DBAPI" sections.
    urls={
        "psycopg": f"postgresql://{_LOGIN}",
        "psycopg2": f"postgresql://{_LOGIN}",
        "asyncpg": f"postgresql://{_LOGIN}",
        "sqlalchemy+psycopg": f"postgresql+psycopg://{_LOGIN}",
        "sqlalchemy+psycopg2": f"postgresql+psycopg2://{_LOGIN}",
        "sqlalchemy+asyncpg": f"postgresql+asyncpg://{_LOGIN}",
        "jdbc": "jdbc:postgresql://{host}:{port}/{database}?user={user}&password={password}",
    },
    fixed_address="pytest_infra.services.postgres.fixed_address:listen",
    parameters=(
        Parameter(
            name="migrations",
            read="pytest_infra.services.postgres.migrations:read",
            summary="SQL files, their folder, an alembic.ini or pyproject.toml, MODULE:FUNCTION, or a list",
        ),
    ),
    fixtures=(
        KitFixture(
            name="{service}_connection",
            function=f"{_CLIENTS}:connection",
            summary="A psycopg connection to the test's database. Uncommitted changes are rolled back.",
        ),
        KitFixture(
            name="_{service}_session_database",
            function=f"{_CLIENTS}:session_database",
            summary="A psycopg connection to the database that `{service}_transaction` uses in all tests.",
            arguments={"unit_of": "infra_unit", "migrations": "infra_{service}_migrations"},
            scope="session",
        ),
        KitFixture(
            name="{service}_transaction",
            function=f"{_CLIENTS}:transaction",
            summary="A psycopg connection inside a transaction that is rolled back after the test.",
            arguments={"connection": "_{service}_session_database"},
        ),
        KitFixture(
            name="{service}_asyncpg",
            function=f"{_CLIENTS}:asyncpg_connection",
            summary="An asyncpg connection to the test's database.",
            asynchronous=True,
        ),
    ),
)
