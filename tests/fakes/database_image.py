"""The image of a database: texts that describe everything that SQL queries return about the database.

The texts of two databases can be compared. They do not contain `xmin`, `ctid`, cumulative statistics, and the
name and number of the database.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

#: part → its text or hash
Image = Mapping[str, str]

#: in the order of the table, which is the same in all clones
_CATALOGS = """
select format('select %L, md5(coalesce(string_agg(t::text, e''\\n''), '''')) from %s t',
    c.oid::regclass, c.oid::regclass)
from pg_class c where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind = 'r' and not c.relisshared
order by c.oid
"""
#: the rows in the order of the table; a row that is locked or was locked has an `xmax`
_TABLES = """
select format('select %L, md5(coalesce(string_agg(row(t.xmax, t.*)::text, e''\\n''), '''')) from only %s t',
    'rows of ' || c.oid::regclass, c.oid::regclass)
from pg_class c where c.oid >= 16384 and c.relkind in ('r', 'm') order by c.oid
"""
_SEQUENCES = """
select format('select %L, row(t.*)::text from %s t', c.oid::regclass, c.oid::regclass)
from pg_class c where c.oid >= 16384 and c.relkind = 'S' order by c.oid
"""
_ESTIMATES = (
    "select c.oid::regclass::text from pg_class c where c.oid >= 16384 and c.relkind = 'r' order by 1"
)
_DATABASE = {
    "database": "select to_jsonb(d) - 'oid' - 'datname' from pg_database d"
    " where datname = current_database()",
    "settings": "select jsonb_object_agg(name, setting) from pg_settings where name <> 'application_name'",
    "settings of the database": "select count(*) from pg_db_role_setting s join pg_database d"
    " on d.oid = s.setdatabase where d.datname = current_database()",
    "comment": "select shobj_description(oid, 'pg_database') from pg_database"
    " where datname = current_database()",
    "dependencies": "select count(*) from pg_shdepend s join pg_database d on d.oid = s.dbid"
    " where d.datname = current_database()",
    "sessions": "select count(*) from pg_stat_activity where datname = current_database()",
    "locks": "select count(*) from pg_locks l join pg_database d on d.oid = l.database"
    " where d.datname = current_database() and l.pid is distinct from pg_backend_pid()",
    "prepared transactions": "select count(*) from pg_prepared_xacts where database = current_database()",
    "slots": "select count(*) from pg_replication_slots where database = current_database()",
    "large objects": "select count(*) from pg_largeobject",
}


def image(connection: psycopg.Connection[Any], *, pg_dump: str = "", url: str = "") -> Image:
    """Return the image of a database; if `pg_dump` is the path of the program, include its output."""
    parts: dict[str, str] = {}
    for listing in (_CATALOGS, _TABLES, _SEQUENCES):
        queries = [text for (text,) in connection.execute(listing).fetchall()]
        rows = connection.execute(" union all ".join(queries)).fetchall()  # type: ignore[call-overload]
        parts |= dict(rows)
    tables = [table for (table,) in connection.execute(_ESTIMATES).fetchall()]
    with connection.pipeline():
        plans = [
            connection.execute(f"explain (format json) select * from only {table}".encode())
            for table in tables
        ]
        rows_of = {name: connection.execute(query.encode()) for name, query in _DATABASE.items()}
    for table, plan in zip(tables, plans, strict=True):
        parts[f"estimate of {table}"] = str((plan.fetchone() or ("",))[0][0]["Plan"]["Plan Rows"])
    for name, row in rows_of.items():
        parts[name] = str((row.fetchone() or ("",))[0])
    if pg_dump:
        command = [pg_dump, "-b", f"--dbname={url}"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        parts["pg_dump"] = re.sub(r"(?m)^\\(un)?restrict .*$", "", text)
    return parts


def differences(image: Image, other: Image) -> list[str]:
    """Return the names of the texts that differ between two images."""
    return sorted(part for part in {*image, *other} if image.get(part) != other.get(part))
