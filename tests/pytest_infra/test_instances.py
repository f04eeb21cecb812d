"""The services that have fixtures, the kind of each service, and the separation of instances of one kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.suite import Suite
from pytest_infra import kit_registry
from pytest_infra.instances import Instances
from pytest_infra.options import Options

TWO_INSTANCES = """use = ["postgres", "analytics"]

[services.analytics]
kind = "postgres"
"""


def fixture_kinds(folder: Path, text: str = "", *services: str) -> dict[str, str]:
    """Return the kind of each fixture in a project with this stack file."""
    (folder / "infra.toml").write_text(text, encoding="utf-8")
    options = Options(
        services=services,
        profile=None,
        environment="test",
        data=None,
        directory=folder,
        reuse=None,
        keep=False,
        strict=False,
        tmpfs=None,
        install=False,
        record=False,
        cluster=None,
    )
    return {name: instance.kit.kind for name, instance in Instances(options).fixtures().items()}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('[services.analytics]\nkind = "postgres"', "postgres"),
        ('[services.analytics]\ncommand = ["x"]', ""),
        (
            '[services.analytics]\ncommand = ["x"]\n[environment.test.services.analytics]\nneeds = ["nats"]',
            "",
        ),
        ('[environment.test.services.analytics]\nkind = "valkey"', "valkey"),
        (
            '[services.analytics]\nkind = "nats"\n[environment.test.services.analytics]\nkind = "valkey"',
            "valkey",
        ),
    ],
    ids=["kind", "command", "command with overlay", "environment", "overlaid kind"],
)
def test_the_kind_of_a_service_is_read_from_its_table(tmp_path: Path, text: str, kind: str) -> None:
    assert fixture_kinds(tmp_path, text)["analytics"] == kind


def test_the_kind_of_a_service_is_read_from_an_overlay_file(tmp_path: Path) -> None:
    (tmp_path / "infra.test.toml").write_text('[services.analytics]\nkind = "postgres"')

    assert fixture_kinds(tmp_path)["analytics"] == "postgres"


def test_an_overlay_file_has_priority_over_the_table_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "infra.test.toml").write_text('[services.analytics]\nkind = "postgres"')

    text = '[environment.test.services.analytics]\nkind = "valkey"'

    assert fixture_kinds(tmp_path, text)["analytics"] == "postgres"


def test_a_command_under_the_name_of_a_kind_is_the_users_own_service(tmp_path: Path) -> None:
    assert fixture_kinds(tmp_path, '[services.postgres]\ncommand = ["x"]')["postgres"] == ""


def test_a_name_with_a_hyphen_has_a_fixture_with_an_underscore(tmp_path: Path) -> None:
    assert fixture_kinds(tmp_path, '[services.read-replica]\nkind = "postgres"')["read_replica"] == "postgres"


@pytest.mark.parametrize(
    ("text", "services", "searched"),
    [
        ("", (), False),
        ('use = ["postgres"]\n[services.shop]\ncommand = ["x"]', ("nats",), False),
        ('[services.analytics]\nkind = "postgres"', (), False),
        ('use = ["shelf"]', (), True),
        ('[services.books]\nkind = "shelf"', (), True),
        ("", ("shelf",), True),
    ],
)
def test_other_distributions_are_searched_for_kinds_that_are_not_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, services: tuple[str, ...], searched: bool
) -> None:
    searches = []
    monkeypatch.setattr(kit_registry, "_entry_points", lambda: searches.append(1) or {})

    fixture_kinds(tmp_path, text, *services)

    assert bool(searches) is searched


@pytest.mark.real("postgres")
def test_each_instance_of_a_kind_has_its_own_server_migrations_and_clients(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.stack(TWO_INSTANCES)
    for table in ("orders", "events"):
        (suite.root / f"{table}.sql").write_text(f"create table {table} (number integer)")
    suite.pytester.makeini(
        "[pytest]\nfilterwarnings = error\n"
        "infra_postgres_migrations = orders.sql\ninfra_analytics_migrations = events.sql\n"
    )
    suite.test(
        """
        import pytest

        TABLES = "select tablename from pg_tables where schemaname = 'public'"

        @pytest.mark.parametrize("number", range(3))
        def test_it(
            postgres, analytics, postgres_connection, analytics_connection,
            postgres_transaction, analytics_transaction, number,
        ):
            assert postgres.port != analytics.port
            assert analytics_connection.info.port == analytics.port
            assert analytics_connection.info.dbname == analytics.database
            for connection in (postgres_connection, postgres_transaction):
                assert connection.execute(TABLES).fetchall() == [("orders",)]
                connection.execute("insert into orders values (1)")
            for connection in (analytics_connection, analytics_transaction):
                assert connection.execute(TABLES).fetchall() == [("events",)]

        def test_units(infra_unit, infra_url):
            import psycopg
            with infra_unit("analytics") as unit:
                assert infra_url(unit, "sqlalchemy+psycopg").startswith("postgresql+psycopg://postgres:")
                assert unit.url_for("jdbc") == infra_url(unit, "jdbc")
                with psycopg.connect(infra_url(unit, "psycopg")) as connection:
                    assert connection.execute(TABLES).fetchall() == [("events",)]
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["infra: 2 services, *0 processes, 0 ports, 0 sockets left"])


