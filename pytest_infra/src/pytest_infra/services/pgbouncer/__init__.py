"""The service kit of the kind `pgbouncer`: each test gets its own database, through the pool."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

_LOGIN = "{user}:{password}@{host}:{port}/{database}"

KIT = ServiceKit(
    kind="pgbouncer",
    variants=("pool",),
    units="pytest_infra.services.pgbouncer.isolation:units",
    dump="pytest_infra.services.pgbouncer.dump:dump",
    install={"psycopg": "pytest-infra[postgres]"},
    # Sources: libpq, "Connection URIs"; SQLAlchemy documentation, "PostgreSQL"; PgBouncer FAQ, for the JDBC
    # driver, whose prepared statements fail if a pool is shared by transactions.
    urls={
        "psycopg": f"postgresql://{_LOGIN}",
        "psycopg2": f"postgresql://{_LOGIN}",
        "asyncpg": f"postgresql://{_LOGIN}",
        "sqlalchemy+psycopg": f"postgresql+psycopg://{_LOGIN}",
        "sqlalchemy+psycopg2": f"postgresql+psycopg2://{_LOGIN}",
        "sqlalchemy+asyncpg": f"postgresql+asyncpg://{_LOGIN}",
        "jdbc": "jdbc:postgresql://{host}:{port}/{database}?user={user}&password={password}&prepareThreshold=0",
    },
    upstream="server",
    fixtures=(
        KitFixture(
            name="{service}_connection",
            function="pytest_infra.services.pgbouncer.clients:connection",
            summary="A psycopg connection to the test's database through the pool.",
        ),
    ),
)
