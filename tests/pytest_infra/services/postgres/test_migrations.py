"""The migrations of a template, and the key that changes when a new template is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.migrations import Migrations
from pytest_infra.services.postgres.migrations import hint, read

#: the fixture that the errors name
WHERE = "infra_postgres_migrations"


def _migrate(database: Endpoint) -> None: ...


def _migrate_differently(database: Endpoint) -> None: ...


def _key(source: object, root: Path) -> str:
    return read(source, root, WHERE).key  # type: ignore[arg-type]  # some tests pass invalid values


@pytest.fixture
def sql(tmp_path: Path) -> Path:
    folder = tmp_path / "sql"
    folder.mkdir()
    (folder / "1.sql").write_text("create table a ()")
    (folder / "2.sql").write_text("create table b ()")
    return folder


def test_the_same_files_have_the_same_key_with_relative_and_absolute_paths(sql: Path) -> None:
    assert _key("sql", sql.parent) == _key(sql, Path("/")) == _key(str(sql), sql.parent)


@pytest.mark.parametrize(
    ("file", "text"),
    [("2.sql", "create table c ()"), ("3.sql", ""), ("deeper/1.sql", "")],
    ids=["text", "file", "folder"],
)
def test_changed_text_and_new_files_change_the_key(sql: Path, file: str, text: str) -> None:
    before = _key(sql, sql)
    (sql / file).parent.mkdir(exist_ok=True)

    (sql / file).write_text(text)

    assert _key(sql, sql) != before


def test_a_renamed_file_changes_the_key_because_the_order_may_change(sql: Path) -> None:
    before = _key(sql, sql)

    (sql / "2.sql").rename(sql / "0.sql")

    assert _key(sql, sql) != before


def test_two_functions_of_a_module_have_different_keys(tmp_path: Path) -> None:
    assert _key(_migrate, tmp_path) == _key(_migrate, tmp_path)
    assert _key(_migrate, tmp_path) != _key(_migrate_differently, tmp_path)
    assert len(_key(_migrate, tmp_path)) == 16


def test_migrations_with_the_same_key_are_equal_and_share_a_pool() -> None:
    first, second = (Migrations.of(lambda _: None, version="1") for _ in range(2))

    assert first == second
    assert len({first, second, Migrations.of(lambda _: None, version="2")}) == 2


def test_a_callable_whose_source_cannot_be_read_requires_a_version(tmp_path: Path) -> None:
    class Callable:
        def __call__(self, database: Endpoint) -> None: ...

    with pytest.raises(ConfigurationError, match=r"source of .* cannot be found") as caught:
        read(Callable(), tmp_path, WHERE)

    assert "version=" in caught.value.hint
    first, second = (Migrations.of(Callable(), version=version).key for version in "12")
    assert first != second


def test_the_key_depends_on_additional_files(sql: Path) -> None:
    before = Migrations.of(_migrate, sql).key

    (sql / "2.sql").write_text("")

    assert Migrations.of(_migrate, sql).key != before


def test_the_key_of_alembic_migrations_depends_on_the_scripts(tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/scripts\n")
    (tmp_path / "scripts" / "versions").mkdir(parents=True)
    before = _key(tmp_path, tmp_path)

    (tmp_path / "scripts" / "versions" / "1.py").write_text("revision = '1'")

    assert _key("alembic.ini", tmp_path) == _key(tmp_path, tmp_path) != before


def test_a_function_can_be_given_by_module_and_name(tmp_path: Path) -> None:
    assert read("pytest_infra.services.postgres.migrations:read", tmp_path, WHERE).run is read


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "neither a folder"),
        ("no.such.module:function", "cannot be imported"),
        ("os.path:no_such_function", "cannot be imported"),
    ],
)
def test_an_invalid_source_is_reported_with_the_reason(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(source, tmp_path, WHERE)


def test_a_folder_without_sql_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"contains no `\*\.sql` file"):
        read(tmp_path, tmp_path, WHERE)


def test_the_hint_for_a_missing_extension_names_the_extension_and_the_setting() -> None:
    text = hint('extension "postgis" is not available\nHINT:  The extension must first be installed', "maps")

    assert "has no extension postgis" in text
    assert "set `binary` in the table `[services.maps]`" in text
    assert hint("syntax error", "maps") == "Correct the migration."
