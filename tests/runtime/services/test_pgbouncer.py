from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import infra_runtime as infra
from fakes.engine import spec_of
from infra_runtime.engines.local.stack import Stack
from infra_runtime.spec import WriteFile
from kinds.distribution import installed

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")


def files(**settings: object) -> dict[str, str]:
    """Return the texts of the files that are written before the start, by name."""
    steps = [step for step in spec_of("pgbouncer", **settings).prepare if isinstance(step, WriteFile)]
    assert all(step.mode == 0o600 for step in steps)
    return {step.path.rpartition("/")[2]: step.text for step in steps}


def test_the_password_is_only_in_a_private_file() -> None:
    assert files()["users.txt"] == '"${postgres.user}" "${postgres.password}"\n'
    assert "password" not in files()["pgbouncer.ini"]
    assert spec_of("pgbouncer").command == ("${bin.pgbouncer}", "${data}/pgbouncer.ini")


def test_the_pool_needs_the_server_of_the_setting() -> None:
    spec = spec_of("pgbouncer", server="orders")

    assert spec_of("pgbouncer").all_needs() == ("postgres",)
    assert spec.all_needs() == ("orders",)
    assert spec.exports["server"] == "orders"
    assert "* = host=${orders.host} port=${orders.port}\n" in files(server="orders")["pgbouncer.ini"]


def test_options_replace_the_default_settings() -> None:
    text = files(pool_mode="transaction", options={"log_stats": "1", "default_pool_size": "3"})[
        "pgbouncer.ini"
    ]

    lines = text.partition("[pgbouncer]\n")[2].splitlines()
    assert {"pool_mode = transaction", "log_stats = 1", "default_pool_size = 3"} <= {*lines}
    assert "log_stats = 0" not in lines


# --- the real server -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A pool with one connection for each database and user, which the tests share."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "infra.toml").write_text(
        'use = ["orders", "pgbouncer"]\n[services.orders]\nkind = "postgres"\n'
        '[services.pgbouncer]\nserver = "orders"\npool_mode = "transaction"\n'
        'options = { default_pool_size = "1" }\n'
    )
    with (
        installed("pgbouncer", folder),
        infra.start(environment="test", directory=folder, data=folder / "data") as stack,
    ):
        yield stack


def url(stack: Stack, user: str = "", password: str = "", database: str = "") -> str:
    """Return the URL of the pool for another user or database."""
    pool = stack.pgbouncer
    login = f"{user}:{password}" if user else f"{pool.user}:{pool.password}"
    return f"postgresql://{login}@{pool.host}:{pool.port}/{database or pool.database}"


@pytest.mark.real("pgbouncer", "postgres")
def test_clients_share_a_connection_to_the_server(shared: Stack) -> None:
    assert url(shared) == shared.pgbouncer.url
    connections = [psycopg.connect(shared.pgbouncer.url, autocommit=True) for _ in range(3)]
    pids = {
        connection.execute("select pg_backend_pid(), inet_server_port()").fetchone()
        for connection in connections
    }
    for connection in connections:
        connection.close()

    assert len(pids) == 1
    assert {port for _, port in pids} == {int(shared.orders.port)}


@pytest.mark.real("pgbouncer", "postgres")
def test_the_passwords_are_those_of_the_server_also_for_new_users(shared: Stack) -> None:
    with psycopg.connect(shared.orders.url) as connection:
        connection.execute("create role ada login password 'secret of ada'")

    with psycopg.connect(url(shared, "ada", "secret%20of%20ada")) as connection:
        assert connection.execute("select current_user").fetchone() == ("ada",)
    for user, password in (("ada", "wrong"), ("postgres", "wrong"), ("grace", "")):
        with pytest.raises(psycopg.OperationalError, match="failed"):
            psycopg.connect(url(shared, user, password))
    with psycopg.connect(url(shared, database="pgbouncer"), autocommit=True) as console:
        assert console.execute("show databases").fetchall()


@pytest.mark.real("pgbouncer", "postgres")
def test_the_pool_works_after_a_restart_of_the_server_and_of_a_renamed_database(shared: Stack) -> None:
    with psycopg.connect(shared.orders.url, autocommit=True) as connection:
        connection.execute("create database old")
    with psycopg.connect(url(shared, database="old")) as connection:
        connection.execute("create table pets as select 'Ada' as name")
    shared.restart("orders")

    with psycopg.connect(url(shared, database="old")) as connection:
        assert connection.execute("select name from pets").fetchone() == ("Ada",)
    with psycopg.connect(shared.orders.url, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'old'")
        connection.execute("alter database old rename to new")
    with psycopg.connect(url(shared, database="new")) as connection:
        assert connection.execute("select name from pets").fetchone() == ("Ada",)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url(shared, database="another"))


@pytest.mark.real("pgbouncer", "postgres")
def test_the_log_has_no_password(shared: Stack) -> None:
    log = Path(shared.data / "logs" / "pgbouncer.log").read_text()

    assert "process up" in log
    assert shared.pgbouncer.password not in log
    assert urlsplit(shared.pgbouncer.url).password == shared.orders.password
