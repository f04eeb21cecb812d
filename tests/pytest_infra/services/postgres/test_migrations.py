"""The sources of migrations, and the key that changes when a new template is needed."""

from __future__ import annotations

import asyncio
import functools
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.migrations import Migrations
from pytest_infra.services.postgres.migrations import read

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

    with pytest.raises(ConfigurationError, match=r"source code of .* cannot be found") as caught:
        read(Callable(), tmp_path, WHERE)

    assert "version=" in caught.value.hint
    first, second = (Migrations.of(Callable(), version=version).key for version in "12")
    assert first != second


def test_the_key_depends_on_additional_files(sql: Path) -> None:
    before = Migrations.of(_migrate, sql).key

    (sql / "2.sql").write_text("")

    assert Migrations.of(_migrate, sql).key != before


#: functions that append their argument to `CALLS`, as names in a module
NAMED = """
import asyncio
from functools import partial
CALLS = []

def fill(database): CALLS.append(database)

class Shop:
    @staticmethod
    def fill(database): CALLS.append(database)

    async def __call__(self, database): CALLS.append(database)

async def fill_async(database):
    await asyncio.sleep(0)
    CALLS.append(database)

bound = partial(fill_async)
instance = Shop()
"""


@pytest.mark.parametrize("name", ["fill", "Shop.fill", "fill_async", "bound", "instance"])
@pytest.mark.parametrize("loop", [False, True], ids=["no loop", "running loop"])
def test_a_function_or_coroutine_function_can_be_given_by_module_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, loop: bool
) -> None:
    (tmp_path / "named_functions.py").write_text(NAMED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "named_functions", raising=False)
    named_functions = importlib.import_module("named_functions")
    database = Endpoint("postgres", {}, {}, "/data")
    migrations = (
        Migrations.of(named_functions.instance, version="1")
        if name == "instance"
        else read(f"named_functions:{name}", tmp_path, WHERE)
    )

    async def run_in_a_loop() -> None:
        migrations.run(database)

    if loop:
        asyncio.run(run_in_a_loop())
    else:
        migrations.run(database)

    assert [database] == named_functions.CALLS


def test_a_module_that_fails_is_reported_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_that_fails.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigurationError, match="ZeroDivisionError: division by zero"):
        read("module_that_fails:run", tmp_path, WHERE)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "not a source of migrations"),
        ("no.such.module:function", "cannot be imported"),
        ("os.path:no_such_function", "cannot be imported"),
    ],
)
def test_an_invalid_source_is_reported_with_the_reason(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(source, tmp_path, WHERE)


# --- functions -------------------------------------------------------------------------------------


def _bound(number: int) -> Callable[[Endpoint], object]:
    return lambda _: number


def test_functions_of_one_name_with_other_values_or_lines_have_different_keys(tmp_path: Path) -> None:
    first, second = (lambda _: 1), (lambda _: 2)
    partial = [functools.partial(_bound, number) for number in (1, 2)]
    keys = [_key(source, tmp_path) for source in (_bound(1), _bound(2), first, second, *partial)]

    assert len({*keys}) == 6
    assert _key(_bound(1), tmp_path) == keys[0]


def test_a_bound_value_without_a_stable_text_does_not_change_the_key(tmp_path: Path) -> None:
    first, second = (functools.partial(_bound, object()) for _ in range(2))  # type: ignore[arg-type]  # any

    assert _key(first, tmp_path) == _key(second, tmp_path)


# --- lists -----------------------------------------------------------------------------------------


def test_a_list_runs_its_sources_in_order(tmp_path: Path) -> None:
    calls: list[str] = []
    parts = [Migrations.of(lambda _, name=name: calls.append(name), version=name) for name in "abc"]

    read([parts[0], (parts[1], [parts[2]])], tmp_path, WHERE).run(Endpoint("postgres", {}, {}, ""))

    assert calls == ["a", "b", "c"]


def test_the_key_of_a_list_depends_on_each_source_and_on_the_order(sql: Path) -> None:
    before = _key(["sql/1.sql", _migrate], sql.parent)
    others = [[_migrate, "sql/1.sql"], ["sql/1.sql"], ["sql/1.sql", _migrate_differently], ["sql", _migrate]]

    (sql / "1.sql").write_text("create table other ()")

    keys = {before, _key(["sql/1.sql", _migrate], sql.parent), *(_key(other, sql.parent) for other in others)}
    assert len(keys) == 6


def test_a_list_of_one_source_is_the_source(sql: Path) -> None:
    assert _key(["sql"], sql.parent) == _key(("sql",), sql.parent) == _key("sql", sql.parent)


@pytest.mark.parametrize("nothing", [None, "", " \n", [], [None, ""]], ids=repr)
def test_nothing_and_an_empty_list_leave_the_database_empty(tmp_path: Path, nothing: object) -> None:
    assert _key(nothing, tmp_path) == _key(None, tmp_path)


def test_each_line_of_a_text_is_a_source(sql: Path) -> None:
    assert _key("\n  sql/1.sql\n  sql/2.sql\n", sql.parent) == _key(["sql/1.sql", "sql/2.sql"], sql.parent)


def test_an_invalid_source_of_a_list_is_named_with_its_index(sql: Path) -> None:
    with pytest.raises(ConfigurationError) as missing:
        read(["sql/1.sql", ["sql/2.sql", "nowhere.sql"]], sql.parent, WHERE)
    with pytest.raises(ConfigurationError) as wrong:
        read(["sql", {"a": 1}], sql.parent, WHERE)  # type: ignore[list-item]  # an invalid value

    assert str(missing.value).startswith(f"{WHERE}[1][1]: 'nowhere.sql' is not a source of migrations")
    assert str(sql.parent / "nowhere.sql") in str(missing.value)
    assert str(wrong.value) == f"{WHERE}[1]: {{'a': 1}} (dict) is not a source of migrations"


def test_a_folder_without_sql_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"contains no `\*\.sql` file"):
        read(tmp_path, tmp_path, WHERE)