@pytest.mark.real("postgres")
def test_an_instance_does_not_inherit_the_migrations_of_another(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.stack(TWO_INSTANCES)
    suite.pytester.makeconftest(
        """
        import pytest

        def migrate(database):
            import psycopg
            with psycopg.connect(database.url) as connection:
                connection.execute("create table orders (number integer)")

        @pytest.fixture(scope="session")
        def infra_postgres_migrations():
            return migrate
        """
    )
    suite.test(
        """
        def test_it(postgres_connection, analytics_connection):
            has_table = [
                connection.execute("select to_regclass('orders') is not null").fetchone()[0]
                for connection in (postgres_connection, analytics_connection)
            ]
            assert has_table == [True, False]
        """
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("valkey")
def test_isolation_and_scope_are_chosen_for_each_instance(suite: Suite) -> None:
    pytest.importorskip("valkey")
    suite.stack('use = ["valkey", "sessions", "flags"]\n[services.sessions]\nkind = "valkey"\n')
    with (suite.root / "infra.toml").open("a") as file:
        file.write('[services.flags]\nkind = "valkey"\n')
    suite.pytester.makeini(
        "[pytest]\nfilterwarnings = error\n"
        "infra_isolation =\n    sessions: prefix\n    flags: off\ninfra_scope = sessions: module\n"
    )
    suite.test(
        """
        def test_it(valkey, sessions, flags, valkey_client, sessions_client, infra_service):
            assert (valkey.prefix, sessions.prefix) == ("", "prefix-1:")
            assert (valkey.label, sessions.label) == ("test_it.py::test_it", "test_it.py")
            assert flags.url == infra_service("flags").url
            assert len({valkey.port, sessions.port, flags.port}) == 3
            sessions_client.set(sessions.prefix + "a", 1)
            assert valkey_client.keys() == []
        """
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("nats")
def test_accounts_are_counted_for_each_instance(suite: Suite) -> None:
    suite.stack(
        'use = ["nats", "events"]\n[services.nats]\naccounts = 1\n'
        '[services.events]\nkind = "nats"\naccounts = 1\n'
    )
    suite.test(
        """
        def test_it(nats, events):
            assert nats.id == events.id == "test1"
            assert nats.port != events.port
        """
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("caddy", "pocketbase")
def test_copies_are_made_of_each_instance(suite: Suite) -> None:
    pytest.importorskip("httpx")
    suite.stack(
        'use = ["caddy", "edge", "pocketbase", "backend"]\n'
        '[services.edge]\nkind = "caddy"\n[services.backend]\nkind = "pocketbase"\n'
    )
    suite.test(
        """
        def test_it(caddy, edge, pocketbase, backend, http_client):
            edge.respond("/hello", body="hi")
            assert http_client(edge).get("/hello").text == "hi"
            assert http_client(caddy).get("/hello").status_code == 404
            assert http_client("backend").get("/api/health").status_code == 200
            assert len({pocketbase.port, backend.port, caddy.port, edge.port}) == 4
        """
    )

    suite.run().assert_outcomes(passed=1)
