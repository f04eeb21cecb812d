"""Write the collections of a test's PocketBase to the failure report, as JSON without passwords.

Source: SQLite documentation, "Uniform Resource Identifiers".
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from infra_runtime.redaction import MASK
from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit

#: The maximum number of records of a collection that are dumped.
RECORDS = 100
#: The columns whose values a client could use to log in; these values are masked.
SECRET = frozenset({"password", "tokenKey"})


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write each collection of the user with its fields and first records; return the files.

    The records are read from the database file of the test's copy of PocketBase.
    """
    path = folder / f"{unit.id}.json"
    uri = f"{(unit.data / 'pb_data' / 'data.db').as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1)) as connection:
        rows = connection.execute(
            "select name, type, fields from _collections where system = 0 order by name"
        )
        write_json(path, [_collection(connection, *row) for row in rows.fetchall()])
    return [path]


def _collection(connection: sqlite3.Connection, name: str, kind: str, fields: str) -> dict[str, Any]:
    table = '"' + name.replace('"', '""') + '"'
    (count,) = connection.execute(f"select count(*) from {table}").fetchone()  # noqa: S608 - a quoted name
    rows = connection.execute(f"select * from {table} limit ?", [RECORDS])  # noqa: S608 - a quoted name
    names = [column[0] for column in rows.description]
    records = [
        {key: MASK if key in SECRET else value for key, value in zip(names, row, strict=True)} for row in rows
    ]
    shape = {field["name"]: field["type"] for field in json.loads(fields)}
    return {"name": name, "type": kind, "fields": shape, "count": count, "records": records}
