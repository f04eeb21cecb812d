"""Write the state of a pool to the failure report: its clients and its connections to the server, as CSV.

Source: PgBouncer documentation, "Usage", section "Admin console".
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.unit import Unit
from pytest_infra.private_files import write

#: the database of the administration console
CONSOLE = "pgbouncer"


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the pool of a test's database to a file, and return a list with the file."""
    try:
        import psycopg
    except ImportError as error:
        raise ConfigurationError(
            f"{unit.name}: the dump of a pool needs psycopg",
            hint="Install psycopg with `python -m pip install 'pytest-infra[postgres]'`.",
        ) from error
    path = folder / f"{unit.id}.txt"
    url = unit.url.rpartition("/")[0] + f"/{CONSOLE}"
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        sections = [
            f"-- {statement.decode()}\n{_rows(connection, statement, unit['database'])}"
            for statement in (b"show pools", b"show clients", b"show servers")
        ]
    write(path, "\n".join(sections))
    return [path]


def _rows(connection: Any, statement: bytes, database: str) -> str:
    cursor = connection.execute(statement)
    names = [column.name for column in cursor.description]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(names)
    rows.writerows(row for row in cursor.fetchall() if row[names.index("database")] == database)
    return text.getvalue()
