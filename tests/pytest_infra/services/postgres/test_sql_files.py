"""SQL files of every kind run, and their errors have file, line and statement."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.binaries import BinarySearch
from infra_runtime.config.resolve import resolve
from infra_runtime.engines.local.stack import Endpoint, Stack
from pytest_infra.services.postgres import psql
from pytest_infra.services.postgres.failed_migration import MigrationError
from pytest_infra.services.postgres.migrations import read

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")
pytestmark = pytest.mark.real("postgres", "psql")

WHERE = "infra_postgres_migrations"


def migrate(root: Path, database: Endpoint, source: Any = "a.sql") -> None:
    read(source, root, WHERE).run(database)


def rows(database: Endpoint, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url) as connection:
        return list(connection.execute(query).fetchall())


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


# --- kinds of files --------------------------------------------------------------------------------

#: files that create a table `a` with the row 1
FILES: dict[str, bytes] = {
    "byte order mark": b"\xef\xbb\xbfcreate table a (b int); insert into a values (1);",
    "CRLF": b"create table a (b int);\r\n-- x\r\ninsert into a\r\n  values (1);\r\n",
    "no last semicolon": b"create table a (b int); insert into a values (1)",
    "own transaction": b"begin; create table a (b int); insert into a values (1); commit;",
    "open transaction": b"begin; create table a (b int); insert into a values (1);",
    "index": b"create table a (b int); create index concurrently on a (b); insert into a values (1);",
    "vacuum": b"create table a (b int); vacuum a; insert into a values (1);",
    "function": b"create table a (b int);\ncreate function f() returns int language plpgsql as $$\nbegin\n"
    b"  insert into a values (1); return 1;\nend $$;\nselect f();",
    "enum": b"create type e as enum ('x'); alter type e add value 'y';\n"
    b"create table a (b int, c e default 'y'); insert into a values (1);",
    "procedure with commit": b"create table a (b int); create procedure p() language plpgsql as\n"
    b"$$ begin insert into a values (1); commit; end $$; call p();",
    "deferred constraint": b"create table p (i int primary key); create table a (b int references p"
    b" deferrable initially deferred); insert into a values (1); insert into p values (1);",
    "data after copy": b"create table a (b int);\ncopy a from stdin;\n1\n\\.\n",
    "restrict": b"\\restrict abc\ncreate table a (b int);\ncopy a from stdin;\n1\n\\.\n\\unrestrict abc\n",
    "variables": b"\\set one 1\ncreate table a (b int);\ninsert into a values (:one);\n",
    "reconnection": b"create table a (b int);\n\\connect :DBNAME\ninsert into a values (1);\n",
    "client encoding": "\\encoding LATIN1\ncreate table a (b int);\ninsert into a values (1); -- ä\n".encode(
        "latin1"
    ),
    "CRLF for psql": b"\xef\xbb\xbfcreate table a (b int);\r\n\\set one 1\r\n"
    b"insert into a values (:one);\r\n",
    "output": b"\\o /dev/null\ncreate table a (b int); insert into a values (1);\n",
}


@pytest.mark.parametrize("kind", FILES)
def test_the_statements_of_a_file_are_executed(tmp_path: Path, database: Endpoint, kind: str) -> None:
    write(tmp_path / "a.sql", FILES[kind])

    migrate(tmp_path, database)

    assert [row[0] for row in rows(database, "select b from a")] == [1]


@pytest.mark.parametrize("text", ["", "-- nothing\n", ";", "\\set a b\n"])
def test_a_file_without_statements_changes_nothing(tmp_path: Path, database: Endpoint, text: str) -> None:
    write(tmp_path / "a.sql", text)

    migrate(tmp_path, database)

    assert rows(database, "select count(*) from pg_class where oid >= 16384") == [(0,)]


def test_a_dump_is_restored_and_does_not_change_the_session_of_later_files(
    tmp_path: Path, migrated: Stack, database: Endpoint
) -> None:
    executables = resolve(("postgres",), directory=migrated.data.parent, environment="test").binaries
    with psycopg.connect(database.url) as connection:
        connection.execute("create schema shop; create table shop.pets (name text, born date)")
        connection.execute(r"insert into shop.pets values ('Ada\t', null), ('名', '2020-01-01')")
    command = [executables["pg_dump"], f"--dbname={database['socket_url']}"]
    dump = subprocess.run(command, check=True, capture_output=True, timeout=300).stdout
    with psycopg.connect(database.url) as connection:
        connection.execute("drop schema shop cascade")
    write(tmp_path / "sql" / "1.sql", dump)
    write(tmp_path / "sql" / "2.sql", "create table later as select * from shop.pets")

    migrate(tmp_path, database, "sql")

    assert len(rows(database, "select name from later")) == 2
    assert b"COPY shop.pets" in dump


def test_files_of_a_folder_share_a_session(tmp_path: Path, database: Endpoint) -> None:
    write(tmp_path / "sql" / "1.sql", "create schema shop; set search_path = shop")
    write(tmp_path / "sql" / "2.sql", "create table a (b int)")

    migrate(tmp_path, database, "sql")

    assert rows(database, "select schemaname from pg_tables where tablename = 'a'") == [("shop",)]


def test_extensions_and_roles_can_be_created(tmp_path: Path, database: Endpoint) -> None:
    write(
        tmp_path / "a.sql",
        "create extension citext; create role migrated_owner;\n"
        "create table a (b citext); alter table a owner to migrated_owner; drop owned by migrated_owner;\n"
        "drop role migrated_owner;",
    )

    migrate(tmp_path, database)

    assert rows(database, "select extname from pg_extension where extname = 'citext'") == [("citext",)]


# --- files that read other files -------------------------------------------------------------------


def project(root: Path) -> None:
    write(root / "db" / "all.sql", "\\i tables.sql\n\\ir rows/rows.sql\n\\copy a from 'rows/rows.csv' csv\n")
    write(root / "db" / "tables.sql", "create table a (b int);")
    write(root / "db" / "rows" / "rows.sql", "insert into a values (1);")
    write(root / "db" / "rows" / "rows.csv", "2\n")


def test_a_file_reads_files_in_its_folder(tmp_path: Path, database: Endpoint) -> None:
    project(tmp_path)

    migrate(tmp_path, database, "db/all.sql")

    assert rows(database, "select b from a order by b") == [(1,), (2,)]


def test_a_file_reads_files_relative_to_the_root_directory(tmp_path: Path, database: Endpoint) -> None:
    project(tmp_path)
    write(
        tmp_path / "db" / "all.sql", "\\i db/tables.sql\n\\ir rows/rows.sql\n\\copy a from db/rows/rows.csv\n"
    )

    migrate(tmp_path, database, "db/all.sql")

    assert rows(database, "select b from a order by b") == [(1,), (2,)]


def test_the_key_depends_on_large_objects(tmp_path: Path) -> None:
    write(tmp_path / "all.sql", "\\lo_import 'a b.bin'\n")
    write(tmp_path / "a b.bin", "1")
    before = read("all.sql", tmp_path, WHERE).key

    write(tmp_path / "a b.bin", "2")

    assert read("all.sql", tmp_path, WHERE).key != before


@pytest.mark.parametrize("changed", ["tables.sql", "rows/rows.sql", "rows/rows.csv"])
def test_the_key_depends_on_the_files_that_a_file_reads(tmp_path: Path, changed: str) -> None:
    project(tmp_path)
    before = read("db/all.sql", tmp_path, WHERE).key

    write(tmp_path / "db" / changed, "changed")

    assert read("db/all.sql", tmp_path, WHERE).key != before


#: the text of `db/all.sql`, which reads `db/rows/rows.sql`
READS = {
    "a variable": "\\set folder rows\n\\i :folder/rows.sql\n",
    "a quoted variable": "\\set folder 'ro' ws\n\\ir :folder/rows.sql\n",
    "a variable of a variable": "\\set a rows\n\\set b :a/rows.sql\n\\i :b\n",
    "a variable of another file": "\\ir variables.sql\n\\i :folder/rows.sql\n",
    "a path relative to the root": "\\set folder db/rows\n\\i :folder/rows.sql\n",
    "after a statement": "select 1; \\i rows/rows.sql\n",
    "twice": "\\set n none\n\\ir read.sql\n\\set n rows\n\\ir read.sql\n",
}


@pytest.mark.parametrize("text", READS.values(), ids=READS)
def test_a_file_reads_files_with_names_in_variables(tmp_path: Path, database: Endpoint, text: str) -> None:
    write(tmp_path / "db" / "all.sql", f"create table a (b int);\n{text}")
    write(tmp_path / "db" / "variables.sql", "\\set folder rows\n")
    write(tmp_path / "db" / "read.sql", "\\ir :n/rows.sql\n")
    write(tmp_path / "db" / "none" / "rows.sql", "")
    write(tmp_path / "db" / "rows" / "rows.sql", "insert into a values (1);")
    before = read("db/all.sql", tmp_path, WHERE).key

    migrate(tmp_path, database, "db/all.sql")

    assert rows(database, "select b from a") == [(1,)]
    write(tmp_path / "db" / "rows" / "rows.sql", "changed")
    assert read("db/all.sql", tmp_path, WHERE).key != before


def test_a_file_that_reads_itself_has_a_key(tmp_path: Path) -> None:
    write(tmp_path / "a.sql", "\\i a.sql\n\\i missing.sql\n")

    assert read("a.sql", tmp_path, WHERE).key


# --- errors ----------------------------------------------------------------------------------------

#: the file, the line of its error, the message, and the statement
ERRORS: dict[str, tuple[str, int, str, str]] = {
    "syntax": ("select 1;\ncreate\n  tabel a ();\nselect 2;", 3, "syntax error", "create\n  tabel a ()"),
    "name": ("-- x\nselect 1;\n\nselect 'é',\n  nothing;\n", 5, "column", "select 'é',\n  nothing"),
    "row": ("create table a (b int unique);\ninsert into a values (1);\n/**/\ninsert into a\nvalues (1);\n",
        4, "duplicate key", "insert into a\nvalues (1)"),
    "division": ("select 1; select 1/0; select 2", 1, "division by zero", "select 1/0"),
    "block": ("select 1;\ndo $$\nbegin\n  raise 'no';\nend $$;\nselect 3;",
        2, "no", "do $$\nbegin\n  raise 'no';\nend $$"),
    "after an index": ("create table a (b int);\ncreate index concurrently on a (b);\nselect 1,\n nothing;",
        4, "column", "select 1,\n nothing"),
    "in a transaction": ("begin;\nvacuum;\ncommit;", 2, "VACUUM cannot run", "vacuum"),
    "psql: syntax": ("\\set x y\nselect 1;\ncreate\n  tabel a ();\n",
        4, "syntax error", "create\n  tabel a ();"),
    "psql: row": ("\\set x y\ncreate table a (b int unique);\n\ninsert into a values (1), (1);",
        4, "duplicate key", "insert into a values (1), (1);"),
    "psql: data": ("create table a (b int);\ncopy a from stdin;\n1\nx\n\\.\n",
        2, "invalid input syntax", "copy a from stdin;"),
    "psql: command": ("select 1;\n\\nonsense\n", 2, "invalid command", ""),
    "psql: file": ("select 1;\n\\i nowhere.sql\n", 2, "nowhere.sql: No such file", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_has_file_line_and_statement(tmp_path: Path, database: Endpoint, kind: str) -> None:
    text, line, message, statement = ERRORS[kind]
    write(tmp_path / "a.sql", text)

    with pytest.raises(MigrationError) as caught:
        migrate(tmp_path, database)

    assert caught.value.where == f"{tmp_path}/a.sql:{line}"
    assert message in caught.value.message.splitlines()[0]
    expected = "\n".join(f"    {part}" for part in statement.splitlines())
    assert expected in str(caught.value)
    assert ("Statement:" in str(caught.value)) == bool(statement)


def test_an_error_in_an_included_file_has_the_line_in_the_included_file(
    tmp_path: Path, database: Endpoint
) -> None:
    write(tmp_path / "a.sql", "\\ir b.sql\n")
    write(tmp_path / "b.sql", "select 1;\n\nselect nothing;\n")

    with pytest.raises(MigrationError) as caught:
        migrate(tmp_path, database)

    assert caught.value.where == f"{tmp_path}/b.sql:3"


@pytest.mark.parametrize(
    "data",
    [
        "select 1;\nselect 'ä'".encode("latin1"),
        b"select 1;\nselect '\0'",
        "x\n\U00010a00".encode("utf-16-le"),
    ],
)
def test_a_file_that_is_not_in_utf_8_is_an_error_with_its_line(
    tmp_path: Path, database: Endpoint, data: bytes
) -> None:
    write(tmp_path / "a.sql", data)

    with pytest.raises(MigrationError, match="not in UTF-8") as caught:
        migrate(tmp_path, database)

    assert "encoding LATIN1" in caught.value.hint
    assert caught.value.where.startswith(f"{tmp_path}/a.sql:")


def test_a_dump_with_another_database_is_an_error(tmp_path: Path, database: Endpoint) -> None:
    write(tmp_path / "a.sql", "\\connect postgres\nselect 1;\n")

    with pytest.raises(MigrationError, match="connected to the database 'postgres'") as caught:
        migrate(tmp_path, database)

    assert "--create" in caught.value.hint


def test_missing_psql_is_an_error_with_the_commands_that_install_it(
    tmp_path: Path, database: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(binary: Any, setting: str | None) -> BinarySearch:
        return BinarySearch(name="psql", binary=binary, setting=setting, path="")

    monkeypatch.setattr(psql, "search", search)
    write(tmp_path / "a.sql", "\\i b.sql\n")
    write(tmp_path / "plain.sql", "create table a (b int)")

    migrate(tmp_path, database, "plain.sql")
    with pytest.raises(MigrationError, match="needs psql") as caught:
        migrate(tmp_path, database)

    assert "pip install 'pytest-infra[postgres]'" in caught.value.hint
    assert "postgresql-client" in caught.value.hint
