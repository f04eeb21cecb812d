"""Alembic upgrades the database of the template to all heads, whichever way `env.py` gets the URL."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes import forked
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.services.postgres import alembic_process, alembic_upgrade
from pytest_infra.services.postgres.failed_migration import MigrationError
from pytest_infra.services.postgres.migrations import read
from pytest_infra.services.postgres.statements import url_at

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")
if importlib.util.find_spec("alembic") is None:  # its import would slow down every run of any test
    pytest.skip("the minimal profile has no Alembic", allow_module_level=True)
pytestmark = pytest.mark.real("postgres")

WHERE = "infra_postgres_migrations"
CONFIGURE = """
import os
from alembic import context
from sqlalchemy import create_engine, engine_from_config, pool

def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
#: how `env.py` gets its connection → its code
WAYS = {
    "option": """
with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    migrate(connection)
""",
    "section": """
section = context.config.get_section(context.config.config_ini_section, {})
with engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool).connect() as connection:
    migrate(connection)
""",
    "DATABASE_URL": """
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    migrate(connection)
""",
    "variable of the user": """
with create_engine(os.environ["SHOP_DB"]).connect() as connection:
    migrate(connection)
""",
    "variable in .env": """
from pathlib import Path
values = dict(line.split("=") for line in Path(".env").read_text().split())
values |= {name: os.environ[name] for name in values if name in os.environ}
with create_engine(values["SHOP_DB_2"]).connect() as connection:
    migrate(connection)
""",
    "variables with parts of the URL": """
from sqlalchemy import URL
parts = {"username": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT", "database": "NAME"}
defaults = {"HOST": "127.0.0.1", "PORT": "1", "NAME": "production", "USER": "me", "PASSWORD": "word"}
values = {part: os.environ.get(f"DB_{name}", defaults[name]) for part, name in parts.items()}
url = URL.create("postgresql+psycopg", **values | {"port": int(values["port"])})
with create_engine(url).connect() as connection:
    migrate(connection)
""",
    "parts in .env": """
from pathlib import Path
values = dict(line.split("=") for line in Path(".env").read_text().split())
values |= {name: os.environ[name] for name in values if name in os.environ}
address = "{SHOP_DB_USER}:{SHOP_DB_PASSWORD}@{SHOP_DB_HOST}:{SHOP_DB_PORT}/{SHOP_DB_NAME}"
with create_engine("postgresql+psycopg://" + address.format_map(values)).connect() as connection:
    migrate(connection)
""",
    "variables of libpq": """
with create_engine("postgresql+psycopg://").connect() as connection:
    migrate(connection)
""",
    "attribute with the URL": """
with create_engine(context.config.attributes["url"]).connect() as connection:
    migrate(connection)
""",
    "attribute with the connection": """
migrate(context.config.attributes["connection"])
""",
    "connection or option": """
connectable = context.config.attributes.get("connection") or create_engine(
    context.config.get_main_option("sqlalchemy.url")
)
with connectable.connect() as connection:
    migrate(connection)
""",
    "asyncio": """
import asyncio
from sqlalchemy.ext.asyncio import async_engine_from_config

async def run():
    section = context.config.get_section(context.config.config_ini_section, {})
    engine = async_engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(run())
""",
}
#: the end of `env.py` of the usual kind
ENV = CONFIGURE + WAYS["option"]


