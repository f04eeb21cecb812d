"""The service kit of the kind `mariadb`: each test gets a database, with a user for only this database."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, Parameter, ServiceKit

_CLIENTS = "pytest_infra.services.mariadb.clients"
_LOGIN = "{user}:{password}@{host}:{port}/{database}"

KIT = ServiceKit(
    kind="mariadb",
    variants=("database",),
    units="pytest_infra.services.mariadb.isolation:units",
    dump="pytest_infra.services.mariadb.dump:dump",
    leftover="pytest_infra.services.mariadb.isolation:unkept",
    unit_name=r"infra_test_(?P<owner>[a-z0-9]+)_\d+",
    install={"pymysql": "pytest-infra[mariadb]", "aiomysql": "aiomysql"},
    # Sources: SQLAlchemy documentation, "MySQL and MariaDB"; MariaDB Connector/J, "Connection Strings".
    urls={
        "mysql": f"mysql://{_LOGIN}",
        "mariadb": f"mariadb://{_LOGIN}",
        # PyMySQL reads the certificates of the system for each connection, which takes tens of milliseconds.
        "sqlalchemy+pymysql": f"mysql+pymysql://{_LOGIN}?ssl_disabled=true",
        "sqlalchemy+aiomysql": f"mysql+aiomysql://{_LOGIN}",
        "sqlalchemy+asyncmy": f"mysql+asyncmy://{_LOGIN}",
        "sqlalchemy+mysqldb": f"mysql+mysqldb://{_LOGIN}",
        "jdbc": "jdbc:mariadb://{host}:{port}/{database}?user={user}&password={password}",
    },
    parameters=(
        Parameter(
            name="migrations",
            read="pytest_infra.services.mariadb.migrations:read",
            summary="SQL files, their folder, MODULE:FUNCTION, or a list of them",
        ),
    ),
    fixtures=(
        KitFixture(
            name="{service}_connection",
            function=f"{_CLIENTS}:connection",
            summary="A PyMySQL connection to the test's database. Uncommitted changes are rolled back.",
        ),
        KitFixture(
            name="{service}_aiomysql",
            function=f"{_CLIENTS}:aiomysql_connection",
            summary="An aiomysql connection to the test's database. Uncommitted changes are rolled back.",
            asynchronous=True,
        ),
    ),
)
