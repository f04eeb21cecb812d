"""Write the tables of a test's database to the failure report: the definition, and the first rows as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_infra.isolation.readable import DumpError, readable
from pytest_infra.isolation.unit import Unit
from pytest_infra.private_files import write
from pytest_infra.services.mariadb.driver import connect, driver, execute

if TYPE_CHECKING:
    import pymysql

#: The maximum number of tables that are dumped, of rows of each table, and of seconds for a statement.
TABLES, ROWS, SECONDS = 200, 100, 5


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the committed data of a test's database to a file, and return a list with the file.

    A statement waits at most one second for a locked table. Raises `DumpError` if a table cannot be read.
    """
    path = folder / f"{unit.id}.txt"
    failures: list[str] = []
    with connect(unit, database=unit["database"]) as connection:
        execute(connection, "set lock_wait_timeout = 1", f"set max_statement_time = {SECONDS}")
        tables = [(name, kind) for name, kind in execute(connection, "show full tables")]
        sections = [f"{len(tables)} tables and views\n"]
        for name, kind in tables[:TABLES]:
            try:
                sections.append(_section(connection, name, is_table="TABLE" in kind))
            except driver(unit.name).Error as error:
                failures.append(f"{name}: {error.args[-1]}")
    write(path, "\n".join(sections))
    if failures:
        raise DumpError(f"{path.name} lacks these tables: {'; '.join(failures)}")
    return [path]


def _section(connection: pymysql.Connection[Any], name: str, *, is_table: bool) -> str:
    quoted = "`" + name.replace("`", "``") + "`"
    text = io.StringIO()
    if is_table:
        ((_, definition, *_),) = execute(connection, f"show create table {quoted}")
        ((count,),) = execute(connection, f"select count(*) from {quoted}")  # noqa: S608 - quoted
        text.write(f"{definition};\n-- {count} rows\n")
    else:
        text.write(f"-- the view {name}\n")
    with connection.cursor() as cursor:
        cursor.execute(f"select * from {quoted} limit {ROWS}")  # noqa: S608 - quoted
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow([column[0] for column in cursor.description])
        rows.writerows([_text(value) for value in row] for row in cursor.fetchall())
    return text.getvalue()


def _text(value: object) -> str:
    if value is None:
        return "NULL"
    return f"{len(value)} bytes" if isinstance(value, bytes) else readable(str(value))