@pytest.fixture(autouse=True)
def _forked_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run Alembic in a fork of this process: a new process spends a second on the same imports."""
    for module in ("alembic.command", "sqlalchemy.dialects.postgresql.psycopg"):
        importlib.import_module(module)

    def run(command: list[str], *, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
        program = forked.Program(arguments=["-c"], main=alembic_process.main, path=cwd)
        done = forked.run(program, cwd, 120, environ=options["env"], stdin=options["input"])
        return subprocess.CompletedProcess(command, done.code, done.out, done.err)

    monkeypatch.setattr(alembic_upgrade, "subprocess", SimpleNamespace(run=run))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with Alembic, whose only revision creates the table `a`."""
    (tmp_path / "scripts" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = scripts\n")
    (tmp_path / "scripts" / "env.py").write_text(ENV)
    revision(tmp_path / "scripts" / "versions", "a")
    return tmp_path


def revision(folder: Path, name: str, *statements: str, after: str = "") -> None:
    """Write a revision, which creates a table of the same name by default."""
    lines = [f"    op.execute({text!r})" for text in statements or [f"create table {name} ()"]]
    parent = repr(after) if after else None
    head = f"from alembic import op\nrevision, down_revision = {name!r}, {parent}\n\ndef upgrade():\n"
    (folder / f"{name}.py").write_text(head + "\n".join(lines) + "\n")


def migrate(root: Path, database: Endpoint, source: Any = "alembic.ini") -> list[str]:
    """Run the migrations and return the names of the tables."""
    read(source, root, WHERE).run(database)
    with psycopg.connect(database.url) as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = 'public' order by 1")
        return [name for (name,) in rows.fetchall() if name != "alembic_version"]


def test_env_py_runs_in_a_new_process(
    root: Path, database: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alembic_upgrade, "subprocess", subprocess)
    (root / "scripts" / "env.py").write_text(f"import sys\nassert 'pytest' not in sys.modules\n{ENV}")

    assert migrate(root, database) == ["a"]


@pytest.mark.parametrize("way", WAYS)
def test_the_database_is_upgraded_however_env_py_connects(
    root: Path, database: Endpoint, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "asyncio":
        pytest.importorskip("greenlet", reason="SQLAlchemy needs it for asyncio")
    # With this URL, the upgrade would fail: no server listens on the port.
    monkeypatch.setenv("SHOP_DB", "postgresql+psycopg://me:word@127.0.0.1:1/production")
    (root / ".env").write_text(
        "SHOP_DB_2=postgresql+psycopg://me:word@127.0.0.1:1/production\nSHOP_DB_HOST=127.0.0.1\n"
        "SHOP_DB_PORT=1\nSHOP_DB_NAME=production\nSHOP_DB_USER=me\nSHOP_DB_PASSWORD=word\n"
    )
    (root / "scripts" / "env.py").write_text(CONFIGURE + WAYS[way])

    assert migrate(root, database) == ["a"]


def test_the_driver_of_the_configured_url_is_kept(
    root: Path, database: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("greenlet", reason="SQLAlchemy needs it for asyncio")
    pytest.importorskip("asyncpg")
    url = "postgresql+asyncpg://me@production/shop"
    (root / "alembic.ini").write_text(f"[alembic]\nscript_location = scripts\nsqlalchemy.url = {url}\n")
    monkeypatch.setenv("SHOP_DB", "postgresql://me@production/shop")
    checks = "assert os.environ['DATABASE_URL'].startswith('postgresql+asyncpg:')\n"
    (root / "scripts" / "env.py").write_text(CONFIGURE + checks + WAYS["asyncio"])

    assert migrate(root, database) == ["a"]


def test_all_heads_are_upgraded(root: Path, database: Endpoint) -> None:
    for name, parent in {"b": "a", "c": "a", "d": ""}.items():
        revision(root / "scripts" / "versions", name, after=parent)

    assert migrate(root, database) == ["a", "b", "c", "d"]


def test_the_table_of_pyproject_toml_is_the_configuration(root: Path, database: Endpoint) -> None:
    (root / "alembic.ini").unlink()
    (root / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "%(here)s/scripts"\nprepend_sys_path = ["src"]\n'
        'version_locations = ["%(here)s/scripts/versions", "more"]\n'
    )
    (root / "src").mkdir()
    (root / "src" / "names_of_tables.py").write_text("NAME = 'b'")
    (root / "more").mkdir()
    (root / "more" / "b.py").write_text(
        "from alembic import op\nfrom names_of_tables import NAME\nrevision, down_revision = 'b', None\n"
        "def upgrade(): op.execute(f'create table {NAME} ()')\n"
    )

    assert migrate(root, database, "pyproject.toml") == ["a", "b"]


def test_sql_files_alembic_and_functions_run_in_the_order_of_a_list(root: Path, database: Endpoint) -> None:
    (root / "sql").mkdir()
    (root / "sql" / "1.sql").write_text("create table first ()")
    (root / "last.sql").write_text("create table last (like a)")
    revision(root / "scripts" / "versions", "a", "create table a (like first)")

    def function(empty: Endpoint) -> None:
        with psycopg.connect(empty.url) as connection:
            connection.execute("create table middle (like a)")

    assert migrate(root, database, ["sql", "alembic.ini", function, root / "last.sql"]) == [
        "a",
        "first",
        "last",
        "middle",
    ]


def test_a_failed_revision_is_reported_with_its_line_and_statement(root: Path, database: Endpoint) -> None:
    revision(
        root / "scripts" / "versions", "b", "create table b ()", "insert into nowhere\nvalues (1)", after="a"
    )

    with pytest.raises(MigrationError) as caught:
        migrate(root, database)

    text = str(caught.value)
    first = text.splitlines()[0]
    assert first.startswith(
        f'{root}/scripts/versions/b.py:6: UndefinedTable: relation "nowhere" does not exist'
    )
    assert "Statement:\n    insert into nowhere\n    values (1)\n" in text
    assert database["password"] not in text


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("if", "SyntaxError: invalid syntax"),
        ("raise SystemExit(4)", "SystemExit: 4"),
    ],
)
def test_an_error_in_env_py_is_reported_with_its_line(
    root: Path, database: Endpoint, code: str, expected: str
) -> None:
    (root / "scripts" / "env.py").write_text(f"\n{code}\n")

    with pytest.raises(MigrationError) as caught:
        migrate(root, database)

    assert str(caught.value).startswith(f"{root}/scripts/env.py:2: {expected}")


def test_an_unknown_revision_is_named_in_the_first_line(root: Path, database: Endpoint) -> None:
    revision(root / "scripts" / "versions", "b", after="nowhere")

    with pytest.raises(MigrationError) as caught:
        migrate(root, database)

    assert "nowhere" in str(caught.value).splitlines()[0]


def test_an_env_py_with_another_database_is_an_error(root: Path, database: Endpoint) -> None:
    (root / "scripts" / "env.py").write_text(
        CONFIGURE + "with create_engine('sqlite://').connect() as connection:\n    migrate(connection)\n"
    )
    (root / "scripts" / "versions" / "a.py").write_text(
        "revision, down_revision = 'a', None\ndef upgrade(): pass\n"
    )

    with pytest.raises(ConfigurationError, match="has not changed the database") as caught:
        migrate(root, database)

    assert "`sqlalchemy.url`" in caught.value.hint


def test_a_connection_to_another_database_of_postgresql_fails_before_a_change(
    root: Path, database: Endpoint
) -> None:
    other = url_at(database.url, "postgres")
    (root / "scripts" / "env.py").write_text(
        CONFIGURE
        + f"url = {other!r}.replace('postgresql:', 'postgresql+psycopg:')\n"
        + "with create_engine(url).connect() as connection:\n    migrate(connection)\n"
    )

    with pytest.raises(MigrationError) as caught:
        migrate(root, database)

    line = CONFIGURE.count("\n") + 2
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"{root}/scripts/env.py:{line}: OtherDatabaseError: the connection is to")
    assert "'postgres'" in first
    assert repr(database["database"]) in first
    assert database["password"] not in str(caught.value)
    assert "DB_HOST" in caught.value.hint
    with psycopg.connect(other) as connection:
        assert connection.execute("select to_regclass('alembic_version')").fetchone() == (None,)


def test_an_unreachable_server_has_a_hint_with_the_variables_of_the_address(
    root: Path, database: Endpoint
) -> None:
    url = "postgresql+psycopg://me@127.0.0.1:1/production"
    (root / "scripts" / "env.py").write_text(f"{CONFIGURE}create_engine({url!r}).connect()\n")

    with pytest.raises(MigrationError) as caught:
        migrate(root, database)

    assert "DB_HOST" in caught.value.hint


def test_scripts_without_revisions_leave_the_database_empty(root: Path, database: Endpoint) -> None:
    (root / "scripts" / "versions" / "a.py").unlink()

    assert migrate(root, database) == []


def test_missing_alembic_is_an_error_with_the_command_that_installs_it(
    root: Path, database: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_spec(name: str) -> object:
        return None if name == "alembic" else importlib.util.find_spec(name)

    monkeypatch.setattr(alembic_upgrade, "find_spec", find_spec)

    with pytest.raises(ConfigurationError, match="not installed") as caught:
        migrate(root, database)

    assert "pip install alembic" in caught.value.hint
